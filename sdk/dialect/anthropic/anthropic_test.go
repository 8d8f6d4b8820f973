package anthropic

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestEndpoint(t *testing.T) {
	version := llm.Header{{Name: "Anthropic-Version", Value: "2023-06-01"}}
	for _, c := range []struct {
		method, path, query string
		header              llm.Header
		want                dialect.Endpoint
		ok                  bool
	}{
		{"POST", "/v1/messages", "", nil, dialect.Endpoint{Op: llm.OpChat}, true},
		{"POST", "/anthropic/v1/messages", "key=secret&beta=true&x=1", version, dialect.Endpoint{Op: llm.OpChat, Query: "beta=true"}, true},
		{"POST", "/v1/messages/count_tokens", "beta=true", version, dialect.Endpoint{Op: llm.OpCountTokens, Query: "beta=true"}, true},
		{"POST", "/v1/messages", "beta=false&xbeta=true", version, dialect.Endpoint{Op: llm.OpChat}, true},
		{"POST", "/v1/messages/batches", "", version, dialect.Endpoint{}, false},
		{"POST", "/v1/threads/t/messages", "", nil, dialect.Endpoint{}, false},
		{"GET", "/v1/messages", "", version, dialect.Endpoint{}, false},
		{"GET", "/v1/models", "limit=20", version, dialect.Endpoint{Op: llm.OpModels}, true},
		{"GET", "/v1/models/claude", "", version, dialect.Endpoint{Op: llm.OpModels, Model: "claude"}, true},
		{"GET", "/v1/models", "", nil, dialect.Endpoint{}, false},
		{"GET", "/v1/models/claude", "", nil, dialect.Endpoint{}, false},
		{"POST", "/v1/models", "", version, dialect.Endpoint{}, false},
	} {
		if got, ok := (Codec{}).Endpoint(c.method, c.path, c.query, c.header); got != c.want || ok != c.ok {
			t.Errorf("%s %s?%s: %+v, %v", c.method, c.path, c.query, got, ok)
		}
	}
}

func TestRequestRefusesWhatAnotherReaderReadsInAnotherWay(t *testing.T) {
	for _, c := range []struct{ body, message string }{
		{``, "must be a JSON object"},
		{`[]`, "must be a JSON object"},
		{`{"model":"a","model":"b"}`, `"model" stands twice`},
		{`{"Model":"a"}`, `"model" is written`},
		{`{"mod\u0065l":"a"}`, `"model" is written`},
		{`{"system":"a","system":"b"}`, `"system" stands twice`},
		{`{"\u017fystem":"a"}`, `"system" is written`},
		{`{"messages":[{"role":"user","content":"a","content":"b"}]}`, `"content" stands twice`},
		{`{"messages":[{"role":"user","Role":"assistant","content":"a"}]}`, `"role" is written`},
		{`{"messages":[{"role":"user","content":[{"type":"text","text":"a","t\u0065xt":"b"}]}]}`, `"text" is written`},
		{`{"messages":[{"role":"user","content":[{"type":"text","type":"image","text":"a"}]}]}`, `"type" stands twice`},
		{`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","data":"a","Data":"b"}}]}]}`, `"data" is written`},
		{`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"a","text":"b"}]}]}]}`, `"text" stands twice`},
		{`{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{},"Input":{}}]}]}`, `"input" is written`},
		{`{"tools":[{"name":"a","description":"a","description":"b"}]}`, `"description" stands twice`},
		{`{"messages":"hi"}`, `"messages" must be an array`},
		{`{"messages":["hi"]}`, `must be an object`},
		{`{"stream":"true"}`, `"stream" must be true or false`},
		{`{"stream":1}`, `"stream" must be true or false`},
		{`{"model":7}`, `"model" must be a string`},
		{`{"max_tokens":"many"}`, `must be a number`},
		{`{"model":"a"} {}`, "something follows"},
		{`{"model":"a"`, "ends too early"},
		{"{\"model\":\"a\xff\"}", "UTF-8"},
		{"{\"model\":\"a\nb\"}", "control character"},
	} {
		for _, op := range []llm.Op{llm.OpChat, llm.OpCountTokens} {
			var q dialect.Request
			err := Codec{}.Request(op, []byte(c.body), &q)
			var e *llm.Error
			if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(e.Message, c.message) {
				t.Errorf("%s: %v, want %q", c.body, err, c.message)
			}
		}
	}
}

