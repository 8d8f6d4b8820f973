package responses

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// said is a text of an event, in short.
type said struct {
	text   string
	choice int16
	block  int16
	kind   dialect.Kind
	how    string // "" = more may come, "whole", or "again": whole, and a repetition
}

func saidIn(data []byte, texts []dialect.Text) (got []said) {
	for _, x := range texts {
		how := ""
		switch {
		case x.Channel.Repeat && x.Whole:
			how = "again"
		case x.Whole:
			how = "whole"
		case x.Channel.Repeat:
			how = "wrong: a repetition that is not whole"
		}
		got = append(got, said{string(dialect.AppendUnquoted(nil, data[x.Span.Start:x.Span.End])), x.Channel.Choice, x.Channel.Block, x.Channel.Kind, how})
	}
	return got
}

// events has every type of event that the specification has, and a few that it has not.
var events = []struct {
	name, rest string
	texts      []said
	closed     []dialect.Block
	first      bool
}{
	{"response.created", `"response":{"status":"in_progress","instructions":"i","output":[]}`, []said{{"i", 0, 0, text, "again"}}, nil, false},
	{"response.in_progress", `"response":{"status":"in_progress","tools":[{"type":"function","name":"n","parameters":{"description":"d"}}],"metadata":{"k":"v"}}`, []said{{"n", 0, 0, tool, "again"}, {"d", 0, 0, tool, "again"}, {"v", 0, 0, form, "again"}}, nil, false},
	{"response.queued", `"response":{"status":"queued","user":"u"}`, []said{{"u", 0, 0, form, "again"}}, nil, false},
	{"response.output_item.added", `"output_index":1,"item":{"type":"message","role":"assistant","content":[]}`, nil, nil, false},
	{"response.output_item.added", `"item":{"name":"f","arguments":"","type":"function_call"},"output_index":2`, []said{{"f", 2, 0, form, "whole"}}, nil, true},
	{"response.output_item.added", `"output_index":1,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"be"}]}`, []said{{"be", 1, 0, text, ""}}, nil, true},
	{"response.output_item.done", `"output_index":1,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"b"}]}`,
		[]said{{"a", 1, 0, text, "again"}, {"b", 1, 1, refusal, "again"}}, []dialect.Block{{Choice: 1}, {Choice: 1, Block: 1}}, true},
	{"response.output_item.done", `"output_index":3,"item":{"summary":[{"type":"summary_text","text":"s"},{"type":"summary_text","text":"t"}],"content":[{"type":"reasoning_text","text":"c"}],"type":"reasoning"}`,
		[]said{{"s", 3, -1, think, "again"}, {"t", 3, -2, think, "again"}, {"c", 3, 0, think, "again"}}, []dialect.Block{{Choice: 3, Block: -1}, {Choice: 3, Block: -2}, {Choice: 3}}, true},
	{"response.output_item.done", `"output_index":1,"item":{"type":"shell_call","action":{"commands":["a","b"]}}`, []said{{"a", 1, 0, args, "again"}, {"b", 1, 1, args, "again"}}, []dialect.Block{{Choice: 1}, {Choice: 1, Block: 1}}, true},
	{"response.output_item.done", `"output_index":1,"item":{"type":"shell_call_output","output":[{"stdout":"a","stderr":""},{"stdout":"","stderr":"b"}]}`,
		[]said{{"a", 1, 0, result, "again"}, {"b", 1, 3, result, "again"}}, []dialect.Block{{Choice: 1}, {Choice: 1, Block: 1}, {Choice: 1, Block: 2}, {Choice: 1, Block: 3}}, true},
	{"response.output_item.done", `"output_index":1,"item":{"result":"AAAA","type":"image_generation_call"}`, nil, nil, true},
	{"response.content_part.added", `"output_index":1,"content_index":2,"part":{"type":"output_text","text":"be"}`, []said{{"be", 1, 2, text, ""}}, nil, true},
	{"response.content_part.added", `"part":{"text":"be","type":"reasoning_text"},"output_index":1,"content_index":2`, []said{{"be", 1, 2, think, ""}}, nil, true},
	{"response.content_part.done", `"output_index":1,"content_index":2,"part":{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"u","title":"t"}]}`,
		[]said{{"a", 1, 2, text, "again"}, {"u", 1, 0, form, "again"}, {"t", 1, 0, form, "again"}}, []dialect.Block{{Choice: 1, Block: 2}}, true},
	{"response.output_text.delta", `"delta":"d","content_index":2,"output_index":1`, []said{{"d", 1, 2, text, ""}}, nil, true},
	{"response.output_text.done", `"text":"t","content_index":2,"output_index":1`, []said{{"t", 1, 2, text, "again"}}, []dialect.Block{{Choice: 1, Block: 2}}, true},
	{"response.output_text.annotation.added", `"output_index":1,"content_index":2,"annotation_index":0,"annotation":{"type":"url_citation","url":"u","title":"t","start_index":1}`, []said{{"u", 0, 0, form, "again"}, {"t", 0, 0, form, "again"}}, nil, false},
	{"response.refusal.delta", `"delta":"d","content_index":2,"output_index":1`, []said{{"d", 1, 2, refusal, ""}}, nil, true},
	{"response.refusal.done", `"refusal":"r","content_index":2,"output_index":1`, []said{{"r", 1, 2, refusal, "again"}}, []dialect.Block{{Choice: 1, Block: 2}}, true},
	{"response.reasoning_text.delta", `"delta":"d","content_index":2,"output_index":1`, []said{{"d", 1, 2, think, ""}}, nil, true},
	{"response.reasoning_text.done", `"text":"t","content_index":2,"output_index":1`, []said{{"t", 1, 2, think, "again"}}, []dialect.Block{{Choice: 1, Block: 2}}, true},
	{"response.reasoning_summary_part.added", `"output_index":1,"summary_index":2,"part":{"type":"summary_text","text":""}`, nil, nil, false},
	{"response.reasoning_summary_part.done", `"output_index":1,"summary_index":2,"part":{"type":"summary_text","text":"t"}`, []said{{"t", 1, -3, think, "again"}}, []dialect.Block{{Choice: 1, Block: -3}}, true},
	{"response.reasoning_summary_text.delta", `"delta":"d","summary_index":2,"output_index":1`, []said{{"d", 1, -3, think, ""}}, nil, true},
	{"response.reasoning_summary_text.done", `"text":"t","summary_index":2,"output_index":1`, []said{{"t", 1, -3, think, "again"}}, []dialect.Block{{Choice: 1, Block: -3}}, true},
	{"response.function_call_arguments.delta", `"delta":"d","output_index":1`, []said{{"d", 1, 0, args, ""}}, nil, true},
	{"response.function_call_arguments.done", `"name":"f","arguments":"a","output_index":1`, []said{{"f", 1, 0, form, "again"}, {"a", 1, 0, args, "again"}}, []dialect.Block{{Choice: 1}}, true},
	{"response.custom_tool_call_input.delta", `"delta":"d","output_index":1`, []said{{"d", 1, 0, args, ""}}, nil, true},
	{"response.custom_tool_call_input.done", `"input":"a","output_index":1`, []said{{"a", 1, 0, args, "again"}}, []dialect.Block{{Choice: 1}}, true},
	{"response.code_interpreter_call_code.delta", `"delta":"d","output_index":1`, []said{{"d", 1, 0, args, ""}}, nil, true},
	{"response.code_interpreter_call_code.done", `"code":"c","output_index":1`, []said{{"c", 1, 0, args, "again"}}, []dialect.Block{{Choice: 1}}, true},
	{"response.mcp_call_arguments.delta", `"delta":"d","output_index":1`, []said{{"d", 1, 0, args, ""}}, nil, true},
	{"response.mcp_call_arguments.done", `"arguments":"a","output_index":1`, []said{{"a", 1, 0, args, "again"}}, []dialect.Block{{Choice: 1}}, true},
	{"response.shell_call_command.added", `"output_index":1,"command_index":2,"command":"l"`, []said{{"l", 1, 2, args, ""}}, nil, true},
	{"response.shell_call_command.delta", `"output_index":1,"command_index":2,"delta":"s","obfuscation":"xyz"`, []said{{"s", 1, 2, args, ""}}, nil, true},
	{"response.shell_call_command.done", `"output_index":1,"command_index":2,"command":"ls"`, []said{{"ls", 1, 2, args, "again"}}, []dialect.Block{{Choice: 1, Block: 2}}, true},
	{"response.shell_call_output_content.delta", `"delta":{"stdout":"o","stderr":"e"},"output_index":1,"command_index":2`, []said{{"o", 1, 4, result, ""}, {"e", 1, 5, result, ""}}, nil, true},
	{"response.shell_call_output_content.done", `"output":[{"stdout":"o","stderr":"e","outcome":{"type":"timeout"}}],"output_index":1,"command_index":2`, []said{{"o", 1, 4, result, "again"}, {"e", 1, 5, result, "again"}},
		[]dialect.Block{{Choice: 1, Block: 4}, {Choice: 1, Block: 5}}, true},
	{"response.audio.delta", `"delta":"AAAA"`, nil, nil, false},
	{"response.audio.done", ``, nil, nil, false},
	{"response.audio.transcript.delta", `"delta":"d"`, []said{{"d", 0, blockTranscript, text, ""}}, nil, true},
	{"response.audio.transcript.done", ``, nil, []dialect.Block{{Block: blockTranscript}}, false},
	{"response.image_generation_call.partial_image", `"output_index":1,"partial_image_index":0,"partial_image_b64":"AAAA"`, nil, nil, false},
	{"response.from_the_future.delta", `"output_index":1,"delta":"d"`, []said{{"d", 1, blockUnknown, text, ""}}, nil, true},
	{"keepalive", ``, nil, nil, false},
	{"response.completed", `"response":{"status":"completed","instructions":"i","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}],"output_text":"a"}`,
		[]said{{"i", 0, 0, text, "again"}, {"s", 0, -1, think, "again"}, {"a", 1, 0, text, "again"}, {"a", 0, 0, text, "again"}}, nil, true},
	{"response.incomplete", `"response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`, nil, nil, false},
	{"response.failed", `"response":{"status":"failed","error":{"code":"server_error","message":"m"},"output":[{"type":"function_call","name":"f","arguments":"a"}]}`, []said{{"f", 0, 0, form, "again"}, {"a", 0, 0, args, "again"}}, nil, true},
	{"error", `"code":"rate_limit_exceeded","message":"m","param":null`, nil, nil, false},
}

