package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestCohereInEveryDialect plays a recorded answer and a recorded stream of the vendor's to clients of all
// dialects, and what may go wrong with them.
func TestCohereInEveryDialect(t *testing.T) {
	var whole, stream *recorded.Exchange
	for _, x := range recorded.Of(t, repository, "cohere__v2-chat__unary__*.json", "cohere__v2-chat__stream__*.json") {
		switch text := string(x.Answer()); {
		case x.Response.Kind == "sse" && strings.Contains(text, "COMPLETE"):
			stream = x
		case strings.Contains(text, "COMPLETE"):
			whole = x
		}
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer, kind := whole.Answer(), "application/json"
		if strings.Contains(string(body), `"stream":true`) {
			answer, kind = stream.Answer(), "text/event-stream"
		}
		switch {
		case r.URL.Path != "/v2/chat":
			w.WriteHeader(404)
			return
		case strings.Contains(string(body), `"model":"limited"`):
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
			io.WriteString(w, `{"id":"1","message":"slower, please"}`)
			return
		case strings.Contains(string(body), `"model":"cut"`):
			answer = answer[:len(answer)/2]
		}
		w.Header().Set("Content-Type", kind)
		w.Write(answer)
	}))
	defer up.Close()
	hcl := strings.Replace(openAI.relay(up.URL, fullPipeline, "good", "cut", "limited"), `plugin   = "openai"`, `plugin   = "cohere"`, 1)
	hcl = strings.Replace(strings.Replace(hcl, up.URL+"/v1", up.URL+"/v2", 1), `"/v1/*"`, `"/*"`, 1)
	gw := start(t, hcl)
	for from, client := range translatable() {
		t.Run(string(from), func(t *testing.T) {
			resp, body := client.send(gw, "good", "hello", false)
			if resp.StatusCode != 200 || words(t, from, body) == "" {
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
			resp, body = client.send(gw, "good", "hello", true)
			if failed, err := client.read(body); resp.StatusCode != 200 || err != nil || failed {
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
				resp, body = client.send(gw, "limited", "hello", stream)
				if resp.StatusCode != 429 || !strings.Contains(body, "slower, please") || resp.Header.Get("Retry-After") != "60" {
					t.Errorf("limited: %d %v %s", resp.StatusCode, resp.Header, body)
				}
			}
		})
	}
}
