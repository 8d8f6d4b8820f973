package openai

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestRequestRefusesWhatAnotherReaderReadsInAnotherWay(t *testing.T) {
	for _, c := range []struct{ body, message string }{
		{``, "must be a JSON object"},
		{`[]`, "must be a JSON object"},
		{`{"model":"a","model":"b"}`, `"model" stands twice`},
		{`{"Model":"a"}`, `"model" is written`},
		{`{"mod\u0065l":"a"}`, `"model" is written`},
		{`{"messages":[{"role":"user","content":"a","content":"b"}]}`, `"content" stands twice`},
		{`{"messages":[{"role":"user","Role":"system","content":"a"}]}`, `"role" is written`},
		{`{"messages":[{"role":"user","content":[{"type":"text","text":"a","t\u0065xt":"b"}]}]}`, `"text" is written`},
		{`{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{}","Arguments":"{}"}}]}]}`, `"arguments" is written`},
		{`{"tools":[{"function":{"description":"a","description":"b"}}]}`, `"description" stands twice`},
		{`{"stream_options":{"include_usage":true,"Include_Usage":false}}`, `"include_usage" is written`},
		{`{"messages":"hi"}`, `"messages" must be an array`},
		{`{"messages":["hi"]}`, `must be an object`},
		{`{"stream":"true"}`, `"stream" must be true or false`},
		{`{"stream":1}`, `"stream" must be true or false`},
		{`{"model":7}`, `"model" must be a string`},
		{`{"max_tokens":"many"}`, `must be numbers`},
		{`{"model":"a"} {}`, "something follows"},
		{`{"model":"a"`, "ends too early"},
		{"{\"model\":\"a\xff\"}", "UTF-8"},
		{"{\"model\":\"a\nb\"}", "control character"},
	} {
		var q dialect.Request
		err := Codec{}.Request(llm.OpChat, []byte(c.body), &q)
		var e *llm.Error
		if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: %v, want %q", c.body, err, c.message)
		}
	}
}

func TestRequestLeavesUserDefinedObjectsAlone(t *testing.T) {
	body := `{"model":"m","messages":[],"metadata":{"model":"x","Model":"y","model":"z"},
		"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"name":{"type":"string","Name":1,"name":2},"Name":{}}}}}],
		"response_format":{"type":"json_schema","json_schema":{"schema":{"a":1,"A":2,"a":3,"description":"left alone"}}},"vendor":{"stream":1,"stream":2}}`
	var q dialect.Request
	if err := (Codec{}).Request(llm.OpChat, []byte(body), &q); err != nil {
		t.Fatal(err)
	}
	same(t, "texts", found([]byte(body), q.Texts), []string{"f", "x", "y", "z"})
}

