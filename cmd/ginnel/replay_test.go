package main

import (
	"bytes"
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

// TestReplay plays every recording of OpenAI's chat dialect as the upstream: what the client gets is
// what the vendor sent, byte for byte.
func TestReplay(t *testing.T) {
	all := recordings(t, "*__chat-completions__*.json")
	var now *recording
	var got []byte
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		for name, value := range now.Response.Headers {
			switch strings.ToLower(name) {
			case "content-length", "transfer-encoding", "content-encoding", "connection":
			default:
				w.Header().Set(name, value)
			}
		}
		if now.Response.Kind == "sse" && w.Header().Get("Content-Type") == "" { // not kept by every recorder
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.WriteHeader(now.Response.Status)
		w.Write(now.response())
	}))
	defer up.Close()
	models := []string{}
	seen := map[string]bool{}
	for _, r := range all {
		name := modelIn(r.request())
		if name != "" && !seen[name] {
			seen[name] = true
			models = append(models, name)
		}
	}
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		t.Run(name, func(t *testing.T) {
			gw := start(t, relay(up.URL, pipeline, models...))
			count := map[string]int{}
			for _, r := range all {
				now, got = r, nil
				kind, why := replay(gw, r, &got)
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

func modelIn(body []byte) string {
	var b struct{ Model string }
	json.Unmarshal(body, &b)
	return b.Model
}

// replay plays one recording and says what kind of outcome it had, and what is wrong with it.
func replay(gw *running, r *recording, got *[]byte) (kind, why string) {
	request := r.request()
	if modelIn(request) == "" {
		return "without a model, which the gateway needs", ""
	}
	resp, body := gw.post(string(request))
	want := r.response()
	switch {
	case *got == nil && resp.StatusCode == 400 && r.Response.Status >= 400:
		return "refused by the gateway as by the vendor", ""
	case *got == nil:
		return "not sent", fmt.Sprintf("status %d: %s", resp.StatusCode, body)
	case !bytes.Equal(*got, request):
		return "request changed", fmt.Sprintf("sent %s\nwant %s", *got, request)
	case r.Response.Status == 401 || r.Response.Status == 403:
		if resp.StatusCode != 502 {
			return "credentials", fmt.Sprintf("status %d", resp.StatusCode)
		}
		return "the gateway's credentials, its own error", ""
	case resp.StatusCode != r.Response.Status:
		return "status", fmt.Sprintf("status %d, want %d: %s", resp.StatusCode, r.Response.Status, body)
	case body != string(want):
		return "changed", fmt.Sprintf("got  %q\nwant %q", body, want)
	}
	return "identical", ""
}
