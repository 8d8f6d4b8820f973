gateway {
  data_dir = "./data"
}

# Reachable from the network, with a certificate of the daemon's own authority. Clients trust
# data/ca.pem.
listener "public" {
  address = ":8443"
  tls "internal" {
    names = ["gateway.example.internal"]
  }
}

listener "admin" {
  address = "127.0.0.1:9443"
  serve   = ["metrics"]
}

secret "openai" { env = "OPENAI_API_KEY" }

provider "openai" {
  plugin   = "openai"
  base_url = "https://api.openai.com/v1"
  timeouts = { first_token = "60s", idle = "30s" }
  config { api_key = secret.openai }
}

model "chat" {
  aliases = ["gpt-4o", "gpt-4o-mini"]
  target "openai" {
    provider = provider.openai
    model    = "gpt-4o-mini"
  }
}

team "research" {
  models = [model.chat]
  limit  = { requests = "1000/1h" }
}

filter "ratelimit" {
  wasm = "builtin:ratelimit"
  rate "default" { limit = "60/1m" }
}

filter "sanitize" {
  wasm = "builtin:sanitize"
  config {
    secrets = "deny"
  }
}

pipeline "standard" {
  filters = [filter.ratelimit, filter.sanitize]
}

route "v1" {
  listener = listener.public
  match    = { path = "/v1/*" }
  pipeline = pipeline.standard
  models   = [model.chat]
}