func TestRequestTexts(t *testing.T) {
	const (
		text, args, result, tool, think, refusal, form = dialect.KindText, dialect.KindArguments, dialect.KindToolResult, dialect.KindToolDef, dialect.KindReasoning, dialect.KindRefusal, dialect.KindStructured
	)
	type want struct {
		text string
		role dialect.Role
		kind dialect.Kind
	}
	for _, c := range []struct {
		op     llm.Op
		body   string
		texts  []want
		unseen string
	}{
		{llm.OpChat, `{"messages":[{"content":"late role","role":"user"},{"role":"developer","content":"s"},{"role":"tool","content":[{"type":"text","text":"r"}]}]}`,
			[]want{{"late role", dialect.RoleUser, text}, {"s", dialect.RoleSystem, text}, {"r", dialect.RoleTool, result}}, ""},
		{llm.OpChat, `{"messages":[{"role":"assistant","content":null,"refusal":"no","reasoning_content":"hm","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}},{"custom":{"input":"free"}}]}]}`,
			[]want{{"no", dialect.RoleAssistant, refusal}, {"hm", dialect.RoleAssistant, think}, {`{"a":1}`, dialect.RoleAssistant, args}, {"free", dialect.RoleAssistant, args}}, ""},
		{llm.OpChat, `{"messages":[{"role":"user","name":"n","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"file","file":{"filename":"f.pdf","file_data":"data:application/pdf;base64,AAAA"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`,
			[]want{{"n", dialect.RoleUser, form}, {"f.pdf", dialect.RoleUser, form}}, ""},
		{llm.OpChat, `{"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":"string","description":"pd","enum":["e"]},"type":{"description":"td"}}}}},{"type":"custom","custom":{"name":"c","description":"cd","format":{"type":"grammar","grammar":{"definition":"g"}}}}]}`,
			[]want{{"f", 0, tool}, {"d", 0, tool}, {"pd", 0, tool}, {"e", 0, tool}, {"td", 0, tool}, {"c", 0, tool}, {"cd", 0, tool}, {"g", 0, tool}}, ""},
		{llm.OpChat, `{"user":"u","metadata":{"k":"v"},"prediction":{"type":"content","content":"p"}}`,
			[]want{{"u", 0, form}, {"v", 0, form}, {"p", dialect.RoleAssistant, text}}, ""},
		{llm.OpChat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`, nil, "image_url"},
		{llm.OpChat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":" http:\/\/example.com"}]}]}`, nil, "image_url"},
		{llm.OpChat, `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}`, nil, "file_id"},
		{llm.OpChat, `{"messages":[{"role":"user","content":[{"type":"hologram","beam":"text"}]}]}`, nil, "type"},
		{llm.OpChat, `{"messages":[{"role":"user","content":{"text":"odd"}}]}`, nil, "content"},
		{llm.OpChat, `{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}`, nil, "audio"},
		{llm.OpChat, `{"previous_response_id":"r"}`, nil, "previous_response_id"},
		{llm.OpChat, `{"prompt":{"id":"pmpt_1"}}`, nil, "prompt"},
		{llm.OpChat, `{"previous_response_id":null}`, nil, ""},
		{llm.OpEmbeddings, `{"input":"one","user":"u"}`, []want{{"one", dialect.RoleUser, text}, {"u", 0, form}}, ""},
		{llm.OpEmbeddings, `{"input":["one","two"]}`, []want{{"one", dialect.RoleUser, text}, {"two", dialect.RoleUser, text}}, ""},
		{llm.OpEmbeddings, `{"input":[1,2,3]}`, nil, "input"},
		{llm.OpEmbeddings, `{"input":[[1],[2]]}`, nil, "input"},
		{llm.OpModels, ``, nil, ""},
	} {
		var q dialect.Request
		if err := (Codec{}).Request(c.op, []byte(c.body), &q); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		var got []want
		for _, x := range q.Texts {
			got = append(got, want{string(dialect.AppendUnquoted(nil, []byte(c.body)[x.Span.Start:x.Span.End])), x.Role, x.Channel.Kind})
		}
		if len(got) != len(c.texts) || q.Unseen != c.unseen {
			t.Errorf("%s: %v unseen %q, want %v %q", c.body, got, q.Unseen, c.texts, c.unseen)
			continue
		}
		for i := range got {
			if got[i] != c.texts[i] {
				t.Errorf("%s: %v, want %v", c.body, got[i], c.texts[i])
			}
		}
	}
}

func TestUsageSplice(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"stream":true}`, `{"stream_options":{"include_usage":true},"stream":true}`},
		{`{"stream":true,"stream_options":null}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{`{"stream":true,"stream_options":{}}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{`{"stream":true,"stream_options":{"x":1}}`, `{"stream":true,"stream_options":{"include_usage":true,"x":1}}`},
		{`{"stream_options":{"include_usage": false },"stream":true}`, `{"stream_options":{"include_usage": true },"stream":true}`},
		{`{"stream":true,"stream_options":{"include_usage":null}}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{`{"stream":true,"stream_options":{"include_usage":true}}`, ``},
		{`{"stream":false}`, ``},
		{`{"stream_options":{"include_usage":false}}`, ``},
	} {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, []byte(c.body), &q); err != nil {
			t.Fatal(err)
		}
		got := ""
		if q.UsageSplice.With != "" {
			got = string(splice([]byte(c.body), q.UsageSplice.Span, []byte(q.UsageSplice.With)))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.body, got, c.want)
		}
	}
}

func TestSetModel(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"model":"a"}`, `{"model":"b\"c"}`},
		{`{"stream":false}`, `{"model":"b\"c","stream":false}`},
		{` { }`, ` {"model":"b\"c" }`},
		{`{"model":""}`, `{"model":"b\"c"}`},
	} {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, []byte(c.body), &q); err != nil {
			t.Fatal(err)
		}
		span, with := Codec{}.SetModel([]byte(c.body), &q, `b"c`)
		if got := string(splice([]byte(c.body), span, with)); got != c.want {
			t.Errorf("%s: %s, want %s", c.body, got, c.want)
		}
	}
}