func TestRequestLeavesUserDefinedObjectsAlone(t *testing.T) {
	body := `{"model":"m","metadata":{"model":"x","Model":"y","model":"z"},"vendor":{"stream":1,"stream":2},
		"output_config":{"format":{"schema":{"a":1,"A":2,"a":"aa","description":"words","description":"twice"}}},
		"tools":[{"name":"f","input_schema":{"type":"object","properties":{"name":{"type":"string","Name":1,"name":2},"Name":{}}}}],
		"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"text":"t","Text":"u","text":"v","type":"w"}}]}]}`
	var q dialect.Request
	if err := (Codec{}).Request(llm.OpChat, []byte(body), &q); err != nil {
		t.Fatal(err)
	}
	same(t, "texts", found([]byte(body), q.Texts), []string{"aa", "f", "f", "t", "twice", "u", "v", "w", "words", "x", "y", "z"})
}

const (
	words, args, result, tool, think, refusal, form = dialect.KindText, dialect.KindArguments, dialect.KindToolResult, dialect.KindToolDef, dialect.KindReasoning, dialect.KindRefusal, dialect.KindStructured
	none, system, user, assistant, gave             = dialect.RoleNone, dialect.RoleSystem, dialect.RoleUser, dialect.RoleAssistant, dialect.RoleTool
)

// said is a text as a test wants it.
type said struct {
	text string
	role dialect.Role
	kind dialect.Kind
}

