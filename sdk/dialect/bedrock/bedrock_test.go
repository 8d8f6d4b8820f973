package bedrock

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/eventstream"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestRecordedRequestsComeBack: what the vendor was asked is decoded and encoded to the same request, but
// for the order of its members and what Converse says in more than one way.
func TestRecordedRequestsComeBack(t *testing.T) {
	same := 0
	for _, x := range recorded.Of(t, "../../..", "bedrock__converse*.json") {
		q, err := Codec{}.DecodeRequest(x.Ask())
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		q.Model = x.Model
		out, lost, err := Codec{}.EncodeRequest(q, conversation.Limits{})
		if err != nil || len(lost) > 0 || strings.Contains(string(x.Ask()), `"citations"`) {
			continue // that documents shall be cited, guardrails and a few words of models' own, which only this vendor's clients say
		}
		var before, after map[string]any
		if json.Unmarshal(x.Ask(), &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("%s: %s", x.Name, out)
		}
		for _, key := range []string{"messages", "toolConfig", "system"} {
			if !reflect.DeepEqual(plain(before[key]), plain(after[key])) {
				t.Errorf("%s: %s: %v\nwant %v", x.Name, key, plain(after[key]), plain(before[key]))
			}
		}
		same++
	}
	if same < 20 {
		t.Errorf("%d requests came back", same)
	}
}

