package ollama

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

func text(s string) conversation.Part { return conversation.Part{Text: s} }

func medium(m conversation.Medium) conversation.Part {
	return conversation.Part{Kind: conversation.Media, Media: &m}
}

func call(id, name, arguments string) conversation.Part {
	return conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{ID: id, Name: name, Arguments: arguments}}
}

func TestEncodeRequest(t *testing.T) {
	user := []conversation.Turn{{Parts: []conversation.Part{text("hello")}}}
	tool := []conversation.Tool{{Name: "f", Description: "d"}}
	off, yes := false, true
	png := conversation.Medium{Type: "image/png", Data: "QQ=="}
	calls := []conversation.Turn{user[0],
		{Role: conversation.Assistant, Parts: []conversation.Part{{Kind: conversation.Thinking, Text: "hm"}, {Kind: conversation.Thinking, Text: "x", Opaque: conversation.Opaque{Vendor: "v", Value: "s"}}, text("I call"), call("1", "f", `{"a": 1.50}`), call("2", "g", "")}},
		{Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: &conversation.Result{ID: "1", Name: "f", Parts: []conversation.Part{text("r"), medium(png)}, Error: true}}, text("and"), text("so")}}}
	const head, tools = `{"model":"m","stream":false,"messages":[{"role":"user","content":"hello"}]`, `,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}]`
	for _, c := range []struct {
		name       string
		q          conversation.Request
		want, lost string
	}{
		{"wishes", conversation.Request{Turns: user, MaxTokens: 9, Stop: []string{"x"}, Temperature: "0.70", TopP: "0.9", TopK: "3", Seed: "7", FrequencyPenalty: "2", PresencePenalty: "-1", Logprobs: true, TopLogprobs: "2", User: "u", CacheKey: "k"},
			head + `,"options":{"num_predict":9,"stop":["x"],"temperature":0.70,"top_p":0.9,"top_k":3,"seed":7,"frequency_penalty":2,"presence_penalty":-1},"logprobs":true,"top_logprobs":2}`, "user prompt_cache_key"},
		{"calls and results", conversation.Request{System: []conversation.Part{text("s")}, Turns: calls, Tools: tool, Parallel: &off},
			`{"model":"m","stream":false,"messages":[{"role":"system","content":"s"},{"role":"user","content":"hello"},{"role":"assistant","content":"I call","thinking":"hm","tool_calls":[{"id":"1","function":{"name":"f","arguments":{"a": 1.50}}},{"id":"2","function":{"name":"g","arguments":{}}}]},{"role":"tool","content":"r","tool_name":"f","tool_call_id":"1"},{"role":"user","content":"and\nso","images":["QQ=="]}]` + tools + `}`,
			"messages[1].content[1] messages[2].is_error messages[2].content parallel_tool_calls"},
		{"arguments that are none", conversation.Request{Turns: []conversation.Turn{{Role: conversation.Assistant, Parts: []conversation.Part{call("1", "f", `{"a`)}}}},
			`{"model":"m","stream":false,"messages":[{"role":"assistant","content":"","tool_calls":[{"id":"1","function":{"name":"f","arguments":{"arguments":"{\"a"}}}]}]}`, "arguments of f"},
		{"no tool may be called", conversation.Request{Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolNone}}, head + `}`, ""},
		{"a strict tool", conversation.Request{Turns: user, Tools: []conversation.Tool{{Name: "f", Description: "d", Strict: &yes}}}, head + tools + `}`, "tools[0].strict"},
		{"a schema", conversation.Request{Turns: user, Format: conversation.Format{Kind: conversation.FormatSchema, Schema: []byte(`{"a":1}`)}}, head + `,"format":{"a":1}}`, ""},
		{"any object", conversation.Request{Turns: user, Format: conversation.Format{Kind: conversation.FormatJSON}}, head + `,"format":"json"}`, ""},
		{"an image", conversation.Request{Turns: []conversation.Turn{{Parts: []conversation.Part{text("look"), medium(png)}}}}, `{"model":"m","stream":false,"messages":[{"role":"user","content":"look","images":["QQ=="]}]}`, ""},
		{"a stream", conversation.Request{Turns: user, Stream: true}, strings.Replace(head, "false", "true", 1) + `}`, ""},
		{"words of its own", conversation.Request{Turns: user, Other: []conversation.Field{{Name: "options", Value: []byte(`{"num_gpu":9}`)}}}, head + `}`, "options"},
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
	for field, q := range map[string]conversation.Request{
		"messages":               {},
		"n":                      {Turns: user, Choices: 2},
		"tool_choice":            {Turns: user, Tools: tool, ToolChoice: conversation.ToolChoice{Mode: conversation.ToolRequired}},
		"messages[0].content[0]": {Turns: []conversation.Turn{{Parts: []conversation.Part{medium(conversation.Medium{Type: "application/pdf", Data: "QQ=="})}}}},
		"messages[0].content[1]": {Turns: []conversation.Turn{{Parts: []conversation.Part{text("x"), medium(conversation.Medium{Type: "image/png", URL: "https://a.example/b"})}}}},
		"tools[0] (web)":         {Turns: user, Tools: []conversation.Tool{{Native: &conversation.Foreign{Type: "web"}}}},
		"stored":                 {Turns: user, Other: []conversation.Field{{Name: "stored", Vital: true}}},
	} {
		if _, _, err := (Codec{}).EncodeRequest(&q, conversation.Limits{}); err == nil || !strings.Contains(err.Error(), "`"+field+"`") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestThinking: only one family of models is told how much; a server refuses a word for any other.
func TestThinking(t *testing.T) {
	for _, c := range []struct {
		model string
		r     conversation.Reasoning
		want  string
		lost  bool
	}{
		{"qwen3", conversation.Reasoning{}, "", false},
		{"qwen3", conversation.Reasoning{Effort: "high"}, `"think":true`, true},
		{"qwen3", conversation.Reasoning{Effort: "none"}, `"think":false`, false},
		{"qwen3", conversation.Reasoning{Off: true}, `"think":false`, false},
		{"qwen3", conversation.Reasoning{Budget: -1}, `"think":true`, false},
		{"gpt-oss:20b", conversation.Reasoning{Effort: "xhigh"}, `"think":"high"`, false},
		{"gpt-oss:20b", conversation.Reasoning{Budget: 1024}, `"think":"low"`, false},
		{"gpt-oss:20b", conversation.Reasoning{Budget: 4096}, `"think":"medium"`, false},
	} {
		q := conversation.Request{Model: c.model, Reasoning: c.r, Turns: []conversation.Turn{{Parts: []conversation.Part{text("x")}}}}
		out, lost, err := Codec{}.EncodeRequest(&q, conversation.Limits{})
		if err != nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "think") != (c.want != "") || (len(lost) > 0) != c.lost {
			t.Errorf("%s %+v: %s %v %v", c.model, c.r, out, lost, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		body   string
		finish conversation.Finish
		usage  *llm.Usage
		fault  string
	}{
		{`{"model":"m","message":{"content":"a"},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`, conversation.FinishStop, &llm.Usage{InputTotal: 3, OutputTotal: 2}, ""},
		{`{"message":{"content":"a"},"done":true}`, conversation.FinishStop, nil, ""}, // an older server
		{`{"message":{"content":"a"},"done":true,"done_reason":"length"}`, conversation.FinishLength, nil, ""},
		{`{"message":{"tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":true,"done_reason":"stop"}`, conversation.FinishTools, nil, ""},
		{`{"message":{"content":""},"done":true,"done_reason":"load"}`, conversation.FinishStop, nil, ""},
		{`{"message":{"content":"a"},"done":false}`, "", nil, ""}, // the gateway takes it for broken off
		{`{"error":"model 'm' not found"}`, "", nil, "model 'm' not found"},
		{`{"error":{"message":"another shape"}}`, "", nil, "another shape"},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if (a.Error != nil) != (c.fault != "") || a.Error != nil && (a.Error.Message != c.fault || !a.Error.Quoted || len(a.Faults) == 0) || !reflect.DeepEqual(a.Usage, c.usage) {
			t.Errorf("%s: %+v %+v", c.body, a.Error, a.Usage)
		}
		d, err := Codec{}.DecodeAnswer([]byte(c.body))
		if c.fault != "" {
			if err == nil {
				t.Errorf("%s is an answer", c.body)
			}
			continue
		}
		if err != nil || d.Choices[0].Finish != c.finish {
			t.Errorf("%s: %v %+v", c.body, err, d)
		}
	}
	for _, bad := range []string{``, `[]`, `"a"`, `{"message":{"content":7},"done":true}`, `{"message":{"tool_calls":{}},"done":true}`, `{"done":true`, `{"message":{"content":"a"},"done":true} {}`} {
		if _, err := (Codec{}).DecodeAnswer([]byte(bad)); err == nil {
			t.Errorf("%s is an answer", bad)
		}
	}
}

// play reads a stream as the gateway does: it is whole where a line was done and no error came.
func play(stream string) (*conversation.Collector, bool, error) {
	f := &dialect.LineFramer{}
	f.Feed([]byte(stream))
	d, c := Codec{}.Decoder(), &conversation.Collector{}
	var frame dialect.Frame
	ended := false
	for {
		ok, err := f.Next(&frame)
		if err != nil {
			return c, false, err
		}
		if !ok && !f.Tail(&frame) {
			break
		}
		if frame.Payload == nil {
			continue
		}
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, frame.Payload, &e); err != nil {
			return c, false, err
		}
		deltas, err := d.Event(frame.Payload, nil)
		if err == nil {
			err = c.Add(deltas...)
		}
		if err != nil {
			return c, false, err
		}
		ended = ended || e.End
	}
	err := c.Add(d.End(nil)...)
	return c, err == nil && c.Failed == nil && Codec{}.Complete(dialect.Ending{Terminated: ended}) && c.Whole() == nil, err
}

const whole = `{"model":"m","created_at":"2025-05-19T09:26:59.678947Z","message":{"role":"assistant","content":"","thinking":"h"},"done":false}
{"model":"m","message":{"role":"assistant","content":"","thinking":"m"},"done":false}

{"model":"m","message":{"role":"assistant","content":"é\n"},"logprobs":[{"token":"é","logprob":-1}],"done":false}
{"model":"m","message":{"role":"assistant","content":"b","tool_calls":[{"function":{"name":"f","arguments":{"a": 1}}},{"id":"x","function":{"index":1,"name":"g","arguments":{}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":"c"},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":26,"eval_count":12}
`

func TestStream(t *testing.T) {
	c, complete, err := play(whole)
	if err != nil || !complete {
		t.Fatal(complete, err)
	}
	a := c.Answer
	want := []conversation.Part{{Kind: conversation.Thinking, Text: "hm"}, text("é\nb"), call(conversation.CallID("", 0, 2, "f"), "f", `{"a": 1}`), call("x", "g", "{}"), text("c")}
	if a.Model != "m" || a.Created != 1747646819 || !reflect.DeepEqual(a.Choices[0].Parts, want) || a.Choices[0].Finish != conversation.FinishTools || a.Usage.InputTotal != 26 || a.Usage.OutputTotal != 12 {
		t.Errorf("%+v", a)
	}
}

// TestCutStreamsAreNoAnswers: wherever a stream is cut, it does not look whole; nor does one with an error in it.
func TestCutStreamsAreNoAnswers(t *testing.T) {
	body := strings.TrimSuffix(whole, "\n")
	for i := range len(body) {
		if _, complete, _ := play(body[:i]); complete {
			t.Errorf("%q is whole", body[:i])
		}
	}
	lines := strings.SplitAfter(whole, "\n")
	for i := range lines {
		for _, fault := range []string{`{"error":"the runner has stopped"}`, `{"error":"x","done":true,"done_reason":"stop"}`} {
			c, complete, err := play(strings.Join(lines[:i], "") + fault + "\n")
			if last := i == len(lines)-1; complete != last || err != nil && !last || !last && c.Failed == nil {
				t.Errorf("%s behind %d lines: %v %v %+v", fault, i, complete, err, c.Failed)
			}
		}
	}
	for _, bad := range []string{"data: {}\n", "{\"done\":true\n", "[]\n", "<html>\n", "{\"message\":{\"content\":[]}}\n"} {
		if _, complete, err := play(bad); complete || err == nil {
			t.Errorf("%q: %v %v", bad, complete, err)
		}
	}
}

// TestResultsFindTheirCalls: by id, by the tool's name, or by their order.
func TestResultsFindTheirCalls(t *testing.T) {
	q, err := Codec{}.DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x","images":["iVBORw0KGgo="]},
		{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}},{"function":{"name":"g","arguments":"{}"}}]},{"role":"tool","content":"1"},{"role":"tool","content":"2"},
		{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}},{"id":"i","function":{"name":"g","arguments":{}}}]},{"role":"tool","tool_call_id":"i","content":"3"},{"role":"tool","tool_name":"f","content":"4"}],
		"think":true,"options":{"stop":"x","num_predict":-1},"format":""}`))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, turn := range q.Turns {
		for _, p := range turn.Parts {
			if p.Result != nil {
				ids[p.Result.Parts[0].Text] = p.Result.ID + " " + p.Result.Name
			}
		}
	}
	want := map[string]string{"1": conversation.CallID("", 1, 0, "f") + " f", "2": conversation.CallID("", 1, 1, "g") + " g", "3": "i g", "4": conversation.CallID("", 3, 0, "f") + " f"}
	if !reflect.DeepEqual(ids, want) || q.Turns[0].Parts[1].Media.Type != "image/png" || q.Reasoning.Budget != -1 || q.MaxTokens != 0 || !reflect.DeepEqual(q.Stop, []string{"x"}) || q.Format.Kind != conversation.FormatDefault || !q.Stream {
		t.Errorf("%v %+v", ids, q)
	}
}

func TestEmbeddings(t *testing.T) {
	out, lost, err := Codec{}.EncodeEmbeddings(llm.OpEmbeddings, &embedding.Request{Model: "m", Inputs: []string{"a"}, Dimensions: 8, User: "u"})
	if err != nil || string(out) != `{"model":"m","input":["a"],"truncate":false,"dimensions":8}` || len(lost) != 1 || lost[0].Field != "user" {
		t.Errorf("%s %v %v", out, lost, err)
	}
	a, err := Codec{}.DecodeVectors(llm.OpEmbeddings, []byte(`{"model":"m","embeddings":[[0.5,1],[2,3]],"prompt_eval_count":8}`))
	if err != nil || len(a.Vectors) != 2 || string(a.Vectors[0]) != "[0.5,1]" || a.Usage.InputTotal != 8 {
		t.Errorf("%+v %v", a, err)
	}
	for _, bad := range []string{`{}`, `{"embeddings":[]}`, `{"embeddings":[null]}`, `{"embeddings":7}`, `{"error":"no"}`, `{"embedding":[1]}`} {
		if _, err := (Codec{}).DecodeVectors(llm.OpEmbeddings, []byte(bad)); err == nil {
			t.Errorf("%s is an answer", bad)
		}
	}
}