func TestRequestTexts(t *testing.T) {
	block := func(role, blocks string) string {
		return `{"messages":[{"content":[` + blocks + `],"role":"` + role + `"}]}`
	}
	for _, c := range []struct {
		body   string
		texts  []said
		unseen string
	}{
		{`{"system":"s","messages":[{"content":"late role","role":"user"},{"role":"assistant","content":"a"},{"role":"system","content":"mid"}]}`,
			[]said{{"s", system, words}, {"late role", user, words}, {"a", assistant, words}, {"mid", system, words}}, ""},
		{`{"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"metadata":{"user_id":"u"},"stop_sequences":["x"]}`,
			[]said{{"s", system, words}, {"u", none, form}}, ""},
		{block("assistant", `{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"b3BhcXVl"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":{"b":["x"]},"type":"y"}}`),
			[]said{{"hm", assistant, think}, {"f", assistant, form}, {"x", assistant, args}, {"y", assistant, args}}, ""},
		{block("user", `{"content":"late type","tool_use_id":"toolu_1","type":"tool_result"},{"type":"tool_result","content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"tool_reference","tool_name":"t"},{"type":"search_result","source":"https://example.com","title":"st","content":[{"type":"text","text":"sc"}]}]},{"type":"text","text":"u"}`),
			[]said{{"late type", gave, result}, {"r", gave, result}, {"t", gave, form}, {"https://example.com", gave, form}, {"st", gave, result}, {"sc", gave, result}, {"u", user, words}}, ""},
		{block("user", `{"type":"document","source":{"data":"plain","type":"text","media_type":"text/plain"},"title":"t","context":"c","citations":{"enabled":true}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"in"},{"type":"image","source":{"data":"AAAA","type":"base64"}}]}},{"type":"document","source":{"type":"content","content":"string"}}`),
			[]said{{"plain", user, words}, {"t", user, words}, {"c", user, words}, {"in", user, words}, {"string", user, words}}, ""},
		{block("assistant", `{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"ct","document_title":"dt","document_index":0},{"type":"web_search_result_location","url":"u","title":"t","encrypted_index":"e","cited_text":"c2"}]}`),
			[]said{{"a", assistant, words}, {"ct", assistant, words}, {"dt", assistant, words}, {"u", assistant, words}, {"t", assistant, words}, {"c2", assistant, words}}, ""},
		{block("assistant", `{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u","title":"t","encrypted_content":"e","page_age":"p"}]},{"type":"web_fetch_tool_result","content":{"type":"web_fetch_result","url":"fu","content":{"type":"document","source":{"type":"text","data":"fetched"},"title":"ft"},"retrieved_at":"now"}},{"type":"code_execution_tool_result","content":{"type":"code_execution_result","stdout":"so","stderr":"se","return_code":0,"content":[]}},{"type":"text_editor_code_execution_tool_result","content":{"type":"text_editor_code_execution_str_replace_result","lines":["l1","l2"]}},{"type":"web_fetch_tool_result","content":{"type":"web_fetch_tool_result_error","error_code":"unavailable"}}`),
			[]said{{"web_search", assistant, form}, {"q", assistant, args}, {"u", gave, result}, {"t", gave, result}, {"p", gave, result}, {"fu", gave, result}, {"fetched", gave, result}, {"ft", gave, result}, {"now", gave, result}, {"so", gave, result}, {"se", gave, result}, {"l1", gave, result}, {"l2", gave, result}}, ""},
		{block("assistant", `{"type":"mcp_tool_use","id":"m","name":"n","server_name":"sn","input":{"k":"v"}},{"type":"mcp_tool_result","tool_use_id":"m","is_error":false,"content":"mr"},{"type":"compaction","content":"sum","encrypted_content":null}`),
			[]said{{"n", assistant, form}, {"sn", assistant, form}, {"v", assistant, args}, {"mr", gave, result}, {"sum", assistant, words}}, ""},
		{block("system", `{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"n","description":"d","input_schema":{"properties":{"a":{"description":"x"}}}}}}`),
			[]said{{"n", none, tool}, {"d", none, tool}, {"x", none, tool}}, ""},
		{`{"tools":[{"name":"f","description":"d","input_schema":{"type":"object","required":["a"],"properties":{"a":{"type":"string","description":"pd","enum":["e"]},"type":{"description":"td"}}},"input_examples":[{"a":"ex"}]},{"type":"web_search_20250305","name":"web_search","allowed_domains":["example.com"],"user_location":{"type":"approximate","city":"Leeds"}},{"type":"mcp_toolset","mcp_server_name":"s","tools":[{"name":"mt","description":"md"}]}]}`,
			[]said{{"f", none, tool}, {"d", none, tool}, {"pd", none, tool}, {"e", none, tool}, {"td", none, tool}, {"ex", none, tool}, {"web_search", none, tool}, {"Leeds", none, form}, {"mt", none, tool}, {"md", none, tool}}, ""},
		{`{"context_management":{"edits":[{"type":"compact_20260112","instructions":"i","trigger":{"type":"input_tokens","value":1}}]},"compaction":{"type":"summarize","instructions":"j"}}`,
			[]said{{"i", system, words}, {"j", system, words}}, ""},
		{`{"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"description":"x"}}}}},"output_format":{"type":"json_schema","schema":{"title":"y"}}}`,
			[]said{{"x", none, tool}, {"y", none, tool}}, ""},
		{block("assistant", `{"encrypted_content":"e","content":null,"type":"compaction"}`), nil, "encrypted_content"},
		{`{"mcp_servers":[{"type":"url","name":"n","url":"https://example.com","authorization_token":"t"}]}`, []said{{"n", none, form}, {"https://example.com", none, form}}, "mcp_servers"},
		{`{"mcp_servers":[]}`, nil, ""},
		{`{"container":"c_1"}`, nil, "container"},
		{`{"container":{"id":"c_1","skills":[]}}`, nil, "container"},
		{`{"container":null,"thread":{"type":"create"},"system":null,"messages":null,"tools":null,"mcp_servers":null}`, nil, ""},
		{`{"thread":{"type":"continue","previous_message_id":"msg_1"}}`, nil, "previous_message_id"},
		{block("user", `{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`), nil, "url"},
		{block("user", `{"type":"image","source":{"type":"file","file_id":"file_1"}}`), nil, "file_id"},
		{block("user", `{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"},"title":"t"}`), []said{{"t", user, words}}, "url"},
		{block("user", `{"type":"document","source":{"type":"text","data":"d","url":"https://example.com/a.pdf"}}`), []said{{"d", user, words}}, "url"},
		{block("user", `{"type":"document","source":{"type":"hologram","data":"d"}}`), nil, "source"},
		{block("user", `{"type":"document","source":{"data":"d"}}`), nil, "source"},
		{block("user", `{"type":"container_upload","file_id":"file_1"}`), nil, "file_id"},
		{block("user", `{"type":"hologram","beam":"text"}`), nil, "type"},
		{block("user", `{"type":"t\u0065xt","text":"odd"}`), []said{{"odd", user, words}}, "type"},
		{block("user", `{"type":"text","text":["odd"]}`), nil, "text"},
		{block("user", `{"type":"tool_result","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}`), nil, "file_id"},
		{`{"messages":[{"role":"user","content":7}]}`, nil, "content"},
		{`{"tools":"all"}`, nil, "tools"},
	} {
		for _, op := range []llm.Op{llm.OpChat, llm.OpCountTokens} {
			var q dialect.Request
			if err := (Codec{}).Request(op, []byte(c.body), &q); err != nil {
				t.Errorf("%s: %v", c.body, err)
				continue
			}
			check(t, c.body, q.Texts, c.texts)
			if q.Unseen != c.unseen {
				t.Errorf("%s: unseen %q, want %q", c.body, q.Unseen, c.unseen)
			}
		}
	}
}

