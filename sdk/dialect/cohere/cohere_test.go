package cohere

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestEncodeRequest(t *testing.T) {
	user := []conversation.Turn{{Parts: []conversation.Part{{Text: "hello"}}}}
	tool := []conversation.Tool{{Name: "f"}}
	calls := []conversation.Turn{user[0],
		{Role: conversation.Assistant, Parts: []conversation.Part{{Kind: conversation.Thinking, Text: "hm"}, {Text: "I call it"}, {Kind: conversation.ToolCall, Call: &conversation.Call{ID: "1", Name: "f"}}}},
		{Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: &conversation.Result{ID: "1", Parts: []conversation.Part{{Text: "r"}}, Error: true}}, {Text: "and"}}}}
	const head = `{"model":"m","stream":false,"messages":[{"role":"user","content":"hello"}`
	for _, c := range []struct {
		name       string
		q          conversation.Request
		want, lost string
	}{
		{"wishes", conversation.Request{Turns: user, MaxTokens: 9, Stop: []string{"x"}, Temperature: "1.5", TopP: "0.9", TopK: "3", Seed: "7", FrequencyPenalty: "2", PresencePenalty: "-1", User: "u"},
			head + `],"max_tokens":9,"stop_sequences":["x"],"temperature":1,"p":0.9,"k":3,"seed":7,"frequency_penalty":1}`, "temperature frequency_penalty presence_penalty user"},
		{"calls and results", conversation.Request{System: []conversation.Part{{Text: "s"}}, Turns: calls, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired}},
			`{"model":"m","stream":false,"messages":[{"role":"system","content":"s"},{"role":"user","content":"hello"},{"role":"assistant","tool_plan":"I call it","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"},{"role":"user","content":"and"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],"tool_choice":"REQUIRED"}`,
			"messages[1].content[0] messages[2].is_error"},
		{"a schema", conversation.Request{Turns: user, Format: conversation.Format{Kind: conversation.FormatSchema, Schema: []byte(`{"a":1}`)}}, head + `],"response_format":{"type":"json_object","json_schema":{"a":1}}}`, ""},
		{"an image", conversation.Request{Turns: []conversation.Turn{{Parts: []conversation.Part{{Text: "look"}, {Kind: conversation.Media, Media: &conversation.Medium{Type: "image/png", Data: "QQ=="}}}}}},
			`{"model":"m","stream":false,"messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}]}`, ""},
		{"thinking of one that does not", conversation.Request{Turns: user, Reasoning: conversation.Reasoning{Effort: "high"}}, head + `]}`, "reasoning_effort"},
	} {
		c.q.Model = "m"
		out, lost, err := Codec{}.EncodeRequest(&c.q, conversation.Limits{})
		var names []string
		for _, l := range lost {
			names = append(names, l.Field)
		}
		if err != nil || string(out) != c.want || strings.Join(names, " ") != c.lost {
			t.Errorf("%s: %v %s %v\nwant %s", c.name, err, out, names, c.want)
		}
	}
	for model, want := range map[string]string{"command-a-reasoning-08-2025": `"thinking":{"type":"enabled","token_budget":4096}`, "command-a-plus-05-2026": `"token_budget":4096`} {
		q := conversation.Request{Model: model, Turns: user, Reasoning: conversation.Reasoning{Effort: "medium"}}
		if out, lost, err := (Codec{}).EncodeRequest(&q, conversation.Limits{}); err != nil || len(lost) > 0 || !strings.Contains(string(out), want) {
			t.Errorf("%s: %s %v %v", model, out, lost, err)
		}
	}
	for field, q := range map[string]conversation.Request{
		"n":                      {Turns: user, Choices: 2},
		"logprobs":               {Turns: user, Logprobs: true},
		"stop":                   {Turns: user, Stop: strings.Fields("a b c d e f")},
		"tool_choice":            {Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired, Names: []string{"f"}}},
		"messages[0].content[0]": {Turns: []conversation.Turn{{Parts: []conversation.Part{{Kind: conversation.Media, Media: &conversation.Medium{Type: "application/pdf", Data: "QQ=="}}}}}},
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
		code   llm.Code
	}{
		{`{"id":"1","message":{"role":"assistant","content":[]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":267,"output_tokens":52},"tokens":{"input_tokens":34.0,"output_tokens":56,"reasoning_tokens":7,"image_tokens":259},"cached_tokens":3}}`,
			"COMPLETE", &llm.Usage{InputTotal: 293, CacheRead: 3, OutputTotal: 56, Reasoning: 7}, "", ""},
		{`{"message":{},"usage":{"billed_units":{"input_tokens":2,"output_tokens":1}}}`, "", &llm.Usage{InputTotal: 2, OutputTotal: 1}, "", ""},
		{`{"id":"1","message":"too many tokens","error_type":"TOO_MANY_TOKENS"}`, "", nil, "too many tokens", llm.CodeInvalid},
		{`{"message":"invalid api token"}`, "", nil, "invalid api token", llm.CodeUpstream},
		{`{"error":{"message":"another shape"}}`, "", nil, "another shape", llm.CodeUpstream},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if a.Usage != nil {
			a.Usage.Raw = nil
		}
		if a.Finish != c.finish || !reflect.DeepEqual(a.Usage, c.usage) || (a.Error != nil) != (c.fault != "") || a.Error != nil && (a.Error.Message != c.fault || a.Error.Code != c.code) {
			t.Errorf("%s: %+v %+v %+v", c.body, a, a.Usage, a.Error)
		}
	}
}

