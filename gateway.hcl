# The gateway as it comes. `ginnel run` reads this file, `ginnel validate` checks it, and
# docs/reference/configuration.md says what every argument means. It answers with the built-in echo
# model, so it works with an empty environment; the last part shows what to change for a vendor's.

gateway {
  # gateway.NAME.hcl beside this file is laid over it, where there is one.
  environment = env("GINNEL_ENV", "production")

  # state.db, the control socket, ca.pem, the master key and the compiled filters.
  data_dir = "./data"

  limits = {
    concurrent_requests = env("MAX_CONCURRENT_REQUESTS", 4096)
    body                = "32MiB"
    drain               = "30s"
  }
  log = {
    level  = env("LOG_LEVEL", "info")
    format = env("LOG_FORMAT", "auto")
  }
}

# Applications. On any other address than loopback a listener must say its tls:
# "internal" (the daemon's own authority), "files", or, spelt out, "off".
listener "public" {
  address = env("GINNEL_LISTEN", "127.0.0.1:8080")
}

# /healthz, /readyz and /metrics.
listener "admin" {
  address = env("GINNEL_ADMIN", "127.0.0.1:9443")
  serve   = ["metrics"]
}

provider "echo" { plugin = "echo" }

model "echo" {
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}

filter "headers" { wasm = "builtin:headers" }

filter "ratelimit" {
  wasm = "builtin:ratelimit"
  rate "default" {
    # requests of one key, team or, on an open route, address
    limit = "${env("RATE_LIMIT_MAX", 600)}/${env("RATE_LIMIT_WINDOW_MS", 60000)}ms"
  }
}

# Secrets are taken out of requests and answers; attacks are refused where programs would read them.
filter "sanitize" { wasm = "builtin:sanitize" }

pipeline "standard" {
  filters = [filter.headers, filter.ratelimit, filter.sanitize]
}

# A route asks for a virtual key unless it says auth = "none": `ginnel keys create --name laptop`.
# OpenAI's and Anthropic's clients call paths below /v1, Gemini's below /v1beta.
route "models" {
  listener = listener.public
  match    = { path = "/*" }
  pipeline = pipeline.standard
  models   = [model.echo]
}

# One event for each exchange, in a file that is rotated.
#
# telemetry "file" {
#   plugin = "jsonl"
#   queue  = { flush = "${env("TELEMETRY_FLUSH_INTERVAL", 5000)}ms" }
#   config { path = "/var/log/ginnel/events.jsonl" }
# }

# A vendor. Put model.chat into the route's models, and the key into the environment.
#
# secret "openai" { env = "OPENAI_API_KEY" }
#
# provider "openai" {
#   plugin   = "openai"
#   base_url = "https://api.openai.com/v1"
#   config { api_key = secret.openai }
# }
#
# model "chat" {
#   aliases = ["gpt-4o"]
#   target "openai" {
#     provider = provider.openai
#     model    = "gpt-4o"
#   }
# }
