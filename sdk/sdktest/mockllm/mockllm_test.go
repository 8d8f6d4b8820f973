package mockllm

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// send makes a request and returns its answer, with what could be read of the body.
func send(t *testing.T, m *Mock, path, body string, header ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest("POST", m.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// until waits for the counters to say so; a handler may end after its client.
func until(t *testing.T, m *Mock, holds func(Stats) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(m.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s: %+v", m.Stats())
		}
	}
}

var surfaces = []struct{ path, body, stream string }{
	{"/v1/chat/completions", `{"model":"mock"}`, `{"model":"mock","stream":true}`},
	{"/chat/completions", `{"model":"mock"}`, `{"model":"mock","stream":true,"stream_options":{"include_usage":true}}`},
	{"/v1/responses", `{"model":"mock"}`, `{"model":"mock","stream":true}`},
	{"/v1/responses", `{"model":"mock","tools":[{}],"reasoning":{"effort":"low"}}`, `{"model":"mock","stream":true,"tools":[{}],"reasoning":{"effort":"low"}}`},
	{"/v1/responses/input_tokens", `{"model":"mock"}`, ""},
	{"/v1/messages", `{"model":"mock"}`, `{"model":"mock","stream":true}`},
	{"/v1/messages/count_tokens", `{"model":"mock"}`, ""},
	{"/v1/embeddings", `{"model":"mock","input":["a","b"]}`, ""},
	{"/v1beta/models/mock:generateContent", `{}`, ""},
	{"/v1beta/models/mock:streamGenerateContent?alt=sse", ``, `{}`},
	{"/v1beta/models/mock:countTokens", `{}`, ""},
	{"/v1beta/models/mock:embedContent", `{}`, ""},
}

func TestAnswersAreJSONAndTheSameEveryTime(t *testing.T) {
	m := Start(t, Options{})
	for _, s := range surfaces {
		if s.body == "" {
			continue
		}
		_, first, err := send(t, m, s.path, s.body)
		if err != nil || !json.Valid([]byte(first)) {
			t.Errorf("%s: %q, %v", s.path, first, err)
		}
		if _, again, _ := send(t, m, s.path, s.body); again != first {
			t.Errorf("%s: a second answer differs", s.path)
		}
	}
	_, chat, _ := send(t, m, "/v1/chat/completions", `{}`)
	if len(chat) < 1500 || len(chat) > 1700 {
		t.Errorf("the chat answer has %d bytes, want about 1.6 KiB", len(chat))
	}
}

func TestStreamsAreEventsOfJSON(t *testing.T) {
	m := Start(t, Options{})
	for _, s := range surfaces {
		if s.stream == "" {
			continue
		}
		resp, body, err := send(t, m, s.path, s.stream, "X-Mock-Chunks", "7")
		if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("%s: %v, %v", s.path, resp, err)
		}
		if n := strings.Count(body, "token0"); n < 7 {
			t.Errorf("%s: %d tokens", s.path, n)
		}
		for _, payload := range payloads(body) {
			if payload != "[DONE]" && !json.Valid([]byte(payload)) {
				t.Errorf("%s: %q is no JSON", s.path, payload)
			}
		}
		if strings.Contains(s.stream, "usage") != strings.Contains(body, `"completion_tokens":7`) {
			t.Errorf("%s: usage in %q", s.path, body)
		}
	}
	if got := m.Stats(); got.Streams != 6 {
		t.Errorf("%+v", got)
	}
}

func payloads(stream string) (out []string) {
	for line := range strings.SplitSeq(stream, "\n") {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "data: "); ok {
			out = append(out, p)
		}
	}
	return out
}

