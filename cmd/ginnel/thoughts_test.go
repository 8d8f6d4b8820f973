package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// thinker is a model that thinks before it calls a tool, and what its provider must get back with the tool's result.
type thinker struct {
	provider, model string
	said            string // the members of the message beside its calls
	back            string // the members of the same message that say the thoughts, in the second request
	lost            bool   // they are listed instead
}

var thinkers = []thinker{
	{"deepseek", "deepseek-reasoner", `"content":"","reasoning_content":"hm"`, `{"reasoning_content":"hm"}`, false},
	{"deepseek", "deepseek-quick", `"content":"","reasoning_content":""`, `{"reasoning_content":""}`, false},
	{"openrouter", "google/gemini", `"content":null,"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"google-gemini-v1","index":0},{"type":"reasoning.encrypted","data":"R0VN","id":"abcdefghi","format":"google-gemini-v1","index":1}]`,
		`{"reasoning_details":[{"type":"reasoning.text","text":"hm","format":"google-gemini-v1","index":0},{"type":"reasoning.encrypted","data":"R0VN","id":"abcdefghi","format":"google-gemini-v1","index":1}]}`, false},
	{"openrouter", "google/quiet", `"content":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"R0VN","id":"abcdefghi","format":"google-gemini-v1","index":0}]`,
		`{"reasoning_details":[{"type":"reasoning.encrypted","data":"R0VN","id":"abcdefghi","format":"google-gemini-v1","index":0}]}`, false},
	{"openrouter", "openai/gpt", `"content":null,"reasoning":"hm","reasoning_details":[{"type":"reasoning.summary","summary":"hm","id":"rs_1","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"T0FJ","id":"rs_1","format":"openai-responses-v1","index":1}]`,
		`{"reasoning_details":[{"type":"reasoning.summary","summary":"hm","id":"rs_1","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"T0FJ","id":"rs_1","format":"openai-responses-v1","index":1}]}`, false},
	{"openrouter", "anthropic/claude", `"content":null,"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"QU5U","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"UkVE","format":"anthropic-claude-v1","index":1}]`,
		`{"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"QU5U","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"UkVE","format":"anthropic-claude-v1","index":1}]}`, false},
	{"openrouter", "deepseek/open", `"content":null,"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"unknown","index":0}]`, `{"reasoning":"hm"}`, false},
	{"vllm", "qwen", `"content":null,"reasoning":"hm"`, `{"reasoning":"hm"}`, false},
	{"mistral", "magistral-medium", `"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true},{"type":"text","text":"hi"}]`,
		`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"hi"}]}`, false},
	{"groq", "gpt-oss", `"content":null,"reasoning":"hm"`, `{}`, true},
}

// TestThoughtsComeBackToTheirVendor with the result of a tool that the model called: of a client of every dialect, whose
// answer was whole or streamed, in the words of the vendor, which refuses the second step of an agent otherwise.
func TestThoughtsComeBackToTheirVendor(t *testing.T) {
	up := &remembers{}
	server := httptest.NewServer(up)
	defer server.Close()
	gw := start(t, thinking(server.URL))
	for _, m := range thinkers {
		for from, client := range translatable() {
			for _, stream := range []bool{false, true} {
				if stream && from == llm.OpenAI && m.provider != "mistral" {
					continue // which passes as it is
				}
				t.Run(fmt.Sprintf("%s/%s/%t", m.model, from, stream), func(t *testing.T) {
					name := strings.ReplaceAll(m.model, "/", "-")
					resp, answer := client.send(gw, name, "hello", stream)
					if resp.StatusCode != 200 {
						t.Fatalf("%d %s", resp.StatusCode, answer)
					}
					if stream {
						answer = gathered(t, from, answer)
					}
					second := again(t, from, name, answer)
					resp, answer = gw.do(gw.requestTo(context.Background(), "POST", client.path(name, false), second, client.header...))
					passed := from == llm.OpenAI && m.provider != "mistral"
					want, dropped := m.back, resp.Header.Get(gateway.HeaderDropped)
					if passed {
						want = "{" + m.said + "}"
					}
					if resp.StatusCode != 200 || (dropped != "") != (m.lost && !passed) {
						t.Errorf("%d, dropped %q: %s", resp.StatusCode, dropped, answer)
					}
					if got := up.thoughts(t, !passed && m.provider != "mistral"); !same(t, got, want) {
						t.Errorf("got back %s\nwant %s\nof %s", got, want, second)
					}
				})
			}
		}
	}
}

// thinking declares a provider for each vendor of thinkers, as one that has Chat Completions alone.
func thinking(upstream string) string {
	var b, names strings.Builder
	b.WriteString("gateway { data_dir = \"%DATA%\" }\nlistener \"public\" { address = \"127.0.0.1:0\" }\nsecret \"up\" { file = \"/etc/hostname\" }\n")
	declared := map[string]bool{}
	for _, m := range thinkers {
		plugin, config := "openai", "preset = \""+m.provider+"\"\n    dialects = [\"openai\"]"
		if m.provider == "mistral" {
			plugin, config = "mistral", ""
		}
		if !declared[m.provider] {
			fmt.Fprintf(&b, "provider %q {\n  plugin = %q\n  base_url = \"%s/v1\"\n  config {\n    api_key = secret.up\n    %s\n  }\n}\n", m.provider, plugin, upstream, config)
		}
		declared[m.provider] = true
		name := strings.ReplaceAll(m.model, "/", "-")
		fmt.Fprintf(&b, "model %q {\n  target \"up\" {\n    provider = provider.%s\n    model = %q\n  }\n}\n", name, m.provider, m.model)
		names.WriteString("model." + name + ", ")
	}
	return b.String() + emptyPipeline + "\nroute \"all\" {\n  listener = listener.public\n  match = { path = \"/*\" }\n  auth = \"none\"\n  pipeline = pipeline.p\n  models = [" + strings.TrimSuffix(names.String(), ", ") + "]\n}\n"
}

