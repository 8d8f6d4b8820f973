package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// build compiles an example and returns the file.
func build(t *testing.T, example, name string, env ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	args := []string{"build", "-o", out}
	if len(env) > 0 {
		args = append(args, "-buildmode=c-shared")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = filepath.Join(repository, "examples", example)
	cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0", "GOFLAGS=")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// TestThirdParties does what the guides say: a filter, a provider and a sink of somebody else's, built, declared and used.
func TestThirdParties(t *testing.T) {
	filter := build(t, "filter", "filter.wasm", "GOOS=wasip1", "GOARCH=wasm")
	attached := ginnel(t, ".", "filter", "attach", filter, filepath.Join(repository, "examples/filter/manifest.json"))
	filterSum, _, ok := strings.Cut(attached.out, " ")
	if !ok || attached.code != 0 {
		t.Fatalf("%+v", attached)
	}
	provider := build(t, "provider-constant", "constant")
	sink := build(t, "telemetry-count", "count")
	text, err := exec.Command("sha256sum", provider, sink).Output()
	if err != nil {
		t.Fatal(err)
	}
	sums := strings.Fields(string(text)) // each with its file
	providerSum, sinkSum := sums[0], sums[2]
	gw := start(t, fmt.Sprintf(`
gateway { data_dir = "%%DATA%%" }
listener "public" { address = "127.0.0.1:0" }
provider "constant" {
  plugin = %q
  sha256 = %q
  config { words = "all is well" }
}
telemetry "count" {
  plugin = %q
  sha256 = %q
  queue  = { flush = "20ms" }
  config { label = "counted" }
}
model "constant" {
  target "constant" {
    provider = provider.constant
    model    = "any"
  }
}
filter "cost" {
  wasm   = %q
  sha256 = %q
  config { header = "x-team" }
}
pipeline "p" { filters = [filter.cost] }
route "all" {
  listener = listener.public
  match    = { path = "/v1/*" }
  auth     = "none"
  pipeline = pipeline.p
  models   = [model.constant]
}
`, provider, providerSum, sink, sinkSum, filter, filterSum))
	for _, stream := range []bool{false, true} {
		resp, body := gw.post(ask("constant", "hello", stream))
		if resp.StatusCode != 403 || !strings.Contains(body, "x-team is missing") {
			t.Errorf("without the header: %d %s", resp.StatusCode, body)
		}
		resp, body = gw.post(ask("constant", "hello", stream), "X-Team", "a")
		if resp.StatusCode != 200 || !strings.Contains(body, "all is well") {
			t.Errorf("with it: %d %s", resp.StatusCode, body)
		}
	}
	if p := gw.plugin("constant"); p.PID == 0 || p.PID == os.Getpid() {
		t.Errorf("%+v", p)
	}
	gw.wait("the sink to say so", func() bool { return strings.Contains(gw.logs.String(), `"name":"count","text":"counted `) })
	// another file, or a config that the plugin's schema refuses, is an error with its line
	for old, c := range map[string][2]string{
		providerSum:             {strings.Repeat("0", 64), "sha256"},
		`words = "all is well"`: {`words = 7`, ":7: "},
		filterSum:               {strings.Repeat("0", 64), "sha256"},
		"plugin = ":             {"private = true\n  proxy = \"http://u:p4ssw0rd@127.0.0.1:1\"\n  plugin = ", "constant: private, proxy: it makes its calls itself and does not say that it can be told"},
	} {
		text, err := os.ReadFile(gw.path)
		if err != nil {
			t.Fatal(err)
		}
		gw.write(strings.Replace(string(text), old, c[0], 1))
		r := gw.Reload(context.Background(), "test")
		if r.Error == "" || !strings.Contains(r.Error+r.Text, c[1]) {
			t.Errorf("%s: %+v", c[0], r)
		}
		gw.write(string(text))
	}
	if resp, err := http.Get(gw.url + "/v1/models"); err != nil || resp.StatusCode == 500 {
		t.Errorf("the running one goes on: %v", err)
	}
}

// TestTheRelayingExample: somebody else's provider that leads to a vendor; here to a server that asks for its key.
func TestTheRelayingExample(t *testing.T) {
	plugin := build(t, "provider-relay", "acme")
	sum, err := exec.Command("sha256sum", plugin).Output()
	if err != nil {
		t.Fatal(err)
	}
	up := mockllm.Start(t, mockllm.Options{RequireKey: "acmes-own"})
	hcl := strings.Replace(relay(up.URL, emptyPipeline, "mock"), "plugin   = \"openai\"", fmt.Sprintf("plugin   = %q\n  sha256   = %q", plugin, strings.Fields(string(sum))[0]), 1)
	gw := start(t, strings.Replace(hcl, "api_key = secret.up", `api_key = "acmes-own"`, 1))
	for _, stream := range []bool{false, true} {
		if resp, body := gw.post(ask("mock", "hello", stream)); resp.StatusCode != 200 || !strings.Contains(body, "chat.completion") {
			t.Errorf("status %d %s", resp.StatusCode, body)
		}
	}
}

// TestSecretsAreNotPrinted plants a secret in every source and looks for it in everything that is
// written.
func TestSecretsAreNotPrinted(t *testing.T) {
	dir, err := os.MkdirTemp("", "ginnel-canary-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	canaries := map[string]string{}
	for _, source := range []string{"env", "file", "credential"} {
		canaries[source] = "canary" + strings.TrimPrefix(madeUpToken(), "ghp_")
	}
	for _, source := range []string{"file", "credential"} {
		if err := os.WriteFile(filepath.Join(dir, source), []byte(canaries[source]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CANARY_KEY", canaries["env"])
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	declared := ""
	for source, name := range map[string]string{"env": "CANARY_KEY", "file": filepath.Join(dir, "file"), "credential": "credential"} {
		declared += fmt.Sprintf("secret %q { %s = %q }\nprovider %q {\n  plugin = \"openai\"\n  base_url = \"http://127.0.0.1:1/v1\"\n  config { api_key = secret.%s }\n}\n", source, source, name, source, source)
		declared += fmt.Sprintf("model %q {\n  target \"t\" {\n    provider = provider.%s\n    model = \"x\"\n  }\n}\n", source, source)
	}
	hcl := strings.Replace(echoed(fullPipeline, declared), "[model.echo]", "[model.echo, model.env, model.file, model.credential]", 1)
	path := filepath.Join(dir, "gateway.hcl")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(hcl, "%DATA%", "./data")), 0o600); err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	for _, args := range []string{"validate", "validate --json", "config show", "schema", "status", "plugins list --json"} {
		s := ginnel(t, dir, strings.Fields(args)...)
		written.WriteString(s.out + s.err)
	}
	broken := strings.Replace(hcl, "aliases", "allases", 1) + "\nroute \"broken\" {\n  match = { path = secret.env }\n}\n"
	if err := os.WriteFile(path, []byte(strings.Replace(broken, "secret.file", `"${secret.file}" + 1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := ginnel(t, dir, "validate")
	if s.code == 0 {
		t.Error("the broken one is valid")
	}
	written.WriteString(s.out + s.err)
	gw := start(t, hcl)
	for source := range canaries {
		resp, body := gw.post(ask(source, "hello", true)) // nothing listens there
		if resp.StatusCode != 503 {
			t.Errorf("%s: %d %s", source, resp.StatusCode, body)
		}
		written.WriteString(body)
	}
	gw.write(broken)
	written.WriteString(fmt.Sprintf("%+v", gw.Reload(context.Background(), "test")))
	written.WriteString(gw.logs.String() + fmt.Sprintf("%+v", gw.Status()))
	for source, canary := range canaries {
		if strings.Contains(written.String(), canary) {
			t.Errorf("the %s secret is printed", source)
		}
	}
	if written.Len() < 10_000 {
		t.Errorf("only %d bytes were looked at", written.Len())
	}
}
