package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSpokenAnswers: a chat may go on from the sound of an answer that its own key got, and of no other.
func TestSpokenAnswers(t *testing.T) {
	var calls atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := calls.Add(1)
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","audio":{"id":"audio_%d","transcript":"It rains."}}}]}`+"\n\n", n)
			io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"audio":{"data":"AA==","expires_at":1}},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":null,"audio":{"id":"audio_%d","data":"AA==","expires_at":1,"transcript":"It rains."}}}]}`, n)
	}))
	t.Cleanup(up.Close)
	for _, shared := range []bool{false, true} {
		hcl := strings.Replace(relay(up.URL, headersAndRate, "big"), `auth     = "none"`, `auth     = "key"`, 1)
		gw := start(t, strings.Replace(hcl, "provider \"up\" {", fmt.Sprintf("provider \"up\" {\n  shared_files = %t", shared), 1))
		one, two := gw.caller(), gw.caller()
		ask := func(c caller, more string) (int, string) {
			status, text, _ := c.ask("POST", "/v1/chat/completions", `{"model":"big","modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},"messages":[{"role":"user","content":"x"}`+more)
			return status, text
		}
		for _, how := range []string{"", `,"stream":true`} {
			if status, text := ask(one, "]"+how+"}"); status != 200 {
				t.Fatalf("%d %s", status, text)
			}
			n := calls.Load()
			on := fmt.Sprintf(`,{"role":"assistant","audio":{"id":"audio_%d"}},{"role":"user","content":"y"}]}`, n)
			if status, text := ask(two, on); shared != (status == 200) || !shared && (status != 404 || !strings.Contains(text, "not yours") || calls.Load() != n) {
				t.Errorf("another's: %d %s", status, text)
			}
			if status, text := ask(one, on); status != 200 {
				t.Errorf("its own: %d %s", status, text)
			}
		}
	}
}