// bare are the specification's events that tell of a tool's progress and carry nothing.
var bare = []string{"code_interpreter_call.completed", "code_interpreter_call.in_progress", "code_interpreter_call.interpreting", "file_search_call.completed",
	"file_search_call.in_progress", "file_search_call.searching", "web_search_call.completed", "web_search_call.in_progress", "web_search_call.searching",
	"image_generation_call.completed", "image_generation_call.generating", "image_generation_call.in_progress", "mcp_call.completed", "mcp_call.failed",
	"mcp_call.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed", "mcp_list_tools.in_progress"}

func TestEvents(t *testing.T) {
	names := map[string]bool{}
	for _, c := range events {
		names[c.name] = true
		for _, payload := range []string{ // the type first and last
			`{"type":"` + c.name + `","sequence_number":7,` + c.rest + `}`, `{` + c.rest + `,"sequence_number":7,"type":"` + c.name + `"}`,
		} {
			payload = strings.NewReplacer(",}", "}", "{,", "{").Replace(payload)
			var e dialect.Event
			if err := (Codec{}).Event(llm.OpChat, []byte(payload), &e); err != nil {
				t.Errorf("%s: %v", payload, err)
				continue
			}
			if got := saidIn([]byte(payload), e.Texts); !slices.Equal(got, c.texts) {
				t.Errorf("%s: texts %v, want %v", payload, got, c.texts)
			}
			if !slices.Equal(e.Closed, c.closed) || e.First != c.first {
				t.Errorf("%s: closes %v, want %v; first %v", payload, e.Closed, c.closed, e.First)
			}
			end := c.name == "response.completed" || c.name == "response.incomplete" || c.name == "response.failed"
			fault := c.name == "error" || c.name == "response.failed"
			if e.End != end || e.More != end || (e.Error != nil) != fault || e.UsageOnly {
				t.Errorf("%s: %+v", payload, e)
			}
		}
	}
	for _, name := range bare {
		names["response."+name] = true
		payload := `{"type":"response.` + name + `","output_index":0,"item_id":"i","sequence_number":1}`
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(payload), &e); err != nil || len(e.Texts)+len(e.Closed) > 0 || e.First || e.End || e.Error != nil {
			t.Errorf("%s: %v, %+v", payload, err, e)
		}
	}
	delete(names, "response.from_the_future.delta")
	delete(names, "keepalive")
	if len(names) != 58 {
		t.Errorf("%d types of event are here, the specification has 58", len(names))
	}
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		payload, finish string
		code            llm.Code // of an error
		end             bool
	}{
		{`[DONE]`, "", "", true},
		{` [DONE] `, "", "", true},
		{`{"type":"response.completed","response":{"status":"completed"}}`, "completed", "", true},
		{`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"},"status":"incomplete"}}`, "content_filter", "", true},
		{`{"type":"response.incomplete","response":{"status":"incomplete"}}`, "incomplete", "", true},
		{`{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}`, "failed", llm.CodeRateLimited, true},
		{`{"type":"response.failed","response":{"status":"failed","error":null}}`, "failed", llm.CodeUpstream, true},
		{`{"type":"response.created","response":{"status":"in_progress"}}`, "", "", false},
		{`{"type":"error","code":"server_error","message":"m","param":null}`, "", llm.CodeUpstream, false},
		{`{"code":null,"message":"m","param":null,"type":"error"}`, "", llm.CodeUpstream, false},
		{`{"code":"429","message":"m","type":"error"}`, "", llm.CodeRateLimited, false},
		{`{"type":"error","error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"m"}}`, "", llm.CodeTooLong, false},
		{`{"error":{"message":"m","code":503}}`, "", llm.CodeOverloaded, false},
		{`{"detail":"no"}`, "", llm.CodeUpstream, false},
	} {
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(c.payload), &e); err != nil {
			t.Errorf("%s: %v", c.payload, err)
			continue
		}
		var code llm.Code
		if e.Error != nil {
			code = e.Error.Code
		}
		if e.Finish != c.finish || e.End != c.end || code != c.code || len(e.Texts) > 0 {
			t.Errorf("%s: %+v, code %q", c.payload, e, code)
		}
	}
	if (Codec{}).Complete(dialect.Ending{Finish: "completed"}) || !(Codec{}).Complete(dialect.Ending{Terminated: true}) {
		t.Error("a stream is whole where its terminator came, and only there")
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		body   string
		texts  []said
		finish string
		code   llm.Code
	}{
		{`{"object":"response","status":"completed","instructions":"i","tools":[{"type":"function","name":"n"}],"output":[{"type":"function_call","name":"f","arguments":"a"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t"}]}],"output_text":"t"}`,
			[]said{{"i", 0, 0, text, "again"}, {"n", 0, 0, tool, "again"}, {"f", 0, 0, form, "whole"}, {"a", 0, 0, args, "whole"}, {"t", 1, 0, text, "whole"}, {"t", 0, 0, text, "again"}}, "completed", ""},
		{`{"object":"response","status":"completed","output":[],"instructions":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"x"}]}]}`, []said{{"x", 0, 0, text, "again"}}, "completed", ""},
		{`{"object":"response","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}`, nil, "failed", llm.CodeUpstream},
		{`{"object":"response","status":"queued","output":[],"error":null}`, nil, "", ""},
		{`{"object":"response","status":"completed","output":[],"message":"no error"}`, nil, "completed", ""},
		{`{"object":"response.input_tokens","input_tokens":12}`, nil, "", ""},
		{`{"error":{"message":"m","type":"invalid_request_error","code":"model_not_found"}}`, nil, "", llm.CodeNotFound},
		{`{"code":"c","error":"words"}`, nil, "", llm.CodeUpstream},
		{`{"detail":"Invalid API Key"}`, nil, "", llm.CodeUpstream},
		{`[]`, nil, "", ""},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		var code llm.Code
		if a.Error != nil {
			code = a.Error.Code
		}
		for i, got := range saidIn([]byte(c.body), a.Texts) {
			if i < len(c.texts) && got.how == "" {
				got.how = "whole"
			}
			if i >= len(c.texts) || got.text != c.texts[i].text || got.choice != c.texts[i].choice || got.kind != c.texts[i].kind || (got.how == "again") != (c.texts[i].how == "again") {
				t.Errorf("%s: text %d is %v", c.body, i, got)
			}
		}
		if len(a.Texts) != len(c.texts) || a.Finish != c.finish || code != c.code {
			t.Errorf("%s: %+v, code %q", c.body, a, code)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		usage string
		want  llm.Usage
	}{
		{`{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":5},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}`, llm.Usage{InputTotal: 10, CacheRead: 4, CacheWrite5m: 5, OutputTotal: 5, Reasoning: 2}},
		{`{"input_tokens":3,"input_tokens_details":{"cached_tokens":9,"cache_write_tokens":1},"output_tokens":1,"output_tokens_details":{"reasoning_tokens":7}}`, llm.Usage{InputTotal: 3, CacheRead: 3, OutputTotal: 1, Reasoning: 1}},
		{`{"input_tokens":-3,"output_tokens":1e300,"input_tokens_details":null}`, llm.Usage{OutputTotal: 1 << 40}},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(`{"usage":`+c.usage+`}`), &a); err != nil || a.Usage == nil || string(a.Usage.Raw) != c.usage {
			t.Errorf("%s: %v, %+v", c.usage, err, a.Usage)
			continue
		}
		if a.Usage.Raw = nil; fmt.Sprint(*a.Usage) != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v, want %+v", c.usage, *a.Usage, c.want)
		}
	}
	for _, none := range []string{`null`, `{}`, `[]`, `{"input_tokens":null}`} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(`{"usage":`+none+`}`), &a); err != nil || a.Usage != nil {
			t.Errorf("%s: %v, %+v", none, err, a.Usage)
		}
	}
}