func TestUsageIsNormalised(t *testing.T) {
	for _, c := range []struct {
		name, usage string
		want        llm.Usage
	}{
		{"openai", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}`, llm.Usage{InputTotal: 10, CacheRead: 4, OutputTotal: 5, Reasoning: 2}},
		{"xai leaves reasoning out", `{"prompt_tokens":466,"completion_tokens":68,"total_tokens":800,"completion_tokens_details":{"reasoning_tokens":266}}`, llm.Usage{InputTotal: 466, OutputTotal: 334, Reasoning: 266}},
		{"mistral leaves audio out", `{"prompt_tokens":9,"total_tokens":632,"completion_tokens":248,"prompt_tokens_details":{"audio_tokens":375}}`, llm.Usage{InputTotal: 384, OutputTotal: 248}},
		{"vercel leaves reasoning out of the total too", `{"prompt_tokens":57,"completion_tokens":18,"total_tokens":75,"completion_tokens_details":{"reasoning_tokens":95}}`, llm.Usage{InputTotal: 57, OutputTotal: 113, Reasoning: 95}},
		{"azure caches more than there is", `{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":161}}`, llm.Usage{InputTotal: 7, CacheRead: 7, OutputTotal: 1}},
		{"deepseek", `{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}`, llm.Usage{InputTotal: 10, CacheRead: 8, OutputTotal: 1}},
		{"cache writes", `{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":5}}`, llm.Usage{InputTotal: 10, CacheRead: 3, CacheWrite5m: 5, OutputTotal: 1}},
		{"a total only", `{"total_tokens":12}`, llm.Usage{InputTotal: 12}},
		{"nulls and negative", `{"prompt_tokens":-5,"completion_tokens":null,"total_tokens":0,"prompt_tokens_details":null}`, llm.Usage{}},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(`{"choices":[],"usage":`+c.usage+`}`), &a); err != nil || a.Usage == nil {
			t.Errorf("%s: %v, usage %v", c.name, err, a.Usage)
			continue
		}
		if string(a.Usage.Raw) != c.usage {
			t.Errorf("%s: raw %s", c.name, a.Usage.Raw)
		}
		got := *a.Usage
		got.Raw = nil
		if got.InputTotal != c.want.InputTotal || got.OutputTotal != c.want.OutputTotal || got.CacheRead != c.want.CacheRead || got.CacheWrite5m != c.want.CacheWrite5m || got.Reasoning != c.want.Reasoning {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		payload  string
		channels []dialect.Channel
		first    bool
		end      bool
		only     bool
		code     llm.Code
	}{
		{`[DONE]`, nil, false, true, false, ""},
		{`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`, nil, false, false, false, ""},
		{`{"choices":[{"delta":{"content":"a"},"index":2}]}`, []dialect.Channel{{Choice: 2}}, true, false, false, ""},
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":3,"function":{"arguments":"x"}}]}}]}`, []dialect.Channel{{Block: 3, Kind: dialect.KindArguments}}, true, false, false, ""},
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"x"}},{"function":{"arguments":"y"}}]}}]}`, []dialect.Channel{{Kind: dialect.KindArguments}, {Block: 1, Kind: dialect.KindArguments}}, true, false, false, ""},
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}`, []dialect.Channel{{Kind: dialect.KindStructured}}, true, false, false, ""},
		{`{"choices":[{"index":0,"delta":{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a"}]}}]}`, []dialect.Channel{{Block: blockReasoning, Kind: dialect.KindReasoning}, {Block: blockDetails, Kind: dialect.KindReasoning}}, true, false, false, ""},
		{`{"choices":[{"index":0,"message":{"content":"ab"},"delta":{"content":"b"}}]}`, []dialect.Channel{{Block: blockMessage}, {}}, true, false, false, ""},
		{`{"choices":[],"usage":{"prompt_tokens":1}}`, nil, false, false, true, ""},
		{`{"choices":[],"usage":null,"prompt_filter_results":[]}`, nil, false, false, false, ""},
		{`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`, nil, false, false, false, ""},
		{`{"error":{"message":"m","type":"server_error"}}`, nil, false, false, false, llm.CodeUpstream},
		{`{"error":{"message":"m","code":429},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`, nil, false, false, false, llm.CodeRateLimited},
		{`{"choices":[],"citations":["https://a.example"]}`, []dialect.Channel{{Block: blockTools, Kind: dialect.KindToolResult, Repeat: true}}, true, false, false, ""},
		{`["words"]`, []dialect.Channel{{}}, true, false, false, ""},
		{`{"error":null,"choices":[]}`, nil, false, false, false, ""},
		{`{"code":"c","error":"words"}`, nil, false, false, false, llm.CodeUpstream},
		{`{"detail":"Invalid"}`, nil, false, false, false, llm.CodeUpstream},
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
		if e.First != c.first || e.End != c.end || e.UsageOnly != c.only || code != c.code || len(e.Texts) != len(c.channels) {
			t.Errorf("%s: %+v code %q", c.payload, e, code)
			continue
		}
		for i, x := range e.Texts {
			if x.Channel != c.channels[i] || x.Role != dialect.RoleAssistant {
				t.Errorf("%s: channel %+v, want %+v", c.payload, x.Channel, c.channels[i])
			}
		}
	}
}