// TestCitationsCountBytes: the vendor counts characters, whole and streamed.
func TestCitationsCountBytes(t *testing.T) {
	a, err := Codec{}.DecodeAnswer([]byte(`{"message":{"content":[{"type":"text","text":"né à Paris"}],"citations":[{"start":5,"end":10,"text":"Paris","sources":[{"type":"document","document":{"title":"T","url":"https://a.example"}}]}]},"finish_reason":"COMPLETE"}`))
	if err != nil {
		t.Fatal(err)
	}
	p := a.Choices[0].Parts[0]
	if c := p.Citations[0]; p.Text[c.Start:c.End] != "Paris" || c.Title != "T" || c.URL != "https://a.example" || c.Quote != "Paris" {
		t.Errorf("%+v", c)
	}
	d := Codec{}.Decoder()
	var deltas []conversation.Delta
	for _, payload := range []string{
		`{"type":"message-start","id":"1"}`, `{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}`, `{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"né à Paris"}}}}`,
		`{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":5,"end":10,"text":"Paris","sources":[],"content_index":1}}}}`, `{"type":"content-end","index":1}`, `{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}`, `[DONE]`,
	} {
		if deltas, err = d.Event([]byte(payload), deltas); err != nil {
			t.Fatal(err)
		}
	}
	var c conversation.Collector
	if err := c.Add(deltas...); err != nil || c.Whole() != nil {
		t.Fatal(err, c.Whole())
	}
	if p := c.Answer.Choices[0].Parts[0]; p.Text[p.Citations[0].Start:p.Citations[0].End] != "Paris" {
		t.Errorf("%+v", p)
	}
}

// TestErrorsInAStream: an error of the vendor's, and an end that is one, are errors.
func TestErrorsInAStream(t *testing.T) {
	for _, payload := range []string{`{"message":"it broke"}`, `{"type":"message-end","delta":{"error":"it broke","finish_reason":"ERROR"}}`} {
		deltas, err := Codec{}.Decoder().Event([]byte(payload), nil)
		if err != nil || len(deltas) != 1 || deltas[0].Kind != conversation.Failed || deltas[0].Err.Message != "it broke" {
			t.Errorf("%s: %+v %v", payload, deltas, err)
		}
	}
	for _, word := range []string{"ERROR", "TIMEOUT"} {
		if finish(word).Usable() == nil {
			t.Errorf("%s looks like an end", word)
		}
	}
}