func check(t *testing.T, body string, texts []dialect.Text, want []said) {
	t.Helper()
	var got []said
	for _, x := range values(texts) {
		got = append(got, said{string(dialect.AppendUnquoted(nil, []byte(body)[x.Span.Start:x.Span.End])), x.Role, x.Channel.Kind})
	}
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", body, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", body, got[i], want[i])
		}
	}
}

func TestOtherOperationsHaveNoBody(t *testing.T) {
	var q dialect.Request
	if err := (Codec{}).Request(llm.OpModels, nil, &q); err != nil || len(q.Texts) > 0 {
		t.Errorf("%v, %+v", err, q)
	}
}

func TestAnswerTexts(t *testing.T) {
	body := `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"a","citations":[{"cited_text":"ct"}]},{"type":"tool_use","id":"t","name":"f","input":{"k":"v"}},{"type":"mcp_tool_result","content":[{"type":"text","text":"mr"}]}],"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"},"stop_sequence":null}`
	var a dialect.Answer
	if err := (Codec{}).Answer(llm.OpChat, []byte(body), &a); err != nil {
		t.Fatal(err)
	}
	check(t, body, a.Texts, []said{{"hm", assistant, think}, {"a", assistant, words}, {"ct", assistant, words}, {"f", assistant, form}, {"v", assistant, args}, {"mr", gave, result}, {"no", assistant, refusal}})
	for i, block := range []int16{0, 1, 1, 2, 2, 2, 3, 0} { // the key of an argument is a text, too
		if a.Texts[i].Channel.Block != block || a.Texts[i].Key != (i == 4) {
			t.Errorf("text %d: %+v", i, a.Texts[i])
		}
	}
	if a.Model != "claude" || a.Finish != "refusal" || a.Error != nil {
		t.Errorf("%+v", a)
	}
}

func TestAnswerRecognisesErrors(t *testing.T) {
	for _, c := range []struct {
		body, message string
		code          llm.Code
	}{
		{`{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}`, "m", llm.CodeOverloaded},
		{`{"request_id":"r","error":{"message":"m","details":null,"type":"rate_limit_error"},"type":"error"}`, "m", llm.CodeRateLimited},
		{`{"type":"error"}`, "the upstream reported an error", llm.CodeUpstream},
		{`{"message":"proxy"}`, "proxy", llm.CodeUpstream},
		{`{"detail":"proxy"}`, "proxy", llm.CodeUpstream},
		{`{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`, "m", llm.CodeRateLimited},
		{`{"error":"words"}`, "words", llm.CodeUpstream},
		{`{"type":"message","content":[],"message":"not an error's"}`, "", ""},
		{`{"input_tokens":3}`, "", ""},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil {
			t.Errorf("%s: %v", c.body, err)
		} else if (a.Error != nil) != (c.code != "") || a.Error != nil && (a.Error.Code != c.code || a.Error.Message != c.message) {
			t.Errorf("%s: %+v", c.body, a.Error)
		}
	}
	for kind, code := range map[string]llm.Code{
		"invalid_request_error": llm.CodeInvalid, "authentication_error": llm.CodeAuth, "billing_error": llm.CodeQuota, "permission_error": llm.CodePermission,
		"not_found_error": llm.CodeNotFound, "request_too_large": llm.CodeTooLarge, "rate_limit_error": llm.CodeRateLimited, "api_error": llm.CodeUpstream,
		"timeout_error": llm.CodeTimeout, "overloaded_error": llm.CodeOverloaded,
	} {
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(`{"type":"error","error":{"type":"`+kind+`","message":"m"}}`), &e); err != nil || e.Error == nil || e.Error.Code != code || e.End {
			t.Errorf("%s: %v, %+v", kind, err, e.Error)
		}
	}
}

