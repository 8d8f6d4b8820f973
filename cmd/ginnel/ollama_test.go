package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOllamaInEveryDialect plays answers and streams of Ollama's native format, which are lines of JSON, to clients of
// all dialects, and what may go wrong with them.
func TestOllamaInEveryDialect(t *testing.T) {
	const (
		first  = `{"model":"qwen3","created_at":"2026-05-19T09:26:59.6789Z","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\n"
		second = `{"model":"qwen3","created_at":"2026-05-19T09:26:59.7Z","message":{"role":"assistant","content":"good day"},"done":false}` + "\n"
		last   = `{"model":"qwen3","created_at":"2026-05-19T09:26:59.8Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}` + "\n"
		whole  = `{"model":"qwen3","created_at":"2026-05-19T09:26:59.6789Z","message":{"role":"assistant","content":"good day","thinking":"hm"},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}`
		fault  = `{"error":"the runner has stopped"}`
	)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		streamed := strings.Contains(string(body), `"stream":true`)
		is := func(model string) bool { return strings.Contains(string(body), `"model":"`+model+`"`) }
		answer, kind := whole, "application/json; charset=utf-8"
		if streamed {
			answer, kind = first+second+last, "application/x-ndjson"
		}
		w.Header().Set("Content-Type", kind)
		switch {
		case r.URL.Path != "/api/chat" || !strings.HasPrefix(string(body), `{"keep_alive":"10m","model":`):
			w.WriteHeader(404)
			io.WriteString(w, `{"error":"unexpected"}`)
			return
		case is("busy"):
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(503)
			io.WriteString(w, `{"error":"server busy, please try again"}`)
			return
		case is("cut") && streamed:
			answer = first + second + last[:len(last)/2]
		case is("cut"):
			answer = answer[:len(answer)/2]
		case is("faulty") && streamed:
			answer = first + second + fault + "\n"
		case is("faulty"):
			answer = fault
		case is("unended"): // the last line has no line feed
			answer = strings.TrimSuffix(answer, "\n")
		}
		io.WriteString(w, answer)
	}))
	defer up.Close()
	hcl := strings.Replace(openAI.relay(up.URL, fullPipeline, "good", "cut", "busy", "faulty", "unended"), `plugin   = "openai"`, `plugin   = "ollama"`, 1)
	hcl = strings.Replace(strings.Replace(hcl, up.URL+"/v1", up.URL+"/api", 1), `"/v1/*"`, `"/*"`, 1)
	hcl = strings.Replace(hcl, "config { api_key = secret.up }", "config {\n    api_key    = secret.up\n    keep_alive = \"10m\"\n  }", 1)
	gw := start(t, hcl)
	for from, client := range translatable() {
		t.Run(string(from), func(t *testing.T) {
			for _, model := range []string{"good", "unended"} {
				resp, body := client.send(gw, model, "hello", false)
				if got := words(t, from, body); resp.StatusCode != 200 || got != "good day" {
					t.Fatalf("%s: %d: %q in %s", model, resp.StatusCode, got, body)
				}
				resp, body = client.send(gw, model, "hello", true)
				if failed, err := client.read(body); resp.StatusCode != 200 || err != nil || failed || !strings.Contains(body, "good day") {
					t.Errorf("%s: %d %v: %s", model, resp.StatusCode, err, body)
				}
				e := gw.event(resp.Header.Get("X-Request-Id"))
				if e.TokensIn == nil || *e.TokensIn != 7 {
					t.Errorf("%s: tokens %v", model, e.TokensIn)
				}
			}
			for _, model := range []string{"cut", "faulty"} {
				if resp, body := client.send(gw, model, "hello", false); resp.StatusCode != 502 {
					t.Errorf("%s, whole: %d %s", model, resp.StatusCode, body)
				}
				_, body := client.send(gw, model, "hello", true)
				if failed, err := client.read(body); err != nil || !failed {
					t.Errorf("%s, streamed: %v: %s", model, err, body)
				}
			}
			for _, stream := range []bool{false, true} {
				resp, body := client.send(gw, "busy", "hello", stream)
				if resp.StatusCode != 503 || !strings.Contains(body, "server busy") || resp.Header.Get("Retry-After") != "60" {
					t.Errorf("busy: %d %v %s", resp.StatusCode, resp.Header, body)
				}
			}
		})
	}
}
