package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// relayed are the models of a daemon that relays to the mock upstream, which are its knobs.
var relayed = []string{"mock", "mock+gap=50ms+chunks=1000", "mock+fault=401", "mock+fault=429", "mock+fault=500", "mock+fault=529", "mock+fault=html500",
	"mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-error", "mock+fault=sse-bad", "mock+fault=sse-noise", "mock+fault=sse-split", "mock+fault=sse-split+chunks=3"}

const relayConfiguration = `
gateway {
  data_dir = %q
}
listener "public" { address = %q }
secret "up" { file = %q }
provider "up" {
  plugin   = %q
  base_url = %q
  config { api_key = secret.up }
}
filter "headers" { wasm = "builtin:headers" }
filter "sanitize" { wasm = "builtin:sanitize" }
pipeline "standard" { filters = [filter.headers, filter.sanitize] }
route "all" {
  listener = listener.public
  match    = { path = "/*" }
  pipeline = pipeline.standard
  models   = [%s]
}
`

// startRelay returns what starts a daemon that relays one vendor's dialect, of the version that stands in
// the upstream's path, to a mock upstream. BASE_URL is its origin: the SDKs choose versions of their own.
func startRelay(plugin, version string) func(context.Context, string) (*daemon, error) {
	return func(ctx context.Context, binary string) (*daemon, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		up := &http.Server{Handler: mockllm.New(mockllm.Options{}), ErrorLog: log.New(io.Discard, "", 0)}
		go up.Serve(l) // until clean
		dir, err := os.MkdirTemp("", "ginnel-relay-")
		if err != nil {
			up.Close()
			return nil, err
		}
		clean := func() {
			up.Close()
			os.RemoveAll(dir)
		}
		d, err := runRelay(ctx, binary, plugin, version, "http://"+l.Addr().String(), dir, clean)
		if err != nil {
			clean()
		}
		return d, err
	}
}

func runRelay(ctx context.Context, binary, plugin, version, upstream, dir string, clean func()) (*daemon, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file, secret := filepath.Join(dir, "gateway.hcl"), filepath.Join(dir, "secret")
	var names []string
	var models strings.Builder
	for i, m := range relayed {
		names = append(names, fmt.Sprintf("model.m%d", i))
		fmt.Fprintf(&models, "model \"m%d\" {\n  aliases = [%q]\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.up\n    model = %q\n  }\n}\n", i, m, m)
	}
	text := fmt.Sprintf(relayConfiguration, filepath.Join(dir, "data"), address, secret, plugin, upstream+version, strings.Join(names, ", ")) + models.String()
	if err := os.WriteFile(secret, []byte("none"), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{cmd: exec.CommandContext(ctx, binary, "run", "-c", file), clean: clean}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.BaseURL, d.Model, d.Upstream = "http://"+address, "mock", upstream
	if d.Key, err = createKey(ctx, binary, file); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}
