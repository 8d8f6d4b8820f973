package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ginnel/ginnel/core/wasmhost/redistest"
)

// proxyWASM names the directory into which `make test-proxywasm` fetches modules that others have
// built for proxy-wasm. None of them is part of Ginnel.
const proxyWASM = "GINNEL_PROXYWASM"

// othersModule returns a module of somebody else's.
func othersModule(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv(proxyWASM)
	if dir == "" {
		t.Skipf("%s is not set: `make test-proxywasm` fetches filters written by others and runs this", proxyWASM)
	}
	found, err := filepath.Glob(filepath.Join(dir, "gpustack_higress_plugins", "plugins", name, "*", "plugin.wasm"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", name, found, err)
	}
	return found[0]
}

// othersFilter declares a filter with such a module.
func othersFilter(t *testing.T, name, rest string) string {
	t.Helper()
	path := othersModule(t, name)
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("filter %q {\n  wasm = %q\n  sha256 = \"%x\"\n  limits = { memory = \"128MiB\", time = \"20s\" }\n%s\n}\n", name, path, sha256.Sum256(wasm), rest)
}

// llmServer answers every chat with what answer makes of its last message, and keeps the last request.
type llmServer struct {
	*httptest.Server
	answer func(text string) string

	mu     sync.Mutex
	body   string
	header http.Header
}

func newLLMServer(t *testing.T) *llmServer {
	s := &llmServer{answer: func(text string) string { return text }}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *llmServer) serve(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.body, s.header = string(text), r.Header
	s.mu.Unlock()
	var req struct {
		Model    string
		Stream   bool
		Messages []struct{ Content string }
	}
	if json.Unmarshal(text, &req) != nil || len(req.Messages) == 0 {
		http.Error(w, "bad", 400)
		return
	}
	said := s.answer(req.Messages[len(req.Messages)-1].Content)
	usage := `"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}`
	quoted, _ := json.Marshal(said)
	if !req.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],%s}`, req.Model, quoted, usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(delta, finish, more string) {
		fmt.Fprintf(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":%q,"choices":[{"index":0,"delta":%s,"finish_reason":%s}]%s}`+"\n\n", req.Model, delta, finish, more)
	}
	for _, word := range strings.SplitAfter(said, " ") {
		quoted, _ := json.Marshal(word)
		chunk(`{"content":`+string(quoted)+`}`, "null", "")
	}
	chunk(`{}`, `"stop"`, ","+usage)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func (s *llmServer) last() (body string, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body, s.header
}

// streamed returns the text of a streamed answer.
func streamed(body string) (text string) {
	for _, line := range strings.Split(body, "\n") {
		var e struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &e) == nil && len(e.Choices) > 0 {
			text += e.Choices[0].Delta.Content
		}
	}
	return text
}

// TestOthersDataMasking: Higress's ai-data-masking, in Rust, masks what the model sees, puts it back
// for the client, and denies words.
func TestOthersDataMasking(t *testing.T) {
	up := newLLMServer(t)
	gw := start(t, relay(up.URL, othersFilter(t, "ai-data-masking", `
  config {
    system_deny   = false
    deny_openai   = true
    deny_code     = 451
    deny_message  = "not said here"
    deny_words    = ["unspeakable"]
    replace_roles = [
      { regex = "%%{EMAILLOCALPART}@%%{HOSTNAME:domain}", type = "replace", restore = false, value = "****@$domain" },
      { regex = "token-[0-9a-z]*", type = "hash", restore = true },
    ]
  }`)+"pipeline \"p\" { filters = [filter.ai-data-masking] }\n", "m"))
	for _, stream := range []bool{false, true} {
		resp, body := gw.post(ask("m", "mail to jo@example.com with token-a1b2c3 now", stream))
		seen, _ := up.last()
		if resp.StatusCode != 200 || strings.Contains(seen, "jo@example") || strings.Contains(seen, "token-a1b2c3") || !strings.Contains(seen, "****@example.com") {
			t.Errorf("stream %t: %d, upstream saw %s", stream, resp.StatusCode, seen)
		}
		if !strings.Contains(body, "token-a1b2c3") && !strings.Contains(streamed(body), "token-a1b2c3") {
			t.Errorf("stream %t: not put back: %s", stream, body)
		}
		resp, body = gw.post(ask("m", "something unspeakable", stream))
		if !strings.Contains(body, "not said here") {
			t.Errorf("stream %t: %d %s", stream, resp.StatusCode, body)
		}
	}
}

