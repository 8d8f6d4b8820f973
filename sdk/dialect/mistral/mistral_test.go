package mistral

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestEncodeRequest(t *testing.T) {
	user := []conversation.Turn{{Parts: []conversation.Part{{Text: "hello"}}}}
	tool := []conversation.Tool{{Name: "f"}}
	call := conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "toolu_01AbC", Name: "f", Arguments: "{}"}}
	result := conversation.Part{Kind: conversation.ToolResult, Result: &conversation.Result{ID: "toolu_01AbC", Parts: []conversation.Part{{Text: "r"}}}}
	own := conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "g6fVbXS8K", Name: "f", Arguments: "{}"}}
	pdf := conversation.Part{Kind: conversation.Media, Media: &conversation.Medium{Type: "application/pdf", Data: "QQ==", Name: "a.pdf"}}
	thought := []conversation.Turn{user[0], {Role: conversation.Assistant, Parts: []conversation.Part{
		{Kind: conversation.Thinking, Text: "hm"}, {Kind: conversation.Thinking, Text: "ho", Opaque: conversation.Opaque{Vendor: conversation.VendorAnthropic, Value: "QU5U"}}, {Text: "hi"}, own}}}
	const body, tools = `"model":"m","messages":[{"role":"user","content":"hello"}]`, `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`
	for _, c := range []struct {
		name       string
		q          conversation.Request
		want, lost string
	}{
		{"wishes", conversation.Request{Turns: user, Stream: true, MaxTokens: 9, Stop: strings.Fields("a b c d e"), Temperature: "1.75", TopP: "0.9", TopK: "3", Seed: "7", PresencePenalty: "-1", User: "u", CacheKey: "k"},
			`{"random_seed":7,"stop":["a","b","c","d","e"],"stream":true,` + body + `,"max_tokens":9,"temperature":1.5,"top_p":0.9,"presence_penalty":-1,"prompt_cache_key":"k"}`, "temperature top_k user"},
		{"its own words", conversation.Request{Turns: user, Other: []conversation.Field{{Name: "random_seed", Value: []byte("3")}, {Name: "safe_prompt", Value: []byte("true")}, {Name: "top_a", Value: []byte("1")}}},
			`{"random_seed":3,"safe_prompt":true,` + body + `}`, "top_a"},
		{"a seed said twice", conversation.Request{Turns: user, Seed: "7", Other: []conversation.Field{{Name: "random_seed", Value: []byte("3")}}}, `{"random_seed":7,` + body + `}`, "random_seed"},
		{"a tool is demanded", conversation.Request{Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired}}, `{"tool_choice":"any",` + body + tools + `}`, ""},
		{"a tool is named", conversation.Request{Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired, Names: []string{"f"}}}, `{` + body + tools + `,"tool_choice":{"type":"function","function":{"name":"f"}}}`, ""},
		{"calls of another vendor", conversation.Request{Turns: []conversation.Turn{user[0], {Role: conversation.Assistant, Parts: []conversation.Part{call, own}}, {Parts: []conversation.Part{result}}}},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":null,"tool_calls":[{"id":"` + callID("toolu_01AbC") + `","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"g6fVbXS8K","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"` + callID("toolu_01AbC") + `","content":"r"}]}`, ""},
		{"a document", conversation.Request{Turns: []conversation.Turn{{Parts: []conversation.Part{{Text: "read"}, pdf}}}},
			`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"read"},{"type":"document_url","document_url":"data:application/pdf;base64,QQ==","document_name":"a.pdf"}]}]}`, ""},
		{"the answer's beginning", conversation.Request{Turns: []conversation.Turn{user[0], {Role: conversation.Assistant, Name: "n", Parts: []conversation.Part{{Kind: conversation.Refusal, Text: "It"}}}}},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"prefix":true,"role":"assistant","content":"It"}]}`, "messages[1].name"},
		{"the user behind a tool", conversation.Request{Turns: []conversation.Turn{user[0], {Role: conversation.Assistant, Parts: []conversation.Part{own}}, {Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: &conversation.Result{ID: "g6fVbXS8K", Parts: []conversation.Part{{Text: "r"}, {Kind: conversation.Media, Media: &conversation.Medium{Type: "image/png", Data: "QQ=="}}}}}, {Text: "and"}}}}},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":null,"tool_calls":[{"id":"g6fVbXS8K","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"g6fVbXS8K","content":[{"type":"text","text":"r"},{"type":"image_url","image_url":"data:image/png;base64,QQ=="}]},{"role":"assistant","content":"OK."},{"role":"user","content":"and"}]}`, "messages[2].content"},
		{"nothing but thoughts", conversation.Request{Turns: []conversation.Turn{user[0], {Role: conversation.Assistant, Parts: []conversation.Part{{Kind: conversation.Thinking, Text: "hm"}}}}}, `{` + body + `}`, "messages[1]"},
		{"thoughts of a model that always thinks", conversation.Request{Model: "magistral-medium-latest", Turns: thought},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"hi"}],"tool_calls":[{"id":"g6fVbXS8K","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`, "messages[1].reasoning"},
		{"thoughts of one that is to think", conversation.Request{Model: "mistral-small-latest", Turns: thought, Reasoning: conversation.Reasoning{Effort: "high"}},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"hi"}],"tool_calls":[{"id":"g6fVbXS8K","type":"function","function":{"name":"f","arguments":"{}"}}]}],"reasoning_effort":"high"}`, "messages[1].reasoning"},
		{"thoughts of one that is not to think", conversation.Request{Model: "mistral-small-latest", Turns: thought},
			`{"model":"m","messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"hi","tool_calls":[{"id":"g6fVbXS8K","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`, "messages[1].reasoning messages[1].reasoning"},
		{"thinking of one that cannot be told", conversation.Request{Turns: user, Reasoning: conversation.Reasoning{Effort: "high"}}, `{` + body + `}`, "reasoning_effort"},
		{"much thinking", conversation.Request{Model: "mistral-small-latest", Turns: user, Reasoning: conversation.Reasoning{Effort: "high"}}, `{` + body + `,"reasoning_effort":"high"}`, ""},
		{"some thinking", conversation.Request{Model: "mistral-small-latest", Turns: user, Reasoning: conversation.Reasoning{Budget: 1024}}, `{` + body + `,"reasoning_effort":"high"}`, "reasoning_effort"},
		{"no thinking", conversation.Request{Model: "mistral-small-latest", Turns: user, Reasoning: conversation.Reasoning{Off: true}}, `{` + body + `,"reasoning_effort":"none"}`, ""},
	} {
		if c.q.Model == "" {
			c.q.Model = "m"
		}
		out, lost, err := Codec{}.EncodeRequest(&c.q, conversation.Limits{})
		var names []string
		for _, l := range lost {
			names = append(names, l.Field)
		}
		if out = []byte(strings.NewReplacer(`"mistral-small-latest"`, `"m"`, `"magistral-medium-latest"`, `"m"`).Replace(string(out))); err != nil || string(out) != c.want || strings.Join(names, " ") != c.lost {
			t.Errorf("%s: %v %s %v\nwant %s", c.name, err, out, names, c.want)
		}
	}
	if call.Call.ID != "toolu_01AbC" || result.Result.ID != "toolu_01AbC" || tool[0].Parameters != nil {
		t.Error("the request itself was changed")
	}
	q, err := Codec{}.DecodeRequest([]byte(`{"messages":[{"role":"assistant","tool_calls":[{"id":"g6fVbXS8K","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"g6fVbXS8K","content":"r"},{"role":"assistant","content":"OK."},{"role":"user","content":"and"}]}`))
	if err != nil || len(q.Turns) != 2 || len(q.Turns[1].Parts) != 2 {
		t.Errorf("what stands between is taken away again: %+v %v", q, err)
	}
	for field, q := range map[string]conversation.Request{
		"logprobs":               {Turns: user, Logprobs: true},
		"tool_choice":            {Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolAuto, Names: []string{"f"}}},
		"messages[0].content[0]": {Turns: []conversation.Turn{{Parts: []conversation.Part{{Kind: conversation.Media, Media: &conversation.Medium{Type: "video/mp4", Data: "QQ=="}}}}}},
		"tools[0] (custom)":      {Turns: user, Tools: []conversation.Tool{{Native: &conversation.Foreign{Dialect: llm.OpenAI, Type: "custom"}}}},
		"logit_bias":             {Turns: user, Other: []conversation.Field{{Name: "logit_bias", Vital: true}}},
	} {
		if _, _, err := (Codec{}).EncodeRequest(&q, conversation.Limits{}); err == nil || !strings.Contains(err.Error(), "`"+field+"`") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestCallIDs(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"g6fVbXS8K", "toolu_01AbC", "call_0_0_f", "call_0_1_f", "", "g6fVbXS8-", "g6fVbXS8Kx", "ééééé"} {
		got := callID(id)
		if len(got) != 9 || strings.Trim(got, idChars) != "" || got != callID(id) || seen[got] != "" {
			t.Errorf("%q: %q", id, got)
		}
		seen[got] = id + "."
	}
	if callID("g6fVbXS8K") != "g6fVbXS8K" {
		t.Error("an id of the vendor's own is kept")
	}
}

func TestErrors(t *testing.T) {
	for body, want := range map[string]string{
		`{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}`: "Invalid model: x",
		`{"detail":"Invalid API Key"}`: "Invalid API Key",
		`{"detail":[{"type":"extra_forbidden","loc":["body","messages",0,"name"],"msg":"Extra inputs are not permitted","input":"x"},{"msg":"second"}]}`:                                           "body.messages.0.name: Extra inputs are not permitted",
		`{"object":"error","message":{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required"}]},"type":"invalid_request_error","param":null,"code":null,"raw_status_code":422}`: "body.model: Field required",
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(body), &a); err != nil || a.Error == nil || a.Error.Message != want || len(a.Faults) == 0 {
			t.Errorf("%s: %+v %v", body, a.Error, err)
		}
		deltas, err := Codec{}.Decoder().Event([]byte(body), nil)
		if err != nil || len(deltas) != 1 || deltas[0].Kind != conversation.Failed {
			t.Errorf("%s in a stream: %+v %v", body, deltas, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	const content = `[{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true},{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]`
	a, err := Codec{}.DecodeAnswer([]byte(`{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":` + content + `},"finish_reason":"model_length"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`))
	if err != nil {
		t.Fatal(err)
	}
	check := func(parts []conversation.Part, f conversation.Finish) {
		t.Helper()
		if len(parts) != 2 || parts[0].Kind != conversation.Thinking || parts[0].Text != "hm" || parts[1].Text != "a" || f != conversation.FinishContext {
			t.Errorf("%+v %s", parts, f)
		}
	}
	check(a.Choices[0].Parts, a.Choices[0].Finish)
	if len(a.Other) != 1 || a.Other[0].Name != "choices[0].message.content[2]" {
		t.Errorf("what has no place is listed, and nothing else: %+v", a.Other)
	}
	var c conversation.Collector
	d := Codec{}.Decoder()
	for _, payload := range []string{`{"id":"1","choices":[{"index":0,"delta":{"content":` + content + `}}]}`, `{"id":"1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"model_length"}]}`} {
		deltas, err := d.Event([]byte(payload), nil)
		if err == nil {
			err = c.Add(deltas...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check(c.Answer.Choices[0].Parts, c.Answer.Choices[0].Finish)
	if finish("error").Usable() == nil {
		t.Error("an error looks like an end")
	}
}

func TestEmbeddings(t *testing.T) {
	out, lost, err := Codec{}.EncodeEmbeddings(llm.OpEmbeddings, &embedding.Request{Model: "m", Inputs: []string{"a"}, Dimensions: 8, User: "u", Binary: true})
	if err != nil || string(out) != `{"model":"m","input":["a"],"encoding_format":"float","output_dimension":8}` || len(lost) != 1 || lost[0].Field != "user" {
		t.Errorf("%s %v %v", out, lost, err)
	}
}