// TestErrorEvents: the event is what the specification says and has the member that the SDKs raise on.
func TestErrorEvents(t *testing.T) {
	for _, code := range []llm.Code{llm.CodeInvalid, llm.CodeDenied, llm.CodeRateLimited, llm.CodeTimeout, llm.CodeCut, llm.CodeDraining, llm.CodeInternal} {
		event := string(Codec{}.AppendErrorEvent(nil, &llm.Error{Code: code, Message: "a \"quoted\"\nmessage"}, "req-1"))
		payload, ok := strings.CutPrefix(event, "event: error\ndata: ")
		var got struct {
			Type, Code, Message string
			Number              *int64 `json:"sequence_number"`
			Param               *string
			Error               struct {
				Message, Type, Code string
				RequestID           string `json:"request_id"`
			}
		}
		if err := json.Unmarshal([]byte(payload), &got); err != nil || !ok || !strings.HasSuffix(event, "}\n\n") {
			t.Fatalf("%q: %v", event, err)
		}
		if got.Number == nil || *got.Number != 0 {
			t.Errorf("%s: a stream that has not begun: %s", code, event)
		}
		if got.Type != "error" || got.Code == "" || got.Code != got.Error.Code || got.Message != "a \"quoted\"\nmessage" || got.Error.Message != got.Message || got.Error.RequestID != "req-1" {
			t.Errorf("%s: %s", code, event)
		}
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(payload), &e); err != nil || e.Error == nil || e.Error.Message != got.Message || len(e.Texts) > 0 {
			t.Errorf("%s: read back: %v, %+v", code, err, e)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	body, event, finished := benchRequest(), []byte(benchEvent), []byte(benchDone)
	var q dialect.Request
	var e dialect.Event
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"request", func() error { return Codec{}.Request(llm.OpChat, body, &q) }},
		{"delta", func() error { return Codec{}.Event(llm.OpChat, event, &e) }},
		{"item done", func() error { return Codec{}.Event(llm.OpChat, finished, &e) }},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := c.read(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", c.name, n)
		}
	}
}

const (
	benchEvent = `{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_01","output_index":0,"content_index":0,"delta":" word","logprobs":[],"obfuscation":"x7Bq2"}`
	benchDone  = `{"type":"response.output_item.done","sequence_number":9,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"city\":\"Leeds\"}","call_id":"call_1","name":"weather"}}`
)

// benchRequest is a request of about 2 KiB.
func benchRequest() []byte {
	return []byte(`{"model":"gpt-4o-mini","stream":true,"instructions":"You are terse.","input":[{"role":"user","content":[{"type":"input_text","text":"` +
		strings.Repeat(`The quick \"brown\" fox jumps over the lazy dog.\n`, 38) + `"}]},{"type":"function_call_output","call_id":"c","output":"15 degrees"}]}`)
}

func BenchmarkRequest(b *testing.B) {
	body := benchRequest()
	var q dialect.Request
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := (Codec{}).Request(llm.OpChat, body, &q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	var e dialect.Event
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if err := (Codec{}).Event(llm.OpChat, []byte(benchEvent), &e); err != nil {
			b.Fatal(err)
		}
	}
}
