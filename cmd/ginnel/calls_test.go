package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/wasmhost"
)

// buildTestFilter compiles the filter of the sandbox's tests, which does what the query says.
func buildTestFilter(t *testing.T) (wasm, manifest []byte) {
	t.Helper()
	dir := filepath.Join(repository, "core/wasmhost/testdata/guest")
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err == nil {
		manifest, err = os.ReadFile(filepath.Join(dir, "manifest.json"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm, manifest
}

// calling is a daemon whose only filter may call an origin, and that origin.
type calling struct {
	*running
	origin *httptest.Server
	called chan string   // the path of each call that began
	ended  chan struct{} // a call to /wait whose caller left
	leave  chan struct{} // lets a call to /wait be answered
	hcl    func(sum string) string
	module string // the file
}

func startCalling(t *testing.T, wasm []byte) *calling {
	c := &calling{called: make(chan string, 100), ended: make(chan struct{}, 100), leave: make(chan struct{}, 100), module: filepath.Join(t.TempDir(), "guest.wasm")}
	c.origin = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.called <- r.URL.Path
		if r.URL.Path == "/wait" {
			select {
			case <-c.leave:
			case <-r.Context().Done():
				c.ended <- struct{}{}
				return
			}
		}
		io.WriteString(w, strings.TrimPrefix(strings.ReplaceAll(r.URL.Path, "+", " "), "/"))
	}))
	t.Cleanup(c.origin.Close)
	c.hcl = func(sum string) string {
		return echoed(fmt.Sprintf(`
filter "guest" {
  wasm   = %q
  sha256 = %q
  limits = { time = "20s" }
  grant  = { http = [%q], kv = true }
  rate "default" { limit = "1000000/1m" }
  config { origin = %q }
}
pipeline "p" { filters = [filter.guest] }
`, c.module, sum, c.origin.URL, c.origin.URL))
	}
	c.running = start(t, c.hcl(c.put(wasm)))
	return c
}

// put makes wasm the filter's file and returns its digest.
func (c *calling) put(wasm []byte) string {
	if err := os.WriteFile(c.module, wasm, 0o600); err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(wasm))
}

// asking is a request whose query tells the filter what to do.
func (c *calling) asking(ctx context.Context, query string, stream bool) *http.Request {
	r := c.request(ctx, ask("echo", "one two three", stream))
	r.URL.RawQuery = strings.ReplaceAll(query, " ", "%20")
	return r
}

func (c *calling) answer(query string, stream bool) (int, string) {
	c.t.Helper()
	resp, err := http.DefaultClient.Do(c.asking(context.Background(), query, stream))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (c *calling) filter() daemon.FilterStatus {
	for _, f := range c.Status().Filters {
		return f
	}
	return daemon.FilterStatus{}
}

// TestFiltersCall: a filter asks another server about a request and a stream, through the daemon.
func TestFiltersCall(t *testing.T) {
	wasm, manifest := buildTestFilter(t)
	wasm, err := wasmhost.AttachManifest(wasm, manifest)
	if err != nil {
		t.Fatal(err)
	}
	c := startCalling(t, wasm)
	for _, r := range []struct {
		query  string
		stream bool
		status int
		want   string
	}{
		{"ask /good", false, 200, "one two three"},
		{"ask /deny+unkind", false, 403, "unkind"},
		{"text ask /set+other", false, 200, "other"},
		{"delta ask /set+X", true, 200, `"content":"X"`},
		{"delta ask /deny+enough", true, 200, "enough"},
	} {
		status, text := c.answer(r.query, r.stream)
		if status != r.status || !strings.Contains(text, r.want) || strings.Contains(r.query, "/set") && strings.Contains(text, "two") {
			t.Errorf("%s: %d %s", r.query, status, text)
		}
	}
	for len(c.called) > 0 {
		<-c.called
	}
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(c.asking(ctx, "ask /wait", false))
		left <- err
	}()
	<-c.called // the other server may have it before the filter's answer, which is to pause
	c.wait("the pause", func() bool { return c.filter().Pausing == 1 })
	ended := len(c.events())
	cancel()
	<-left
	<-c.ended // the call was cancelled with the exchange
	c.wait("the event", func() bool { return len(c.events()) > ended })
	if e := c.events()[ended]; e.Terminal != "client_cancelled" {
		t.Errorf("%+v", e)
	}
	if f := c.filter(); f.Failures != 0 || f.Pausing != 0 || f.Calls < 6 || f.Verdicts["pause"] != f.Calls || f.Units == 0 || f.HostCalls == 0 || f.Time == 0 || f.Memory == 0 {
		t.Errorf("%+v", f)
	}
}

// TestASwapInAStream: a stream that pauses while its filter's module is exchanged ends on the old one,
// and the old one is gone then.
func TestASwapInAStream(t *testing.T) {
	wasm, manifest := buildTestFilter(t)
	version := func(v string) []byte {
		out, err := wasmhost.AttachManifest(wasm, []byte(strings.Replace(string(manifest), "1.0.0", v, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	c := startCalling(t, version("1.0.0"))
	done := make(chan string)
	go func() {
		_, text := c.answer("delta ask /wait", true)
		done <- text
	}()
	<-c.called // in the middle of the first delta
	c.write(c.hcl(c.put(version("2.0.0"))))
	if r := c.Reload(context.Background(), "test"); !r.Changed {
		t.Fatalf("%+v", r)
	}
	if status, text := c.answer("ask /deny+new", false); status != 403 || !strings.Contains(text, "new") {
		t.Errorf("the new one: %d %s", status, text)
	}
	for range 50 {
		c.leave <- struct{}{}
	}
	if text := <-done; !strings.Contains(text, "[DONE]") || strings.Contains(text, "error") {
		t.Errorf("the stream: %s", text)
	}
	c.wait("the end of the old one", func() bool { return c.filter().Instances == 1 })
	if f := c.filter(); f.Failures != 0 || f.Callbacks == 0 {
		t.Errorf("%+v", f)
	}
}
