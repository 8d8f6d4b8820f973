package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// madeUpToken has the shape of a GitHub token and is none. One with a run of X, as one in thirty thousand has it, is a
// placeholder by the rules.
func madeUpToken() string {
	for {
		token := "ghp_" + (rand.Text() + rand.Text())[:36]
		if !strings.Contains(token, strings.Repeat("X", 4)) {
			return token
		}
	}
}

// sanitizing is a pipeline of the sanitize filter with a config.
func sanitizing(config string) string {
	return fmt.Sprintf("filter \"sanitize\" {\n  wasm = \"builtin:sanitize\"\n  limits = { time = \"20s\" }\n  config {\n%s\n  }\n}\npipeline \"p\" { filters = [filter.sanitize] }\n", config)
}

// TestSecretsInRequests: redacted before the upstream sees them, or denied.
func TestSecretsInRequests(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	token := madeUpToken()
	escaped := strings.Replace(token, "ghp_", `\u0067hp\u005f`, 1)
	body := `{"model":"mock","messages":[{"role":"user","content":"my token is ` + escaped + `, keep it"}]}`
	gw := start(t, relay(up.URL, sanitizing(`secrets = "redact"`), "mock"))
	resp, text := gw.post(body)
	if resp.StatusCode != 200 {
		t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	got := up.Last().Body
	if strings.Contains(got, token[4:]) || !strings.HasPrefix(got, `{"model":"mock","messages":[{"role":"user","content":"my token is `) || !strings.HasSuffix(got, `, keep it"}]}`) {
		t.Errorf("the upstream got %s", strings.ReplaceAll(got, token[4:], "THE TOKEN"))
	}
	up.Reset()
	gw = start(t, relay(up.URL, sanitizing(`secrets = "deny"`), "mock"))
	resp, text = gw.post(body)
	e := gw.event(resp.Header.Get("X-Request-Id"))
	checkError(t, text, "denied", e.RequestID)
	if resp.StatusCode != 403 || up.Stats().Requests != 0 || e.Terminal != "denied" || e.Filter != "sanitize" || strings.Contains(text+gw.logs.String(), token[4:]) {
		t.Errorf("status %d, %d requests upstream, %+v: %s", resp.StatusCode, up.Stats().Requests, e, text)
	}
}

// TestAttacksInRequests: attacks are denied where programs read them; talk about them is not.
func TestAttacksInRequests(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, relay(up.URL, sanitizing("xss = \"deny\"\nsqli = \"deny\""), "mock"))
	const script, union = `<script>alert(document.cookie)</script>`, `1' OR '1'='1' UNION SELECT password FROM users --`
	call := func(arguments string) string {
		return fmt.Sprintf(`{"model":"mock","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":%q}}]},{"role":"tool","tool_call_id":"a","content":"b"}]}`, fmt.Sprintf(`{"q":%q}`, arguments))
	}
	for _, c := range []struct {
		name, body, header string
		denied             bool
	}{
		{"talk", ask("mock", "What does "+script+" do, and "+union+"?", false), "", false},
		{"harmless arguments", call("the weather in Leeds"), "", false},
		{"script in arguments", call(script), "", true},
		{"SQL in arguments", call(union), "", true},
		{"SQL in a header", ask("mock", "hello", false), union, true},
		{"a harmless header", ask("mock", "hello", false), "tests/1.0 (Linux)", false},
	} {
		header := []string{}
		if c.header != "" {
			header = []string{"X-Client", c.header}
		}
		resp, body := gw.post(c.body, header...)
		if want := map[bool]int{true: 403, false: 200}[c.denied]; resp.StatusCode != want {
			t.Errorf("%s: status %d: %.200s", c.name, resp.StatusCode, body)
		}
	}
}

// streamOf serves what a client's request is answered with: events, one write each.
func streamOf(t *testing.T, events func() []string) string {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events() {
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(up.Close)
	return up.URL
}

func delta(member, escaped string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{` + strings.Replace(member, "%", escaped, 1) + "},\"finish_reason\":null}]}\n\n"
}

// TestSecretsInDeltas: a secret that comes in pieces, escaped in any way, does not reach the client,
// and everything else does.
func TestSecretsInDeltas(t *testing.T) {
	const content, arguments = `"content":"%"`, `"tool_calls":[{"index":0,"function":{"arguments":"%"}}]`
	var pieces atomic.Pointer[[]string]
	url := streamOf(t, func() []string { return *pieces.Load() })
	gw := start(t, relay(url, sanitizing(`secrets = "redact"`), "mock"))
	for name, member := range map[string]string{"content": content, "arguments": arguments} {
		for _, size := range []int{1, 3, 7, 100} {
			token := madeUpToken()
			text := "here it is: " + token + " and that was it"
			var events []string
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				var escaped strings.Builder
				for i, c := range []byte(rest[:n]) {
					if i%2 == 0 && c != ' ' {
						fmt.Fprintf(&escaped, `\u%04x`, c)
					} else {
						escaped.WriteByte(c)
					}
				}
				events, rest = append(events, delta(member, escaped.String())), rest[n:]
			}
			events = append(events, `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n", "data: [DONE]\n\n")
			pieces.Store(&events)
			resp, body := gw.post(ask("mock", "hello", true))
			got := joined(t, body)
			if strings.Contains(got, token[4:]) || !strings.HasPrefix(got, "here it is: ") || !strings.HasSuffix(got, " and that was it") || lastData(body) != "[DONE]" {
				t.Errorf("%s in pieces of %d: status %d, %q", name, size, resp.StatusCode, strings.ReplaceAll(got, token, "THE TOKEN"))
			}
		}
	}
}

// joined returns the text of a stream's deltas.
func joined(t *testing.T, stream string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.SplitSeq(stream, "\n") {
		payload, ok := strings.CutPrefix(line, "data: ")
		if !ok || payload == "[DONE]" {
			continue
		}
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content   string
					ToolCalls []struct {
						Function struct{ Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal([]byte(payload), &chunk); err != nil {
			t.Errorf("%v: %s", err, payload)
		}
		for _, c := range chunk.Choices {
			all.WriteString(c.Delta.Content)
			for _, call := range c.Delta.ToolCalls {
				all.WriteString(call.Function.Arguments)
			}
		}
	}
	return all.String()
}
