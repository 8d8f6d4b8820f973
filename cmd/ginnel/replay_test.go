package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recording is an exchange with a vendor as it was recorded.
type recording struct {
	Provider, Endpoint, Model string
	Request                   struct {
		Path string
		Body json.RawMessage
		Raw  string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Kind    string
		Body    json.RawMessage
		Raw     string
		RawB64  string `json:"raw_b64"`
	}
	name string
}

func (r *recording) request() []byte {
	if r.Request.Raw != "" {
		return []byte(r.Request.Raw)
	}
	return r.Request.Body
}

func (r *recording) response() []byte {
	switch {
	case r.Response.RawB64 != "":
		b, _ := base64.StdEncoding.DecodeString(r.Response.RawB64)
		return b
	case r.Response.Raw != "":
		return []byte(r.Response.Raw)
	}
	return r.Response.Body
}

// corpus returns a directory of the recorded traffic and labelled texts, or skips the test.
func corpus(t testing.TB, part string) string {
	t.Helper()
	dir := os.Getenv("GINNEL_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus"
	}
	dir = filepath.Join(dir, part)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus is not here (set GINNEL_CORPUS): %v", err)
	}
	return dir
}

func recordings(t testing.TB, pattern string) (all []*recording) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus(t, "providers/dev"), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{name: filepath.Base(f)}
		if err := json.Unmarshal(text, r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// played are recordings of one dialect and how they are sent to the gateway.
type played struct {
	surface
	patterns []string
	path     func(*recording) string // with a query
	model    func(*recording) string // that the request asks for
}

var plays = map[string]played{
	"openai":    {openAI, []string{"*__chat-completions__*.json"}, func(*recording) string { return "/v1/chat/completions" }, (*recording).bodyModel},
	"responses": {openAI, []string{"*__responses__*.json"}, func(*recording) string { return "/v1/responses" }, (*recording).bodyModel},
	"anthropic": {anthropicAPI, []string{"anthropic__messages__*.json", "anthropic__count_tokens__*.json"}, func(r *recording) string { return r.Request.Path }, (*recording).bodyModel},
	"gemini":    {geminiAPI, []string{"gemini__*Content*.json", "gemini__countTokens__*.json", "vertex__*Content*.json", "vertex__countTokens__*.json"}, geminiPath, geminiModel},
}

// TestReplay plays every recording of a dialect as the upstream: what the client gets is what the
// vendor sent, byte for byte, and so is what the vendor gets.
func TestReplay(t *testing.T) {
	for name, p := range plays {
		t.Run(name, p.run)
	}
}

func (p played) run(t *testing.T) {
	var all []*recording
	for _, pattern := range p.patterns {
		all = append(all, recordings(t, pattern)...)
	}
	up := &playback{}
	server := httptest.NewServer(up)
	defer server.Close()
	models := []string{"claude-opus-4-8", "x-ai/grok-4"} // which requests name besides their own
	seen := map[string]bool{models[0]: true, models[1]: true}
	for _, r := range all {
		if name := p.model(r); name != "" && !seen[name] {
			seen[name] = true
			models = append(models, name)
		}
	}
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		t.Run(name, func(t *testing.T) {
			gw := start(t, p.relay(server.URL, pipeline, models...))
			count := map[string]int{}
			for _, r := range all {
				up.now, up.got = r, nil
				kind, why := p.replay(gw, r, up)
				if why != "" {
					t.Errorf("%s: %s", r.name, why)
				}
				count[kind]++
			}
			t.Logf("%d recordings: %v", len(all), count)
			if count["identical"] < len(all)*8/10 {
				t.Errorf("too few were played: %v", count)
			}
		})
	}
}

// playback is an upstream that answers as the vendor did.
type playback struct {
	now *recording
	got []byte // the request's body; nil where none came
	at  string // its path and query
}

func (p *playback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.got, _ = io.ReadAll(r.Body)
	p.at = r.URL.RequestURI()
	for name, value := range p.now.Response.Headers {
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "content-encoding", "connection":
		default:
			w.Header().Set(name, value)
		}
	}
	if p.now.Response.Kind == "sse" && w.Header().Get("Content-Type") == "" { // not kept by every recorder
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.WriteHeader(p.now.Response.Status)
	w.Write(p.now.response())
}

// bodyModel is the model that the request's body names.
func (r *recording) bodyModel() string {
	var b struct{ Model string }
	json.Unmarshal(r.request(), &b)
	return b.Model
}

// replay plays one recording and says what kind of outcome it had, and what is wrong with it.
func (p played) replay(gw *running, r *recording, up *playback) (kind, why string) {
	request := r.request()
	if p.model(r) == "" {
		return "without a model, which the gateway needs", ""
	}
	resp, body := gw.do(gw.requestTo(context.Background(), "POST", p.path(r), string(request), p.header...))
	want := r.response()
	switch {
	case up.got == nil && resp.StatusCode == 400 && r.Response.Status >= 400:
		return "refused by the gateway as by the vendor", ""
	case up.got == nil:
		return "not sent", fmt.Sprintf("status %d: %s", resp.StatusCode, body)
	case !bytes.Equal(up.got, request):
		return "request changed", fmt.Sprintf("sent %s\nwant %s", up.got, request)
	case r.Response.Status == 401 || r.Response.Status == 403 || r.Response.Status == 400 && bytes.Contains(want, []byte("API_KEY_INVALID")):
		if resp.StatusCode != 502 {
			return "credentials", fmt.Sprintf("status %d", resp.StatusCode)
		}
		return "the gateway's credentials, its own error", ""
	case up.at != p.path(r):
		return "another path", fmt.Sprintf("sent to %s, want %s", up.at, p.path(r))
	case resp.StatusCode != r.Response.Status:
		return "status", fmt.Sprintf("status %d, want %d: %s", resp.StatusCode, r.Response.Status, body)
	case body != string(want):
		return "changed", fmt.Sprintf("got  %q\nwant %q", body, want)
	}
	return "identical", ""
}