// plain makes equal what means the same: a list that is empty, a status that is the default, the result of a
// tool's name for its type.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if k == "status" && e == "success" || k == "toolChoice" {
				continue
			}
			out[k] = plain(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

func TestEncodeRequest(t *testing.T) {
	user := []conversation.Turn{{Parts: []conversation.Part{{Text: "hello"}}}}
	tool := []conversation.Tool{{Name: "f", Parameters: []byte(`{"type":"object"}`)}}
	call := []conversation.Turn{user[0], {Role: conversation.Assistant, Parts: []conversation.Part{{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "a/b", Name: "f", Arguments: `{"x": 1}`}}}},
		{Parts: []conversation.Part{{Text: "and"}, {Kind: conversation.ToolResult, Result: &conversation.Result{ID: "a/b", Object: []byte(`{"r":1}`), Error: true}}}}}
	for _, c := range []struct {
		name       string
		q          conversation.Request
		want, lost string
	}{
		{"a text", conversation.Request{Turns: user, MaxTokens: 9, Temperature: "0.70", Stop: []string{"x"}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"inferenceConfig":{"maxTokens":9,"temperature":0.70,"stopSequences":["x"]}}`, ""},
		{"results come first", conversation.Request{Turns: call, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired, Names: []string{"f"}}},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"` + conversation.PlainID("a/b") + `","name":"f","input":{"x": 1}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"` + conversation.PlainID("a/b") + `","content":[{"json":{"r":1}}],"status":"error"}},{"text":"and"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"f"}}}}`, ""},
		{"Anthropic's thinking", conversation.Request{Model: "eu.anthropic.claude-x", Turns: user, MaxTokens: 3000, TopK: "5", Temperature: "1", Reasoning: conversation.Reasoning{Effort: "medium"}},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]}],"inferenceConfig":{"maxTokens":3000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1500}}}`, "temperature top_k"},
		{"OpenAI's", conversation.Request{Model: "openai.gpt-oss-20b", Turns: user, Reasoning: conversation.Reasoning{Effort: "high"}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"additionalModelRequestFields":{"reasoning_effort":"high"}}`, ""},
		{"Amazon's", conversation.Request{Model: "amazon.nova-2", Turns: user, TopK: "5", Reasoning: conversation.Reasoning{Budget: 9000}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"},"inferenceConfig":{"topK":5}}}`, ""},
		{"words that OpenAI's have not", conversation.Request{Model: "openai.gpt-oss-20b", Turns: user, Reasoning: conversation.Reasoning{Effort: "xhigh"}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"additionalModelRequestFields":{"reasoning_effort":"high"}}`, ""},
		{"OpenAI's cannot be told not to think", conversation.Request{Model: "openai.gpt-oss-20b", Turns: user, Reasoning: conversation.Reasoning{Effort: "none", Off: true}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`, "reasoning_effort"},
		{"Amazon's do not unless told", conversation.Request{Model: "amazon.nova-2", Turns: user, Reasoning: conversation.Reasoning{Effort: "none", Off: true}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`, ""},
		{"as the model likes, and how much", conversation.Request{Model: "anthropic.claude-x", Turns: user, Reasoning: conversation.Reasoning{Budget: -1, Effort: "xhigh"}, Format: conversation.Format{Kind: conversation.FormatSchema, Schema: []byte(`{"a":1}`)}},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]}],"additionalModelRequestFields":{"thinking":{"type":"adaptive"}},"outputConfig":{"effort":"xhigh","textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"a\":1}"}}}}}`, ""},
		{"nobody's", conversation.Request{Model: "meta.llama", Turns: user, Reasoning: conversation.Reasoning{Effort: "high"}, Seed: "1", User: "u"}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`, "reasoning_effort seed user"},
		{"a schema", conversation.Request{Turns: user, Format: conversation.Format{Kind: conversation.FormatSchema, Name: "n", Schema: []byte(`{"a":1}`)}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"a\":1}","name":"n"}}}}}`, ""},
		{"no tools to be called", conversation.Request{Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolNone}}, `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`, ""},
		{"calls without tools", conversation.Request{Turns: call},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"` + conversation.PlainID("a/b") + `","name":"f","input":{"x": 1}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"` + conversation.PlainID("a/b") + `","content":[{"json":{"r":1}}],"status":"error"}},{"text":"and"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}}`, ""},
		{"one tool at a time, of Anthropic's", conversation.Request{Model: "anthropic.claude-x", Turns: user, Tools: tool, Parallel: new(bool)},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]},"additionalModelRequestFields":{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}}`, ""},
		{"and one that must be called", conversation.Request{Model: "anthropic.claude-x", Turns: user, Tools: tool, Parallel: new(bool), ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired}},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}}}`, "parallel_tool_calls"},
		{"one tool at a time, of others", conversation.Request{Model: "amazon.nova", Turns: user, Tools: tool, Parallel: new(bool)},
			`{"messages":[{"role":"user","content":[{"text":"hello"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}}`, "parallel_tool_calls"},
		{"a document without a word", conversation.Request{Turns: []conversation.Turn{{At: "messages[0]", Parts: []conversation.Part{{Kind: conversation.Media, Media: &conversation.Medium{Type: "application/pdf", Data: "QQ==", Name: "a.pdf"}}}}}},
			`{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a pdf","source":{"bytes":"QQ=="}}},{"text":"a pdf"}]}]}`, "messages[0].content"},
		{"media", conversation.Request{Turns: []conversation.Turn{{Parts: []conversation.Part{{Kind: conversation.Media, Media: &conversation.Medium{Type: "image/jpeg", Data: "QQ=="}}, {Kind: conversation.Media, Media: &conversation.Medium{Type: "application/pdf", Data: "QQ==", Name: "a_b.pdf"}}, {Text: "see"}}}}},
			`{"messages":[{"role":"user","content":[{"image":{"format":"jpeg","source":{"bytes":"QQ=="}}},{"document":{"format":"pdf","name":"a b pdf","source":{"bytes":"QQ=="}}},{"text":"see"}]}]}`, ""},
	} {
		out, lost, err := Codec{}.EncodeRequest(&c.q, conversation.Limits{})
		var names []string
		for _, l := range lost {
			names = append(names, l.Field)
		}
		if err != nil || string(out) != c.want || strings.Join(names, " ") != c.lost {
			t.Errorf("%s: %v %s %v\nwant %s", c.name, err, out, names, c.want)
		}
	}
	for field, q := range map[string]conversation.Request{
		"n":                      {Turns: user, Choices: 2},
		"logprobs":               {Turns: user, Logprobs: true},
		"tool_choice":            {Turns: call, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolNone}},
		"messages[0].content[0]": {Turns: []conversation.Turn{{Parts: []conversation.Part{{Kind: conversation.Media, Media: &conversation.Medium{Type: "image/png", URL: "https://example.com/a.png"}}}}}},
		"begin with the user":    {Turns: []conversation.Turn{{Role: conversation.Assistant, Parts: []conversation.Part{{Text: "a"}}}}},
	} {
		if _, _, err := (Codec{}).EncodeRequest(&q, conversation.Limits{}); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		body   string
		finish string
		usage  *llm.Usage
		fault  string
	}{
		{`{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":"end_turn","usage":{"inputTokens":11,"outputTokens":236,"cacheReadInputTokens":5,"cacheWriteInputTokens":1028,"cacheDetails":[{"ttl":"1h","inputTokens":1000}],"totalTokens":1275}}`,
			"end_turn", &llm.Usage{InputTotal: 1044, CacheRead: 5, CacheWrite1h: 1000, CacheWrite5m: 28, OutputTotal: 236}, ""},
		{`{"message":"Too many tokens"}`, "", nil, "Too many tokens"},
		{`{"error":{"message":"of the plugin's","type":"x"}}`, "", nil, "of the plugin's"},
		{`{"output":{"message":{"content":[]}},"message":"words of a model's"}`, "", nil, ""},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if a.Usage != nil {
			a.Usage.Raw = nil
		}
		if a.Finish != c.finish || !reflect.DeepEqual(a.Usage, c.usage) || (a.Error != nil) != (c.fault != "") || a.Error != nil && a.Error.Message != c.fault {
			t.Errorf("%s: %+v %+v", c.body, a, a.Usage)
		}
	}
}

// TestRecordedStreamsAreRead frame by frame, however they are cut, and end whole.
func TestRecordedStreamsAreRead(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "bedrock__converse-stream*.json") {
		if x.Response.Kind != "eventstream" {
			continue
		}
		whole, err := x.Events()
		if err != nil || len(whole) == 0 {
			t.Fatalf("%s: %v", x.Name, err)
		}
		for _, size := range []int{1, 7, 1000} {
			var f eventstream.Reader
			var out []byte
			for raw := x.Answer(); len(raw) > 0; {
				n := min(size, len(raw))
				f.Feed(raw[:n])
				raw = raw[n:]
				for ok := true; ok; {
					if out, ok, err = f.Next(out); err != nil {
						t.Fatal(err)
					}
				}
			}
			if string(out) != string(whole) || f.Open() {
				t.Errorf("%s in pieces of %d: %d bytes, want %d", x.Name, size, len(out), len(whole))
			}
		}
	}
}

// TestExceptionsInAStream end it with an error of their kind.
func TestExceptionsInAStream(t *testing.T) {
	for kind, code := range exceptions {
		d := Codec{}.Decoder()
		deltas, err := d.Event([]byte(`{"`+kind+`":{"message":"m"}}`), nil)
		if err != nil || len(deltas) != 1 || deltas[0].Kind != conversation.Failed || deltas[0].Err.Code != code || !deltas[0].Err.Quoted {
			t.Errorf("%s: %+v %v", kind, deltas, err)
		}
	}
}