func TestFaultsInsteadOfAnAnswer(t *testing.T) {
	m := Start(t, Options{})
	for _, c := range []struct {
		fault, want string // a part of the body
		status      int    // 0 = no answer at all
	}{
		{"429", `"rate_limit_exceeded"`, 429}, {"529", `"overloaded_error"`, 529}, {"503", `"server_error"`, 503}, {"418", `"invalid_request_error"`, 418},
		{"html500", "<html>", 500}, {"badjson", `"mess`, 200}, {"empty", "", 200}, {"cut", `"mess`, 200}, {"reset", "", 0}, {"slowfirst:1ms", "quick", 200},
	} {
		resp, body, err := send(t, m, "/v1/chat/completions", `{"model":"mock+fault=`+c.fault+`"}`)
		if c.status == 0 {
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
				t.Errorf("%s: error is %v", c.fault, err)
			}
			continue
		}
		if broke := c.fault == "cut"; broke != errors.Is(err, io.ErrUnexpectedEOF) || err != nil && !broke || resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %v, %q, %v", c.fault, resp, body, err)
		}
		if c.fault == "429" && resp.Header.Get("Retry-After") != "1" {
			t.Errorf("no Retry-After: %v", resp.Header)
		}
	}
	if s := m.Stats(); s.Faults != 10 {
		t.Errorf("%+v", s)
	}
	for path, want := range map[string]string{"/v1/messages": `{"type":"error","error":{"type":"rate_limit_error"`, "/v1beta/models/x:generateContent": `"RESOURCE_EXHAUSTED"`} {
		if _, body, _ := send(t, m, path, `{}`, "X-Mock-Fault", "429"); !strings.Contains(body, want) {
			t.Errorf("%s: %q", path, body)
		}
	}
}

func TestFaultsWithinAStream(t *testing.T) {
	m := Start(t, Options{Chunks: 10})
	for _, c := range []struct {
		fault, want string
		ends, clean bool // the terminator comes; the transfer is whole
	}{
		{"sse-bad", `"content":` + "\n\n", true, true}, {"sse-noise", ": ping\r\n", true, true}, {"sse-cut", "token004", false, true}, {"sse-reset", "", false, false},
		{"sse-error", "mock mid-stream", false, true}, {"sse-split", "token009", true, true},
	} {
		_, body, err := send(t, m, "/v1/chat/completions", `{"stream":true}`, "X-Mock-Fault", c.fault)
		if !strings.Contains(body, c.want) || strings.Contains(body, "[DONE]") != c.ends || (err == nil) != c.clean {
			t.Errorf("%s: %q, %v", c.fault, body, err)
		}
	}
}

func TestCancellationIsCounted(t *testing.T) {
	m := Start(t, Options{})
	for _, body := range []string{`{"model":"m+fault=hang"}`, `{"model":"m+delay=1h"}`, `{"model":"m+fault=sse-stall","stream":true}`, `{"model":"m+gap=1h","stream":true}`, `{"model":"m+fault=slowfirst:1h"}`} {
		m.Reset()
		ctx, cancel := context.WithCancel(context.Background())
		r, _ := http.NewRequestWithContext(ctx, "POST", m.URL+"/v1/chat/completions", strings.NewReader(body))
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := http.DefaultClient.Do(r); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
		until(t, m, func(s Stats) bool { return s.InFlight == 1 })
		cancel()
		<-done
		until(t, m, func(s Stats) bool { return s.Cancelled == 1 && s.InFlight == 0 && s.Completed == 0 })
	}
}

