package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/filters"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
)

// patience bounds a wait of a test; it is no expectation.
const patience = 30 * time.Second

// TestMain serves the built-in plugins where the daemon under test starts this binary as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == pluginCommand {
		servePlugin(os.Args[2:])
		return
	}
	if os.Getenv(asGinnel) != "" { // see command_test.go
		main()
		return
	}
	code := m.Run()
	os.RemoveAll(moduleCache())
	os.Exit(code)
}

// running is a daemon in this process, with what it logged.
type running struct {
	*daemon.Daemon
	t    testing.TB
	path string // of gateway.hcl
	data string
	logs *safeBuffer
	url  string // of the listener "public"
}

// safeBuffer is a buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// moduleCache is shared by all daemons of the test binary, so that each module is compiled once.
var moduleCache = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "ginnel-modules-")
	if err != nil {
		panic(err)
	}
	return dir
})

// start runs a daemon with a configuration until the test ends. %DATA% stands for its directory.
func start(t testing.TB, hcl string) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{t: t, path: filepath.Join(dir, "gateway.hcl"), data: filepath.Join(dir, "data"), logs: new(safeBuffer)}
	r.write(hcl)
	if err := os.MkdirAll(r.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(moduleCache(), filepath.Join(r.data, "modules")); err != nil {
		t.Fatal(err)
	}
	logger, level, err := telemetry.NewLogger(r.logs, "json")
	if err != nil {
		t.Fatal(err)
	}
	level.Set(slog.LevelDebug)
	load := func() config.Result { return config.Load(config.Source{Path: r.path}, options()) }
	loaded := load()
	if loaded.Config == nil {
		var text strings.Builder
		config.WriteDiagnostics(&text, loaded.Diagnostics, loaded.Files, 0, false)
		t.Fatal(text.String())
	}
	r.Daemon, err = daemon.Start(context.Background(), daemon.Needs{
		Version: "test", Load: load, Logger: logger, Level: level, Command: command, Alone: alone, Module: filters.Module,
		Codecs: codecs.All(), Upstreams: codecs.Upstreams(),
	}, loaded.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Log(r.logs.String())
		}
	})
	r.url = "http://" + r.Addresses()["public"]
	return r
}

// write puts a configuration into the daemon's file.
func (r *running) write(hcl string) {
	r.t.Helper()
	text := strings.ReplaceAll(hcl, "%DATA%", r.data)
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// logged is the log line that ends an exchange.
type logged struct {
	RequestID string `json:"request_id"`
	TraceID   string `json:"trace_id"`
	Terminal  string `json:"terminal"`
	Status    int    `json:"status"`
	Provider  string `json:"provider"`
	Retries   int    `json:"retries"`
	Fallback  string `json:"fallback"`
	Tries     string `json:"tries"`
	Filter    string `json:"filter"`
	Class     string `json:"class"`
	Error     string `json:"error"`
	TokensIn  *int64 `json:"tokens_in"`
	Key       string `json:"key"`
}

// events returns the exchanges that have ended.
func (r *running) events() (all []logged) {
	for line := range strings.SplitSeq(r.logs.String(), "\n") {
		var e logged
		if json.Unmarshal([]byte(line), &e) == nil && e.Terminal != "" {
			all = append(all, e)
		}
	}
	return all
}

// event waits for the end of an exchange.
func (r *running) event(id string) (e logged) {
	r.t.Helper()
	r.wait("the event of "+id, func() bool {
		for _, e = range r.events() {
			if e.RequestID == id {
				return true
			}
		}
		return false
	})
	return e
}

func (r *running) wait(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ask is the body of a chat request.
func ask(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"stream":%t}`, model, text, stream)
}

// post sends a chat request and returns the answer with its body read.
func (r *running) post(body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	return r.do(r.request(context.Background(), body, header...))
}

func (r *running) do(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(text)
}

func (r *running) request(ctx context.Context, body string, header ...string) *http.Request {
	r.t.Helper()
	return r.requestTo(ctx, "POST", "/v1/chat/completions", body, header...)
}

func (r *running) requestTo(ctx context.Context, method, path, body string, header ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// pipeline declares the three built-in filters and a pipeline of them; empty is one of none. A machine
// that stalls may not be taken for a filter that does.
const (
	fullPipeline = `
filter "headers" {
  wasm   = "builtin:headers"
  limits = { time = "20s" }
}
filter "ratelimit" {
  wasm   = "builtin:ratelimit"
  limits = { time = "20s" }
  rate "default" { limit = "1000000/1m" }
}
filter "sanitize" {
  wasm   = "builtin:sanitize"
  limits = { time = "20s" }
  config { unseen = "allow" }
}
pipeline "p" { filters = [filter.headers, filter.ratelimit, filter.sanitize] }
`
	emptyPipeline = `
pipeline "p" { filters = [] }
`
)

// relay declares an open route to an OpenAI-compatible upstream under several model names.
func relay(upstream, pipeline string, models ...string) string {
	return openAI.relay(upstream, pipeline, models...)
}

// relay declares an open route to an upstream that speaks the dialect, under several model names.
func (s surface) relay(upstream, pipeline string, models ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
gateway {
  data_dir = "%%DATA%%"
  limits   = { drain = "5s" }
}
listener "public" { address = "127.0.0.1:0" }
provider "up" {
  plugin   = %q
  base_url = %q
  config { api_key = secret.up }
}
secret "up" { file = "/etc/hostname" }
%s
route "all" {
  listener = listener.public
  match    = { path = "%s/*" }
  auth     = "none"
  pipeline = pipeline.p
  models   = [`, s.plugin, upstream+s.base, pipeline, s.base)
	for i := range models {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "model.m%d", i)
	}
	b.WriteString("]\n}\n")
	for i, m := range models {
		fmt.Fprintf(&b, "model \"m%d\" {\n  aliases = [%q]\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.up\n    model = %q\n  }\n}\n", i, m, m)
	}
	return b.String()
}

// echoed declares an open route to the echo provider, with more blocks.
func echoed(pipeline string, more ...string) string {
	return `
gateway {
  data_dir = "%DATA%"
  limits   = { drain = "5s" }
}
listener "public" { address = "127.0.0.1:0" }
provider "echo" { plugin = "echo" }
model "echo" {
  retry = { attempts = 1 }
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}
` + pipeline + strings.Join(more, "\n") + `
route "all" {
  listener = listener.public
  match    = { path = "/v1/*" }
  auth     = "none"
  pipeline = pipeline.p
  models   = [model.echo]
}
`
}
