package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// variant is one configuration of the gateway.
type variant struct {
	name    string
	full    bool // keys, filters, an event per request
	scan    bool // sanitize too
	invoked bool // to the echo plugin instead of the upstream
}

var variants = []variant{
	{name: emptyRelay},
	{name: fullNoScan, full: true},
	{name: fullRelay, full: true, scan: true},
	{name: emptyInvoked, invoked: true},
}

// startGinnel writes a configuration, makes a key where one is needed, and runs the gateway.
func (b *bench) startGinnel(ctx context.Context, v variant, upstream string) (*candidate, error) {
	binary, err := filepath.Abs(b.ginnel)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "ginnel-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "gateway.hcl")
	if err := os.WriteFile(path, []byte(v.config(addr, upstream)), 0o600); err != nil {
		return nil, err
	}
	c := &candidate{addr: addr, streamAddr: addr, streams: !v.invoked}
	environment := append(os.Environ(), "BENCH_UPSTREAM_KEY=none") // the upstream takes any
	if v.full {
		create := exec.CommandContext(ctx, binary, "keys", "create", "-c", path, "--name", "bench")
		create.Dir, create.Env = dir, environment
		out, err := create.Output()
		if err != nil {
			return nil, fmt.Errorf("keys create: %w: %s", err, stderrOf(err))
		}
		c.key = strings.TrimSpace(string(out))
	}
	launch := func() error {
		cmd := exec.Command(binary, "run", "-c", path)
		cmd.Dir, cmd.Env = dir, environment
		if c.proc, err = startProcess(cmd); err != nil {
			return err
		}
		b.procs = append(b.procs, c.proc)
		c.started, err = c.proc.ready(ctx, addr)
		return err
	}
	if err := launch(); err != nil {
		return nil, err
	}
	if v.full { // the first start compiled the filters: what is measured is every later one
		c.proc.stop()
		if err := launch(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func stderrOf(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return strings.TrimSpace(string(e.Stderr))
	}
	return ""
}

// config returns a gateway.hcl. The empty pipeline logs no requests, as the references do not; the
// full one does everything that a gateway in service does.
func (v variant) config(addr, upstream string) string {
	var s strings.Builder
	level, auth, filters := "warn", "none", ""
	if v.full {
		level, auth, filters = "info", "key", "filter.headers, filter.ratelimit"
		if v.scan {
			filters += ", filter.sanitize"
		}
	}
	fmt.Fprintf(&s, "gateway {\n  data_dir = \"./data\"\n  log      = { level = %q, format = \"json\" }\n}\n", level)
	fmt.Fprintf(&s, "listener \"public\" {\n  address = %q\n}\n", addr)
	if v.invoked {
		s.WriteString("provider \"up\" {\n  plugin = \"echo\"\n}\n")
	} else {
		s.WriteString("secret \"up\" { env = \"BENCH_UPSTREAM_KEY\" }\n")
		fmt.Fprintf(&s, "provider \"up\" {\n  plugin   = \"openai\"\n  base_url = \"http://%s/v1\"\n  config { api_key = secret.up }\n}\n", upstream)
	}
	labels := map[string]string{modelWhole: "whole", modelBurst: "burst", modelPaced: "paced"}
	for _, name := range []string{modelWhole, modelBurst, modelPaced} {
		fmt.Fprintf(&s, "model %q {\n  aliases = [%q]\n  target \"up\" {\n    provider = provider.up\n    model    = %q\n  }\n}\n", labels[name], name, name)
	}
	if v.full {
		s.WriteString(fullFilters)
	}
	if v.scan {
		s.WriteString("filter \"sanitize\" { wasm = \"builtin:sanitize\" }\n")
	}
	fmt.Fprintf(&s, "pipeline \"main\" {\n  filters = [%s]\n}\n", filters)
	fmt.Fprintf(&s, "route \"main\" {\n  listener = listener.public\n  match    = { path = \"/v1/*\" }\n  auth     = %q\n  pipeline = pipeline.main\n  models   = [model.whole, model.burst, model.paced]\n}\n", auth)
	return s.String()
}

const fullFilters = `filter "headers" {
  wasm = "builtin:headers"
  config {
    request {
      set = { "x-gateway" = "bench" }
    }
    response {
      remove = ["server"]
    }
  }
}
filter "ratelimit" {
  wasm = "builtin:ratelimit"
  rate "default" { limit = "100000000/1m" }
}
`
