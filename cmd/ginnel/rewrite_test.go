package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rewriter declares the proxy-wasm guest of the sandbox's own tests, of which ?swap=a,b replaces a by b
// in all bodies.
func rewriter(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./core/wasmhost/testdata/proxyguest")
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("filter \"rewriter\" {\n  wasm = %q\n  sha256 = \"%x\"\n  limits = { time = \"20s\" }\n}\n", out, sha256.Sum256(wasm))
}

// TestRewrittenBodiesAreChecked: what a filter writes as bytes, other filters see, and the model it
// chooses is one that the route has.
func TestRewrittenBodiesAreChecked(t *testing.T) {
	up := newLLMServer(t)
	gw := start(t, relay(up.URL, rewriter(t)+`
filter "sanitize" {
  wasm   = "builtin:sanitize"
  limits = { time = "20s" }
  config { unseen = "allow" }
}
pipeline "p" { filters = [filter.sanitize, filter.rewriter] }
`, "first", "other"))
	ask := func(query, text string, stream bool) (int, string) {
		t.Helper()
		resp, err := http.Post(gw.url+"/v1/chat/completions?"+query, "application/json", strings.NewReader(ask("first", text, stream)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	token := madeUpToken()
	for _, stream := range []bool{false, true} {
		status, body := ask("swap=first,other", "hello you", stream)
		if seen, _ := up.last(); status != 200 || !strings.Contains(seen, `"model":"other"`) {
			t.Errorf("another model: %d %s, upstream saw %s", status, body, seen)
		}
		if status, body := ask("swap=first,nothing", "hello", stream); status != 404 {
			t.Errorf("a model that is not there: %d %s", status, body)
		}
		if status, body := ask("swap=messages,massages", "hello", stream); status == 200 {
			t.Errorf("a body that cannot be read: %d %s", status, body)
		}
		ask("swap=hello,"+token, "say hello to me", stream)
		if seen, _ := up.last(); strings.Contains(seen, token) || !strings.Contains(seen, "to me") {
			t.Errorf("a secret in the request: upstream saw %s", seen)
		}
		up.answer = func(string) string { return "this is the word indeed" }
		status, body = ask("swap=word,"+token, "say it", stream)
		up.answer = func(text string) string { return text }
		if status != 200 || strings.Contains(body, token) || !strings.Contains(body, "indeed") {
			t.Errorf("a secret in the answer, stream %t: %d %s", stream, status, body)
		}
		if stream && !strings.HasSuffix(body, "data: [DONE]\n\n") {
			t.Errorf("the stream's end: %s", body)
		}
	}
}
