package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/fasthttp/websocket"
)

const realtimeConfiguration = `
gateway {
  data_dir = %q
}
listener "public" {
  address = %q
  %s
}
secret "up" { file = %q }
filter "headers" { wasm = "builtin:headers" }
pipeline "heads" { filters = [filter.headers] }
route "all" {
  listener = listener.public
  match    = { path = "/*" }
  pipeline = pipeline.heads
  models   = [%s]
  files    = provider.up
}
`

// startRealtime returns what starts a daemon with a model "mock" before an upstream that has realtime sessions, files, batches and media. Node's
// SDK opens none without TLS. Python's does not always end its handshake with it, whoever the server is: its library
// reads and writes on two threads at once.
func startRealtime(tls string) func(context.Context, string) (*daemon, error) {
	return startBefore(new(vault).handler(), strings.Replace(realtimeConfiguration, "%s", tls, 1), func(upstream string) (providers, models string, names []string) {
		providers = fmt.Sprintf("provider \"up\" {\n  plugin   = \"openai\"\n  base_url = %q\n  config { api_key = secret.up }\n}\n", upstream+"/v1")
		return providers, model("m", "mock", "up", "vendors-own"), []string{"model.m"}
	})
}

// session is an upstream's side of a realtime session: it answers with the words that it was sent last, one at a
// time. It knows the model by the vendor's name only.
func session(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("model") != "vendors-own" {
		http.Error(w, `{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, http.StatusNotFound)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"realtime"}}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	say := func(event map[string]any) { c.WriteJSON(event) }
	say(map[string]any{"type": "session.created", "event_id": "e0", "session": map[string]any{"type": "realtime", "model": "vendors-own"}})
	text := ""
	for {
		var m struct {
			Type    string
			Session struct{ Model string }
			Item    struct {
				Content []struct{ Text string }
			}
		}
		_, raw, err := c.ReadMessage()
		if err != nil || json.Unmarshal(raw, &m) != nil {
			return
		}
		switch m.Type {
		case "session.update":
			if m.Session.Model != "" && m.Session.Model != "vendors-own" {
				say(map[string]any{"type": "error", "event_id": "e1", "error": map[string]any{"type": "invalid_request_error", "message": "the model cannot change"}})
				continue
			}
			say(map[string]any{"type": "session.updated", "event_id": "e1", "session": map[string]any{"type": "realtime", "model": "vendors-own"}})
		case "conversation.item.create":
			text = m.Item.Content[0].Text
		case "response.create":
			for _, b := range []byte(text) {
				say(map[string]any{"type": "response.output_text.delta", "event_id": "e2", "response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, "delta": string(b)})
			}
			say(map[string]any{"type": "response.done", "event_id": "e3", "response": map[string]any{
				"id": "r", "object": "realtime.response", "status": "completed", "output": []any{},
				"usage": map[string]any{"total_tokens": 7, "input_tokens": 3, "output_tokens": 4},
			}})
		}
	}
}