func TestErrorsHaveOpenAIsShape(t *testing.T) {
	codes := []llm.Code{llm.CodeInvalid, llm.CodeAuth, llm.CodePermission, llm.CodeNotFound, llm.CodeTooLarge, llm.CodeDenied, llm.CodeRateLimited, llm.CodeOverloaded,
		llm.CodeTimeout, llm.CodeUnavailable, llm.CodeUpstream, llm.CodeCut, llm.CodeDraining, llm.CodeInternal}
	seen := map[string]bool{}
	for _, code := range codes {
		body := Codec{}.AppendError(nil, &llm.Error{Code: code, Message: "a \"quoted\"\nmessage"}, "req-1")
		var got struct {
			Error struct {
				Message, Type, Code string
				Param               *string
				ID                  string `json:"request_id"`
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got.Error.Message != "a \"quoted\"\nmessage" || got.Error.Type == "" || got.Error.ID != "req-1" || seen[got.Error.Code] {
			t.Errorf("%s: %s", code, body)
		}
		seen[got.Error.Code] = true
		event := string(Codec{}.AppendErrorEvent(nil, &llm.Error{Code: code, Message: "m"}, ""))
		if !strings.HasPrefix(event, `data: {"error":{`) || !strings.HasSuffix(event, "}}\n\n") {
			t.Errorf("%s: event %q", code, event)
		}
	}
	for param, want := range map[string]string{"": `"param":null,`, `a"b`: `"param":"a\"b",`} {
		if body := string(Codec{}.AppendError(nil, &llm.Error{Param: param}, "")); !strings.Contains(body, want) {
			t.Errorf("%q: %s", param, body)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	body, event := benchRequest(), []byte(benchEvent)
	var q dialect.Request
	var e dialect.Event
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"request", func() error { return Codec{}.Request(llm.OpChat, body, &q) }},
		{"event", func() error { return Codec{}.Event(llm.OpChat, event, &e) }},
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

const benchEvent = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}`

// benchRequest is a chat of about 2 KiB.
func benchRequest() []byte {
	return []byte(`{"model":"gpt-4o-mini","temperature":0.2,"stream":true,"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"` +
		strings.Repeat(`The quick \"brown\" fox jumps over the lazy dog.\n`, 38) + `"}]}`)
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

func BenchmarkRequestStandardLibrary(b *testing.B) {
	body := benchRequest()
	var q struct {
		Model    string
		Stream   bool
		Messages []struct{ Role, Content string }
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(body, &q); err != nil {
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

// TestWhatOpensAStream: chunks without anything of the model's, whatever members they have; not those behind it.
func TestWhatOpensAStream(t *testing.T) {
	for payload, opening := range map[string]bool{
		`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`:                                                            true,
		`{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"function_call":null,"tool_calls":[],"x":{}}}],"usage":null}`: true,
		`{"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":1,"completion_tokens":0}}`:                       true,
		`{"choices":[],"prompt_filter_results":[]}`:                                                                                      true,

		`{"choices":[{"index":0,"delta":{"content":"x"}}]}`:                                                    false,
		`{"choices":[{"index":0,"delta":{"thought":"of a member that is not known"}}]}`:                        false,
		`{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}}]}`:  false,
		`{"choices":[{"index":0,"delta":{"function_call":{"name":"f","arguments":""}}}]}`:                      false,
		`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]}`:                              false,
		`{"choices":[],"usage":{"prompt_tokens":1}}`:                                                           false,
		`{"choices":[{"index":0,"delta":{"role":"assistant"}}],"error":{"message":"m","type":"server_error"}}`: false,
		`{"type":"image_generation.partial_image"}`:                                                            false,
		`[DONE]`: false,
	} {
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(payload), &e); err != nil || e.Opening != opening {
			t.Errorf("%s: %t, %v", payload, e.Opening, err)
		}
	}
}
