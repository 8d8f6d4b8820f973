gateway {
  data_dir = "./data"
  log      = { level = "warn", format = "json" }
}

listener "public" {
  address = "127.0.0.1:8080"
}

provider "echo" { plugin = "echo" }

model "echo" {
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}

pipeline "open" {
  filters = []
}

route "v1" {
  listener = listener.public
  match    = { path = "/v1/*" }
  auth     = "none"
  pipeline = pipeline.open
  models   = [model.echo]
}

telemetry "file" {
  plugin = "jsonl"
  queue  = { memory = "16MiB", flush = "1s", when_full = "drop_oldest" }
  config {
    path     = "./data/events.jsonl"
    max_size = "64MiB"
    keep     = 3
  }
}