func TestUsageIsNormalised(t *testing.T) {
	for _, c := range []struct {
		name, usage string
		want        llm.Usage
	}{
		{"without a cache", `{"input_tokens":10,"output_tokens":5}`, llm.Usage{InputTotal: 10, OutputTotal: 5}},
		{"the cache stands beside the input", `{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":4},"output_tokens":2}`, llm.Usage{InputTotal: 15, CacheRead: 7, CacheWrite5m: 1, CacheWrite1h: 4, OutputTotal: 2}},
		{"how long is not said", `{"input_tokens":3,"cache_creation_input_tokens":5,"output_tokens":2}`, llm.Usage{InputTotal: 8, CacheWrite5m: 5, OutputTotal: 2}},
		{"only how long is said", `{"input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":4},"output_tokens":2}`, llm.Usage{InputTotal: 7, CacheWrite1h: 4, OutputTotal: 2}},
		{"thinking", `{"input_tokens":3,"output_tokens":9,"output_tokens_details":{"thinking_tokens":6}}`, llm.Usage{InputTotal: 3, OutputTotal: 9, Reasoning: 6}},
		{"summing up and advice stand apart", `{"iterations":[{"type":"compaction","input_tokens":100,"cache_read_input_tokens":7,"output_tokens":20},{"type":"message","input_tokens":3,"output_tokens":9},{"input_tokens":50,"output_tokens":1,"type":"advisor_message","model":"m"},{"type":"fallback_message","input_tokens":1}],"input_tokens":3,"output_tokens":9}`, llm.Usage{InputTotal: 160, OutputTotal: 30}},
		{"nulls and negative", `{"input_tokens":-5,"output_tokens":0,"cache_read_input_tokens":null,"cache_creation":null,"iterations":null,"output_tokens_details":null}`, llm.Usage{}},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(`{"usage":`+c.usage+`,"type":"message"}`), &a); err != nil || a.Usage == nil {
			t.Errorf("%s: %v, usage %v", c.name, err, a.Usage)
			continue
		}
		if string(a.Usage.Raw) != c.usage {
			t.Errorf("%s: raw %s", c.name, a.Usage.Raw)
		}
		a.Usage.Raw = nil
		if got := *a.Usage; !sameCounts(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func sameCounts(a, b llm.Usage) bool {
	return a.InputTotal == b.InputTotal && a.OutputTotal == b.OutputTotal && a.CacheRead == b.CacheRead && a.CacheWrite5m == b.CacheWrite5m && a.CacheWrite1h == b.CacheWrite1h && a.Reasoning == b.Reasoning
}

// TestUsageOfAStream: the later report is of the call so far, and does not undo what it leaves out.
func TestUsageOfAStream(t *testing.T) {
	const start = `{"type":"message_start","message":{"content":[],"usage":{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":4},"output_tokens":1}}}`
	for _, c := range []struct {
		name, end string
		want      llm.Usage
	}{
		{"the output only", `{"output_tokens":20}`, llm.Usage{InputTotal: 15, CacheRead: 7, CacheWrite5m: 1, CacheWrite1h: 4, OutputTotal: 20}},
		{"all of it again", `{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"output_tokens":20}`, llm.Usage{InputTotal: 15, CacheRead: 7, CacheWrite5m: 1, CacheWrite1h: 4, OutputTotal: 20}},
		{"more of it, after a server's tool", `{"input_tokens":30,"cache_creation_input_tokens":5,"cache_read_input_tokens":70,"output_tokens":20}`, llm.Usage{InputTotal: 105, CacheRead: 70, CacheWrite5m: 1, CacheWrite1h: 4, OutputTotal: 20}},
	} {
		var total llm.Usage
		for _, payload := range []string{start, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":` + c.end + `}`} {
			var e dialect.Event
			if err := (Codec{}).Event(llm.OpChat, []byte(payload), &e); err != nil || e.Usage == nil {
				t.Fatalf("%s: %v", payload, err)
			}
			total.Merge(e.Usage)
		}
		if !sameCounts(total, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, total, c.want)
		}
	}
}

func TestEvents(t *testing.T) {
	type text struct {
		channel dialect.Channel
		whole   bool
	}
	at := func(block int16, kind dialect.Kind) text {
		return text{dialect.Channel{Block: block, Kind: kind}, false}
	}
	whole := func(block int16, kind dialect.Kind) text {
		return text{dialect.Channel{Block: block, Kind: kind}, true}
	}
	cited := text{dialect.Channel{Block: 1, Repeat: true}, true}
	for _, c := range []struct {
		payload string
		texts   []text
		first   bool
		finish  string
	}{
		{`{"type":"message_start","message":{"id":"m","type":"message","content":[],"model":"claude","usage":{"input_tokens":1}}}`, nil, false, ""},
		{`{"type":"message_start","message":{"type":"message","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}`, []text{whole(0, words), whole(1, words)}, true, ""},
		{`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`, nil, false, ""},
		{`{"type":"content_block_start","content_block":{"text":"a","type":"text","citations":[{"cited_text":"b"}]},"index":1}`, []text{at(1, words), cited}, true, ""},
		{`{"type":"content_block_start","index":2,"content_block":{"type":"thinking","thinking":"a","signature":""}}`, []text{at(2, think)}, true, ""},
		{`{"type":"content_block_start","index":2,"content_block":{"type":"redacted_thinking","data":"AAAA"}}`, nil, true, ""},
		{`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`, []text{whole(3, form)}, true, ""},
		{`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"","input":{"k":"v"}}}`, []text{whole(3, args), whole(3, args)}, true, ""},
		{`{"type":"content_block_start","index":4,"content_block":{"type":"web_search_tool_result","tool_use_id":"t","content":[{"type":"web_search_result","title":"a","url":"b","encrypted_content":"c"}]}}`, []text{whole(4, result), whole(4, result)}, true, ""},
		{`{"type":"content_block_start","index":5,"content_block":{"type":"compaction","content":null}}`, nil, false, ""},
		{`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}`, []text{at(1, words)}, true, ""},
		{`{"delta":{"text":"a","type":"text_delta"},"index":1,"type":"content_block_delta"}`, []text{at(1, words)}, true, ""},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}`, []text{at(0, think)}, true, ""},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}`, nil, false, ""},
		{`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"k"}}`, []text{at(3, args)}, true, ""},
		{`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"a","document_title":null}}}`, []text{cited}, true, ""},
		{`{"type":"content_block_delta","index":5,"delta":{"type":"compaction_delta","content":"sum","encrypted_content":"e"}}`, []text{at(5, words)}, true, ""},
		{`{"type":"content_block_delta","index":70000,"delta":{"type":"text_delta","text":"a"}}`, []text{at(32767, words)}, true, ""},
		{`{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"}},"usage":{"output_tokens":1}}`, []text{whole(0, refusal)}, true, "refusal"},
		{`{"type":"message_delta","delta":{"stop_reason":"of tomorrow"},"usage":{"output_tokens":1}}`, nil, false, "of tomorrow"},
		{`{"type":"ping"}`, nil, false, ""},
		{`{}`, nil, false, ""},
		{`{"type":"of tomorrow","words":"pass unread"}`, nil, false, ""},
	} {
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(c.payload), &e); err != nil {
			t.Errorf("%s: %v", c.payload, err)
			continue
		}
		if e.First != c.first || e.Finish != c.finish || e.End || e.UsageOnly || e.Error != nil || len(e.Closed) > 0 || len(e.Texts) != len(c.texts) {
			t.Errorf("%s: %+v", c.payload, e)
			continue
		}
		for i, x := range e.Texts {
			if (text{x.Channel, x.Whole}) != c.texts[i] || x.Role == none {
				t.Errorf("%s: %+v, want %+v", c.payload, x, c.texts[i])
			}
		}
	}
	var e dialect.Event
	if err := (Codec{}).Event(llm.OpChat, []byte(`{"type":"content_block_stop","index":2}`), &e); err != nil || len(e.Closed) != 1 || e.Closed[0] != (dialect.Block{Block: 2}) || e.End {
		t.Errorf("%v, %+v", err, e)
	}
	if err := (Codec{}).Event(llm.OpChat, []byte(`{"type":"message_stop"}`), &e); err != nil || !e.End || len(e.Closed) > 0 {
		t.Errorf("%v, %+v", err, e)
	}
	if (Codec{}).Complete(dialect.Ending{Finish: "end_turn"}) || !(Codec{}).Complete(dialect.Ending{Terminated: true}) {
		t.Error("a stream is whole without its terminator")
	}
}