// TestOthersTransformer: Higress's transformer, in Go, changes headers and bodies by its rules.
func TestOthersTransformer(t *testing.T) {
	up := newLLMServer(t)
	gw := start(t, relay(up.URL, othersFilter(t, "transformer", `
  config {
    reqRules = [
      { operate = "remove", headers = [{ key = "X-Remove" }] },
      { operate = "rename", headers = [{ oldKey = "X-Old", newKey = "X-New" }] },
      { operate = "add", headers = [{ key = "X-Added", value = "1" }], body = [{ key = "user", value = "somebody", value_type = "string" }] },
    ]
    respRules = [
      { operate = "add", headers = [{ key = "X-Answer", value = "2" }] },
    ]
  }`)+"pipeline \"p\" { filters = [filter.transformer] }\n", "m"))
	resp, body := gw.post(ask("m", "hello", false), "X-Remove", "a", "X-Old", "b")
	seen, header := up.last()
	if resp.StatusCode != 200 || !strings.Contains(body, "hello") || resp.Header.Get("X-Answer") != "2" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if header.Get("X-Remove") != "" || header.Get("X-Old") != "" || header.Get("X-New") != "b" || header.Get("X-Added") != "1" || !strings.Contains(seen, `"user": "somebody"`) {
		t.Errorf("upstream saw %v %s", header, seen)
	}
	_, body = gw.post(ask("m", "hello there", true))
	if streamed(body) != "hello there" || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("a stream: %s", body)
	}
}

// TestOthersStatistics: Higress's ai-statistics, in Go, counts tokens and logs what it is told to.
func TestOthersStatistics(t *testing.T) {
	up := newLLMServer(t)
	plain := start(t, relay(up.URL, emptyPipeline, "m"))
	gw := start(t, relay(up.URL, othersFilter(t, "ai-statistics", `
  config {
    attributes = [
      { key = "question", value_source = "request_body", value = "messages.@reverse.0.content", apply_to_log = true },
    ]
  }`)+"pipeline \"p\" { filters = [filter.ai-statistics] }\n", "m"))
	for _, stream := range []bool{false, true} {
		_, body := gw.post(ask("m", "how much is it", stream))
		_, same := plain.post(ask("m", "how much is it", stream))
		if body != same {
			t.Errorf("stream %t: the answer is not what came: %s", stream, body)
		}
	}
	for _, want := range []string{`"response_type\\\":\\\"normal`, `"response_type\\\":\\\"stream`, `"question\\\":\\\"how much is it`, `"total_token\\\":18`} {
		gw.wait("the request log: "+want, func() bool { return strings.Contains(gw.logs.String(), want[1:]) })
	}
}

// TestOthersTokenUsage: GPUStack's token-usage, in Go, says in a stream's usage how fast it was. The
// sanitize filter before it reads what it wrote.
func TestOthersTokenUsage(t *testing.T) {
	up := newLLMServer(t)
	gw := start(t, relay(up.URL, othersFilter(t, "gpustack-token-usage", "  config {}")+`
filter "sanitize" {
  wasm   = "builtin:sanitize"
  limits = { time = "20s" }
  config { unseen = "allow" }
}
pipeline "p" { filters = [filter.sanitize, filter.gpustack-token-usage] }
`, "m"))
	token := madeUpToken()
	_, body := gw.post(ask("m", "how much", true))
	for _, want := range []string{`"total_tokens":18`, `"time_to_first_token_ms":`, `"time_per_output_token_ms":`, `"tokens_per_second":`} {
		if strings.Count(body, want) != 1 {
			t.Errorf("%s: %s", want, body)
		}
	}
	if streamed(body) != "how much" || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("%s", body)
	}
	up.answer = func(string) string { return "it is " + token + " I think" }
	if _, body = gw.post(ask("m", "which", true)); strings.Contains(streamed(body), token) || !strings.Contains(body, `"tokens_per_second":`) {
		t.Errorf("with a filter before it: %s", body)
	}
}

// TestOthersRateLimit: GPUStack's rate limit, in Go, counts in Redis what two gateways let pass.
func TestOthersRateLimit(t *testing.T) {
	othersModule(t, "gpustack-rate-limit")
	password := madeUpToken()
	redis := redistest.Real(t, password)
	host, port, _ := strings.Cut(redis, ":")
	up := newLLMServer(t)
	hcl := relay(up.URL, othersFilter(t, "gpustack-rate-limit", fmt.Sprintf(`
  grant = { redis = ["redis://%s"] }
  config {
    rule_name = "team"
    redis = { service_name = %q, service_port = %s, password = %q, timeout = 20000 }
    limit_combinations = [{ name = "all", is_fallback = true, query_limits = { per_hour = 3 } }]
  }`, redis, host, port, password))+`
pipeline "p" { filters = [filter.gpustack-rate-limit] }
`, "m")
	one, two := start(t, hcl), start(t, hcl)
	for i, gw := range []*running{one, two, one} {
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
			t.Fatalf("call %d: %d %s", i, resp.StatusCode, body)
		}
	}
	for _, gw := range []*running{one, two} {
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 429 || !strings.Contains(body, "Too many requests") {
			t.Errorf("one too many: %d %s", resp.StatusCode, body)
		}
	}
}