func TestKnobs(t *testing.T) {
	m := Start(t, Options{RequireKey: "sesame", Record: true})
	status := func(path, body string, header ...string) int {
		resp, _, err := send(t, m, path, body, header...)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	const path = "/v1/chat/completions"
	if got := status(path, `{}`); got != 401 {
		t.Errorf("no key: %d", got)
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		value := map[bool]string{true: "Bearer sesame", false: "sesame"}[name == "Authorization"]
		if got := status(path, `{}`, name, value); got != 200 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := status(path+"?key=sesame", `{}`); got != 200 {
		t.Errorf("key in the query: %d", got)
	}
	if last := m.Last(); last == nil || last.Path != path+"?key=sesame" || last.Body != "{}" {
		t.Errorf("last is %+v", last)
	}
	m = Start(t, Options{})
	for i, want := range []int{503, 503, 200, 200} {
		if got := status(path, `{"model":"m+fault=503+failn=2+key=a"}`); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	m.Reset()
	if got := status(path, `{"model":"m+fault=503+failn=2+key=a"}`); got != 503 {
		t.Errorf("after a reset: %d", got)
	}
	if got := status(path, `{`); got != 400 {
		t.Errorf("no JSON: %d", got)
	}
	if got := status(path, `{"model":"nope-1"}`); got != 404 {
		t.Errorf("no such model: %d", got)
	}
	if got := status("/v1beta/models/nope:generateContent", `{}`); got != 404 {
		t.Errorf("no such model of Gemini: %d", got)
	}
	if got := status("/v1beta/models/m+fault=503:generateContent", `{}`); got != 503 {
		t.Errorf("a knob in a path: %d", got)
	}
}

func TestEmbeddings(t *testing.T) {
	m := Start(t, Options{})
	type answer struct {
		Data []struct {
			Index     int             `json:"index"`
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
	}
	for input, want := range map[string]int{`"a"`: 1, `["a"]`: 1, `["a","b","c"]`: 3, `[1,2,3]`: 1, `[[1,2],[3]]`: 2} {
		_, body, _ := send(t, m, "/v1/embeddings", `{"input":`+input+`}`)
		var a answer
		if err := json.Unmarshal([]byte(body), &a); err != nil || len(a.Data) != want {
			t.Errorf("%s: %d vectors, want %d (%v)", input, len(a.Data), want, err)
		}
	}
	_, body, _ := send(t, m, "/v1/embeddings", `{"input":"a","encoding_format":"base64","dimensions":8}`)
	var a answer
	var packed string
	if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal(a.Data[0].Embedding, &packed) != nil {
		t.Fatal(body)
	}
	if raw, err := base64.StdEncoding.DecodeString(packed); err != nil || len(raw) != 32 {
		t.Errorf("%d bytes of 8 numbers, %v", len(raw), err)
	}
}

func TestOverTheWire(t *testing.T) {
	m := Start(t, Options{TLS: true})
	c := http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS(m), DisableKeepAlives: true}}
	get := func(path string) string {
		resp, err := c.Get(m.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(bytes.TrimSpace(b))
	}
	if got := get("/healthz"); got != "ok" {
		t.Error(got)
	}
	if got := get("/v1/models"); !strings.Contains(got, `"id":"mock"`) {
		t.Error(got)
	}
	if got := get("/__stats"); !strings.Contains(got, `"requests":1`) {
		t.Error(got)
	}
	if resp, err := c.Post(m.URL+"/__reset", "", nil); err != nil || resp.StatusCode != 200 {
		t.Error(resp, err)
	}
	if got := get("/__stats"); !strings.Contains(got, `"requests":0`) {
		t.Error(got)
	}
	if got := get("/__last"); got != "null" {
		t.Error(got)
	}
}

func clientTLS(m *Mock) *tls.Config { return &tls.Config{RootCAs: m.Roots} }

func TestMessagesThinkAndCallWhereTheyMay(t *testing.T) {
	m := Start(t, Options{Chunks: 3})
	const ask = `{"model":"mock","tools":[{"name":"lookup"}],"thinking":{"type":"enabled"}`
	resp, unary, err := send(t, m, "/v1/messages", ask+"}")
	if err != nil || resp.Header.Get("Request-Id") != "req_mock" || !json.Valid([]byte(unary)) {
		t.Errorf("%v, %v", resp, err)
	}
	_, stream, _ := send(t, m, "/v1/messages", ask+`,"stream":true}`)
	for _, want := range []string{`"thinking"`, `"tool_use"`, signature} {
		if !strings.Contains(unary, want) || !strings.Contains(stream, want) {
			t.Errorf("no %s in %s\n%s", want, unary, stream)
		}
	}
	if _, plain, _ := send(t, m, "/v1/messages", `{"stream":true}`); strings.Contains(plain, "tool_use") || strings.Contains(plain, "thinking") {
		t.Error(plain)
	}
	r, _ := http.NewRequest("GET", m.URL+"/v1/models", nil)
	r.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); !strings.Contains(string(b), `"display_name"`) {
		t.Errorf("%s", b)
	}
}