func TestErrorsHaveAnthropicsShape(t *testing.T) {
	codes := []llm.Code{llm.CodeInvalid, llm.CodeAuth, llm.CodePermission, llm.CodeNotFound, llm.CodeTooLarge, llm.CodeDenied, llm.CodeRateLimited, llm.CodeOverloaded,
		llm.CodeTimeout, llm.CodeUnavailable, llm.CodeUpstream, llm.CodeCut, llm.CodeDraining, llm.CodeInternal}
	kinds := map[string]bool{"invalid_request_error": true, "authentication_error": true, "permission_error": true, "not_found_error": true, "request_too_large": true,
		"rate_limit_error": true, "overloaded_error": true, "timeout_error": true, "api_error": true}
	seen := map[string]bool{}
	for _, code := range codes {
		body := Codec{}.AppendError(nil, &llm.Error{Code: code, Message: "a \"quoted\"\nmessage"}, "req-1")
		var got struct {
			Type  string
			Error struct {
				Type, Message string
				Details       struct {
					Code string `json:"error_code"`
				}
			}
			ID string `json:"request_id"`
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got.Type != "error" || got.Error.Message != "a \"quoted\"\nmessage" || !kinds[got.Error.Type] || got.ID != "req-1" || got.Error.Details.Code == "" || seen[got.Error.Details.Code] {
			t.Errorf("%s: %s", code, body)
		}
		seen[got.Error.Details.Code] = true
		event := string(Codec{}.AppendErrorEvent(nil, &llm.Error{Code: code, Message: "m"}, ""))
		if !strings.HasPrefix(event, "event: error\n"+`data: {"type":"error","error":{`) || !strings.HasSuffix(event, "}}}\n\n") {
			t.Errorf("%s: event %q", code, event)
		}
	}
}

func TestModels(t *testing.T) {
	for _, c := range []struct {
		models []dialect.Model
		want   string
	}{
		{nil, `{"data":[],"has_more":false,"first_id":null,"last_id":null}`},
		{[]dialect.Model{{Name: "a", Created: 0}, {Name: `b"`, Created: 1700000000}},
			`{"data":[{"type":"model","id":"a","display_name":"a","created_at":"1970-01-01T00:00:00Z"},{"type":"model","id":"b\"","display_name":"b\"","created_at":"2023-11-14T22:13:20Z"}],"has_more":false,"first_id":"a","last_id":"b\""}`},
	} {
		if got := string(Codec{}.AppendModels(nil, c.models)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	body, event := benchRequest(), []byte(benchEvent)
	stop := []byte(`{"type":"content_block_stop","index":2}`)
	header := llm.Header{{Name: "anthropic-version", Value: "2023-06-01"}}
	var q dialect.Request
	var e dialect.Event
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"request", func() error { return Codec{}.Request(llm.OpChat, body, &q) }},
		{"event", func() error { return Codec{}.Event(llm.OpChat, event, &e) }},
		{"stop", func() error { return Codec{}.Event(llm.OpChat, stop, &e) }},
		{"endpoint", func() error { Codec{}.Endpoint("POST", "/v1/messages", "a=b&beta=true", header); return nil }},
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

const benchEvent = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}`

// benchRequest is a message of about 2 KiB.
func benchRequest() []byte {
	return []byte(`{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"system":[{"type":"text","text":"You are terse.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"` +
		strings.Repeat(`The quick \"brown\" fox jumps over the lazy dog.\n`, 36) + `"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"k":"v"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]}`)
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