// remembers is an upstream whose models are thinkers. It keeps the request that brings a tool's result.
type remembers struct {
	mu   sync.Mutex // protects last
	last []byte
}

func (u *remembers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if strings.Contains(string(body), `"role":"tool"`) {
		u.mu.Lock()
		u.last = body
		u.mu.Unlock()
		io.WriteString(w, `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"done"}}]}`)
		return
	}
	for _, m := range thinkers {
		if !strings.Contains(string(body), `"`+m.model+`"`) {
			continue
		}
		message := `{"role":"assistant",` + m.said + `,"tool_calls":[{"index":0,"id":"abcdefghi","type":"function","function":{"name":"look","arguments":"{}"}}]}`
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":%s}]}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n", message)
			return
		}
		fmt.Fprintf(w, `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":%s}]}`, message)
		return
	}
	w.WriteHeader(404)
}

// thoughts returns the members of the assistant's message but for its role and its calls, and for its content where that
// says no thoughts.
func (u *remembers) thoughts(t *testing.T, apart bool) string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	var q struct {
		Messages []map[string]json.RawMessage `json:"messages"`
	}
	if err := json.Unmarshal(u.last, &q); err != nil {
		t.Fatalf("%v: %s", err, u.last)
	}
	for _, m := range q.Messages {
		if string(m["role"]) != `"assistant"` {
			continue
		}
		if len(m["tool_calls"]) == 0 {
			t.Errorf("no calls: %s", u.last)
		}
		delete(m, "role")
		delete(m, "tool_calls")
		if apart {
			delete(m, "content")
		}
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return ""
}

// same reports whether two texts are the same JSON.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	var out [2]string
	for i, text := range []string{a, b} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		plain, _ := json.Marshal(v)
		out[i] = string(plain)
	}
	return out[0] == out[1]
}

// gathered is the whole answer that a client has put together from a stream: Gemini's have its pieces as they came.
func gathered(t *testing.T, d llm.Dialect, stream string) string {
	t.Helper()
	codec := codecs.Translator(d)
	decoder := codec.Decoder()
	var all conversation.Collector
	var pieces []string
	for _, line := range strings.Split(stream, "\n") {
		payload, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		var event struct {
			Response   json.RawMessage
			Candidates []struct {
				Content struct{ Parts []json.RawMessage }
			}
		}
		if !ok || payload == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(payload), &event); err != nil {
			t.Fatalf("%v: %s", err, stream)
		}
		if d == llm.Responses && strings.Contains(payload, `"type":"response.completed"`) {
			return string(event.Response)
		}
		for _, c := range event.Candidates {
			for _, p := range c.Content.Parts {
				pieces = append(pieces, string(p))
			}
		}
		deltas, err := decoder.Event([]byte(payload), nil)
		if err == nil {
			err = all.Add(deltas...)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, stream)
		}
	}
	if d == llm.Gemini {
		return `{"candidates":[{"content":{"role":"model","parts":[` + strings.Join(pieces, ",") + `]}}]}`
	}
	if err := all.Add(decoder.End(nil)...); err != nil {
		t.Fatalf("%v: %s", err, stream)
	}
	return string(codec.EncodeAnswer(&all.Answer))
}

// again is what a client asks next: what was said, and the tool's result.
func again(t *testing.T, d llm.Dialect, model, answer string) string {
	t.Helper()
	var a struct {
		Choices    []struct{ Message json.RawMessage }
		Content    json.RawMessage
		Candidates []struct{ Content json.RawMessage }
		Output     []json.RawMessage
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	switch d {
	case llm.OpenAI:
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"q"},%s,{"role":"tool","tool_call_id":"abcdefghi","content":"found"}]}`, model, a.Choices[0].Message)
	case llm.Anthropic:
		return fmt.Sprintf(`{"model":%q,"max_tokens":9000,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":%s},{"role":"user","content":[{"type":"tool_result","tool_use_id":"abcdefghi","content":"found"}]}]}`, model, a.Content)
	case llm.Gemini:
		return fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":"q"}]},%s,{"role":"user","parts":[{"functionResponse":{"name":"look","id":"abcdefghi","response":{"result":"found"}}}]}]}`, a.Candidates[0].Content)
	}
	items := ""
	for _, item := range a.Output {
		items += string(item) + ","
	}
	return fmt.Sprintf(`{"model":%q,"input":[{"role":"user","content":"q"},%s{"type":"function_call_output","call_id":"abcdefghi","output":"found"}],"store":false,"include":["reasoning.encrypted_content"]}`, model, items)
}
