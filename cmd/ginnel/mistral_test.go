package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestMistralInEveryDialect plays a recorded answer and a recorded stream with thoughts to clients of all dialects, and
// what may go wrong with them.
func TestMistralInEveryDialect(t *testing.T) {
	var whole, stream *recorded.Exchange
	for _, x := range recorded.Of(t, repository, "mistral__chat-completions__unary__*.json", "mistral__chat-completions__stream__*.json") {
		switch text := string(x.Answer()); {
		case x.Response.Kind == "sse" && strings.Contains(string(x.Ask()), "12 * 12"):
			stream = x
		case strings.Contains(text, "capital of France"):
			whole = x
		}
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		is := func(words string) bool { return strings.Contains(string(body), words) }
		answer, kind := whole.Answer(), "application/json"
		if is(`"stream":true`) {
			answer, kind = stream.Answer(), "text/event-stream; charset=utf-8"
		}
		switch {
		case r.URL.Path != "/v1/chat/completions" || is("stream_options"):
			w.WriteHeader(404)
			return
		case is(`"model":"strict"`):
			w.WriteHeader(422)
			io.WriteString(w, `{"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"Extra inputs are not permitted","input":1}]}`)
			return
		case is(`"model":"cut"`):
			answer = answer[:len(answer)/2]
		}
		w.Header().Set("Content-Type", kind)
		w.Write(answer)
	}))
	defer up.Close()
	hcl := strings.Replace(openAI.relay(up.URL, fullPipeline, "good", "cut", "strict"), `plugin   = "openai"`, `plugin   = "mistral"`, 1)
	gw := start(t, strings.Replace(hcl, `"/v1/*"`, `"/*"`, 1))
	for from, client := range translatable() {
		t.Run(string(from), func(t *testing.T) {
			resp, body := client.send(gw, "good", "hello", false)
			if resp.StatusCode != 200 || words(t, from, body) != "The capital of France is " {
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
			resp, body = client.send(gw, "good", "hello", true)
			if failed, err := client.read(body); resp.StatusCode != 200 || err != nil || failed || !strings.Contains(body, "144") {
				t.Errorf("%d %v: %s", resp.StatusCode, err, body)
			}
			if resp, body = client.send(gw, "cut", "hello", false); resp.StatusCode != 502 {
				t.Errorf("a cut answer: %d %s", resp.StatusCode, body)
			}
			_, body = client.send(gw, "cut", "hello", true)
			if failed, err := client.read(body); err != nil || !failed {
				t.Errorf("a cut stream: %v: %s", err, body)
			}
			for _, stream := range []bool{false, true} {
				resp, body = client.send(gw, "strict", "hello", stream)
				if resp.StatusCode != 422 || !strings.Contains(body, "body.x: Extra inputs are not permitted") {
					t.Errorf("a mistake: %d %s", resp.StatusCode, body)
				}
			}
		})
	}
	resp, body := gw.post(`{"model":"good","seed":7,"user":"u","safe_prompt":true,"messages":[{"role":"user","name":"n","content":"hello"}]}`)
	if resp.StatusCode != 200 || resp.Header.Get(gateway.HeaderDropped) != "user, messages[0].name" || words(t, llm.OpenAI, body) == "" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
}
