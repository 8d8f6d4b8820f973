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
	return startBefore(mockllm.New(mockllm.Options{Record: true}), relayConfiguration, func(upstream string) (providers, models string, names []string) {
		providers = fmt.Sprintf("provider \"up\" {\n  plugin   = %q\n  base_url = %q\n  config { api_key = secret.up }\n}\n", plugin, upstream+version)
		for i, m := range relayed {
			models += model(fmt.Sprint("m", i), m, "up", m)
			names = append(names, fmt.Sprintf("model.m%d", i))
		}
		return providers, models, names
	})
}

// dialects are the providers of a daemon whose models are of every dialect.
var dialects = []struct{ name, plugin, version, config string }{
	{"openai", "openai", "/v1", `dialects = ["openai"]`},
	{"responses", "openai", "/v1", `dialects = ["responses"]`},
	{"anthropic", "anthropic", "/v1", ""},
	{"gemini", "gemini", "/v1beta", ""},
}

// silent is a provider whose streams may say nothing for a second, with a model that says nothing any more.
const silent = `
provider "silent" {
  plugin   = "anthropic"
  base_url = "%s/v1"
  timeouts = { idle = "1s" }
  config { api_key = secret.up }
}
`

// startAcross starts a daemon with a mock upstream in each dialect; the dialect stands before the model's name.
func startAcross(ctx context.Context, binary string) (*daemon, error) {
	return startBefore(mockllm.New(mockllm.Options{Record: true}), relayConfiguration, func(upstream string) (providers, models string, names []string) {
		for i, d := range dialects {
			providers += fmt.Sprintf("provider %q {\n  plugin   = %q\n  base_url = %q\n  config {\n    api_key = secret.up\n    %s\n  }\n}\n", d.name, d.plugin, upstream+d.version, d.config)
			for j, m := range append([]string{"mock+fault=badjson", "mock+fault=empty", "mock+fault=reset", "mock+fault=cut"}, relayed...) {
				name := fmt.Sprintf("m%d-%d", i, j)
				models += model(name, d.name+"-"+m, d.name, m)
				names = append(names, "model."+name)
			}
		}
		providers += fmt.Sprintf(silent, upstream)
		models += model("silent", "silent-mock", "silent", "mock+fault=sse-stall")
		return providers, models, append(names, "model.silent")
	})(ctx, binary)
}

// model declares a model under a name of its own and one for clients.
func model(name, alias, provider, at string) string {
	return fmt.Sprintf("model %q {\n  aliases = [%q]\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.%s\n    model = %q\n  }\n}\n", name, alias, provider, at)
}

// startBefore returns what starts a daemon before an upstream, by a configuration with the providers and models that
// declare returns for its address.
func startBefore(handler http.Handler, configuration string, declare func(upstream string) (providers, models string, names []string)) func(context.Context, string) (*daemon, error) {
	return func(ctx context.Context, binary string) (*daemon, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		up := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
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
		d, err := runRelay(ctx, binary, "http://"+l.Addr().String(), dir, clean, configuration, declare)
		if err != nil {
			clean()
		}
		return d, err
	}
}

func runRelay(ctx context.Context, binary, upstream, dir string, clean func(), configuration string, declare func(string) (string, string, []string)) (*daemon, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file, secret := filepath.Join(dir, "gateway.hcl"), filepath.Join(dir, "secret")
	providers, models, names := declare(upstream)
	text := fmt.Sprintf(configuration, filepath.Join(dir, "data"), address, secret, strings.Join(names, ", ")) + providers + models
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
	if root := filepath.Join(dir, "data", "ca.pem"); strings.Contains(text, "tls \"internal\"") {
		d.BaseURL, d.CA = "https://"+address, root
	}
	return d, nil
}
