package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTranslatedEndings: what did not end in the upstream's dialect, or said nothing, does not look whole in
// another one; what ended without saying why does.
func TestTranslatedEndings(t *testing.T) {
	var text, kind string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, text)
	}))
	t.Cleanup(up.Close)
	gw := start(t, everyDialect(up.URL, emptyPipeline))
	for _, c := range []struct {
		dialect, name, text string
		stream, whole       bool
	}{
		{"openai", "no reason", chatChunk(`"content":"x"`) + "data: [DONE]\n\n", true, true},
		{"openai", "no reason", `{"choices":[{"index":0,"message":{"content":"x"}}]}`, false, true},
		{"openai", "an event without data", "data:\n\n" + chatChunk(`"content":"x"`) + chatEnd, true, true},
		{"openai", "no choice", "data: [DONE]\n\n", true, false},
		{"openai", "no choice", `{"choices":[]}`, false, false},
		{"openai", "nothing", `{}`, false, false},
		{"openai", "cut", chatChunk(`"content":"x"`), true, false},
		{"responses", "cancelled", respStart + respEvent("response.cancelled", `"response":{"status":"cancelled","output":[]}`), true, false},
		{"responses", "in progress", `{"object":"response","status":"in_progress","output":[]}`, false, false},
		{"anthropic", "no reason", `{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}`, false, false},
		{"anthropic", "cut", msgStart + msgBlock(0, `"type":"text","text":""`, `"type":"text_delta","text":"a"`), true, false},
		{"gemini", "no candidate", `{"candidates":[]}`, false, false},
		{"gemini", "a call without arguments", geminiChunk(`{"functionCall":{"name":"f"}}`, "STOP"), false, true},
	} {
		for _, client := range clients[:4] {
			if client.name == c.dialect {
				continue
			}
			if text, kind = c.text, "application/json"; c.stream {
				kind = "text/event-stream"
			}
			resp, body := gw.do(gw.requestTo(t.Context(), "POST", client.path("m-"+c.dialect, c.stream), client.ask("m-"+c.dialect, c.stream)))
			failed := resp.StatusCode != 200 || strings.Contains(body, `"error":{`)
			if failed == c.whole || strings.Contains(body, `"arguments":""`) || c.whole && (strings.Contains(body, "content_filter") || strings.Contains(body, "SAFETY")) {
				t.Errorf("%s: %s, stream %t, for %s: status %d: %s", c.dialect, c.name, c.stream, client.name, resp.StatusCode, body)
			}
		}
	}
}
