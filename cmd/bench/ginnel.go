package main

import (
	"context"
	"crypto/sha256"
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
	secure  bool // to the upstream with TLS
	invoked bool // by way of a plugin that makes its calls itself, which is this program
	plugins int  // processes; 0 = one
}

var variants = []variant{
	{name: emptyRelay},
	{name: fullNoScan, full: true},
	{name: fullRelay, full: true, scan: true},
	{name: secureRelay, secure: true},
	{name: secureInvoked, secure: true, invoked: true},
}

// started measures how long a variant takes until it listens, which is when all its plugins are ready, and ends it.
func (b *bench) started(ctx context.Context, v variant, upstream string) (*candidate, error) {
	c, err := b.startGinnel(ctx, v, upstream, "")
	if err == nil {
		c.proc.stop()
	}
	return c, err
}

// certificate is the file of the secure upstream's certificate.
const certificate = "upstream.pem"

// startGinnel writes a configuration, makes a key where one is needed, and runs the gateway.
func (b *bench) startGinnel(ctx context.Context, v variant, upstream, secure string) (*candidate, error) {
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
	provider := fmt.Sprintf("plugin = \"openai\"\n  base_url = \"http://%s/v1\"\n  config { api_key = secret.up }", upstream)
	if v.secure {
		if provider, err = secureProvider(secure, filepath.Join(b.dir, certificate), v.invoked); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(path, []byte(v.config(addr, provider)), 0o600); err != nil {
		return nil, err
	}
	c := &candidate{addr: addr, streamAddr: addr, streams: true}
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

// secureProvider returns the body of a provider that leads to the upstream with TLS, by way of this program as
// a plugin where it is to be invoked.
func secureProvider(addr, certificate string, invoked bool) (string, error) {
	place := fmt.Sprintf("base_url = \"https://%s/v1\"\n  tls = { ca_file = %q }", addr, certificate)
	if !invoked {
		return "plugin = \"openai\"\n  " + place + "\n  config { api_key = secret.up }", nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("plugin = %q\n  sha256 = \"%x\"\n  %s", self, sha256.Sum256(binary), place), nil
}

func stderrOf(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return strings.TrimSpace(string(e.Stderr))
	}
	return ""
}

// config returns a gateway.hcl. The empty pipeline logs no requests, as the references do not; the
// full one does everything that a gateway in service does.
func (v variant) config(addr, provider string) string {
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
	s.WriteString("secret \"up\" { env = \"BENCH_UPSTREAM_KEY\" }\n")
	fmt.Fprintf(&s, "provider \"up\" {\n  %s\n}\n", provider)
	models := "model.whole, model.burst, model.paced"
	for i := 1; i < v.plugins; i++ {
		fmt.Fprintf(&s, "provider \"up%d\" {\n  %s\n}\n", i, provider)
		fmt.Fprintf(&s, "model \"m%d\" {\n  target \"up\" {\n    provider = provider.up%d\n    model    = \"m\"\n  }\n}\n", i, i)
		models += fmt.Sprintf(", model.m%d", i)
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
	fmt.Fprintf(&s, "route \"main\" {\n  listener = listener.public\n  match    = { path = \"/v1/*\" }\n  auth     = %q\n  pipeline = pipeline.main\n  models   = [%s]\n}\n", auth, models)
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
