package responses

import (
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	text    = dialect.KindText
	args    = dialect.KindArguments
	result  = dialect.KindToolResult
	tool    = dialect.KindToolDef
	think   = dialect.KindReasoning
	refusal = dialect.KindRefusal
	form    = dialect.KindStructured

	system    = dialect.RoleSystem
	user      = dialect.RoleUser
	assistant = dialect.RoleAssistant
	worker    = dialect.RoleTool
)

// want is a text that a codec should find.
type want struct {
	text string
	role dialect.Role
	kind dialect.Kind
}

func wants(data []byte, texts []dialect.Text) (got []want) {
	for _, x := range values(texts) {
		got = append(got, want{string(dialect.AppendUnquoted(nil, data[x.Span.Start:x.Span.End])), x.Role, x.Channel.Kind})
	}
	return got
}

func checkWants(t *testing.T, name string, got, wanted []want) {
	t.Helper()
	if len(got) != len(wanted) {
		t.Errorf("%s: %v, want %v", name, got, wanted)
		return
	}
	for i := range got {
		if got[i] != wanted[i] {
			t.Errorf("%s: %v, want %v", name, got[i], wanted[i])
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		method, path string
		op           llm.Op
	}{
		{"POST", "/v1/responses", llm.OpChat},
		{"POST", "/openai/v1/responses", llm.OpChat},
		{"POST", "/responses", llm.OpChat},
		{"POST", "/v1/responses/input_tokens", llm.OpCountTokens},
		{"GET", "/v1/responses", ""},
		{"GET", "/v1/responses/resp_1", llm.OpResponses},
		{"DELETE", "/v1/responses/resp_1", llm.OpResponses},
		{"POST", "/v1/responses/resp_1/cancel", llm.OpResponses},
		{"GET", "/v1/responses/resp_1/input_items", llm.OpResponses},
		{"POST", "/v1/responses/resp_1", ""},
		{"PUT", "/v1/responses/resp_1", ""},
		{"GET", "/v1/responses/resp_1/cancel", ""},
		{"POST", "/v1/responses/resp_1/input_items", ""},
		{"GET", "/v1/responses/resp_1/input_items/msg_1", ""},
		{"GET", "/v1/responses/..", ""},
		{"GET", "/v1/responses/a%2fb", ""},
		{"GET", "/v1/responses/", ""},
		{"GET", "/v1/responses//input_items", ""},
		{"GET", "/v1/responses/input_tokens", ""},
		{"GET", "/v1/responses/compact", ""},
		{"POST", "/v1/conversations", llm.OpConversations},
		{"GET", "/v1/conversations", ""},
		{"GET", "/v1/conversations/conv_1", llm.OpConversations},
		{"POST", "/v1/conversations/conv_1", llm.OpConversations},
		{"DELETE", "/v1/conversations/conv_1", llm.OpConversations},
		{"GET", "/v1/conversations/conv_1/items", llm.OpConversations},
		{"POST", "/v1/conversations/conv_1/items", llm.OpConversations},
		{"DELETE", "/v1/conversations/conv_1/items", ""},
		{"GET", "/v1/conversations/conv_1/items/msg_1", llm.OpConversations},
		{"DELETE", "/v1/conversations/conv_1/items/msg_1", llm.OpConversations},
		{"POST", "/v1/conversations/conv_1/items/msg_1", ""},
		{"GET", "/v1/conversations/conv_1/items/../conv_2", ""},
		{"GET", "/v1/conversations/conv_1/other", ""},
		{"POST", "/v1/responses/compact", llm.OpCompact},
		{"POST", "/v1/responses/compact/cancel", llm.OpResponses},
		{"POST", "/v1/chat/completions", ""},
		{"GET", "/v1/models", ""},
		{"GET", "/v1/containers", llm.OpContainers},
		{"POST", "/v1/containers", llm.OpContainers},
		{"DELETE", "/v1/containers", ""},
		{"GET", "/v1/containers/cntr_1", llm.OpContainers},
		{"DELETE", "/v1/containers/cntr_1", llm.OpContainers},
		{"POST", "/v1/containers/cntr_1", ""},
		{"POST", "/v1/containers/cntr_1/files", llm.OpContainers},
		{"GET", "/v1/containers/cntr_1/files", llm.OpContainers},
		{"DELETE", "/v1/containers/cntr_1/files/cfile_1", llm.OpContainers},
		{"GET", "/v1/containers/cntr_1/files/cfile_1/content", llm.OpContainers},
		{"DELETE", "/v1/containers/cntr_1/files/cfile_1/content", ""},
		{"GET", "/v1/containers/cntr_1/files/../content", ""},
		{"GET", "/v1/containers/cntr_1/items", ""},
	} {
		e, ok := Codec{}.Endpoint(c.method, c.path, "", nil)
		if e.Op != c.op || ok != (c.op != "") || e.Framing != dialect.ServerSent {
			t.Errorf("%s %s: %+v, %v", c.method, c.path, e, ok)
		}
	}
}

func TestRequestRefusesWhatAnotherReaderReadsInAnotherWay(t *testing.T) {
	for _, c := range []struct{ body, message string }{
		{``, "must be a JSON object"},
		{`[]`, "must be a JSON object"},
		{"{\"model\":\"\xff\"}", "not UTF-8"},
		{`{"model":"a","model":"b"}`, `"model" stands twice`},
		{`{"Input":"a"}`, `"input" is written`},
		{`{"inpu\u0074":"a"}`, `"input" is written`},
		{`{"instructions":"a","instructions":"b"}`, `"instructions" stands twice`},
		{`{"input":[{"role":"user","content":"a","content":"b"}]}`, `"content" stands twice`},
		{`{"input":[{"role":"user","content":[{"type":"input_text","text":"a","Text":"b"}]}]}`, `"text" is written`},
		{`{"input":[{"type":"function_call_output","output":"a","output":"b"}]}`, `"output" stands twice`},
		{`{"input":[{"type":"reasoning","summary":[{"text":"a","text":"b"}]}]}`, `"text" stands twice`},
		{`{"tools":[{"type":"function","name":"a","description":"b","description":"c"}]}`, `"description" stands twice`},
		{`{"previous_response_id":null,"previous_response_id":"r"}`, `"previous_response_id" stands twice`},
		{`{"model":1}`, `"model" must be a string`},
		{`{"stream":"true"}`, `"stream" must be true or false`},
		{`{"background":1}`, `"background" must be true or false`},
		{`{"max_output_tokens":"1"}`, `"max_output_tokens" must be a number`},
		{`{"input":{"role":"user"}}`, `"input" must be a string or an array`},
		{`{"input":["a"]}`, `each item of "input" must be an object`},
		{`{"model":"m"} x`, "something follows"},
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
	body := `{"model":"m","metadata":{"model":"x","Model":"y","model":"z"},"prompt":{"id":"p","variables":{"id":"v","ID":"w"}},
		"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"name":{"type":"string","Name":1,"name":2},"Name":{}}}}],
		"input":[{"type":"tool_search_call","arguments":{"type":"a","Type":"b"}}],"vendor":{"stream":1,"stream":2}}`
	var q dialect.Request
	if err := (Codec{}).Request(llm.OpChat, []byte(body), &q); err != nil {
		t.Fatal(err)
	}
	same(t, "texts", found([]byte(body), q.Texts), []string{"a", "b", "f", "v", "w", "x", "y", "z"})
}

// TestRequestItems has every type of item that the specification has.
func TestRequestItems(t *testing.T) {
	for _, c := range []struct {
		item   string
		texts  []want
		unseen string
	}{
		{`{"content":"late role","role":"user"}`, []want{{"late role", user, text}}, ""},
		{`{"role":"developer","content":[{"text":"late type","type":"input_text"}],"type":"message"}`, []want{{"late type", system, text}}, ""},
		{`{"type":"message","role":"assistant","id":"i","status":"completed","content":[{"type":"output_text","text":"said","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0},{"type":"file_citation","filename":"f","file_id":"x"}],"logprobs":[]},{"type":"refusal","refusal":"no"}]}`,
			[]want{{"said", assistant, text}, {"u", assistant, form}, {"t", assistant, form}, {"f", assistant, form}, {"no", assistant, refusal}}, ""},
		{`{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"},{"type":"input_image","file_id":null,"image_url":null},{"type":"input_file","filename":"f.pdf","file_data":"data:application/pdf;base64,AAAA"},{"type":"input_audio","input_audio":{"data":"AAAA"}}]}`,
			[]want{{"f.pdf", user, form}}, ""},
		{`{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}`, nil, "image_url"},
		{`{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}`, nil, "file_id"},
		{`{"role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}`, nil, "file_url"},
		{`{"role":"user","content":[{"type":"input_file","file_data":"https://example.com/a.pdf"}]}`, nil, "file_data"},
		{`{"role":"user","content":[{"type":"hologram","beam":"text"}]}`, nil, "type"},
		{`{"role":"user","content":7}`, nil, "content"},
		{`{"type":"function_call","id":"fc","call_id":"c","name":"f","namespace":"n","arguments":"{\"a\":1}"}`, []want{{"f", assistant, form}, {"n", assistant, form}, {`{"a":1}`, assistant, args}}, ""},
		{`{"type":"function_call_output","call_id":"c","output":"out"}`, []want{{"out", worker, result}}, ""},
		{`{"output":[{"type":"input_text","text":"out"},{"type":"input_image","image_url":"data:,"}],"type":"function_call_output","call_id":"c"}`, []want{{"out", worker, result}}, ""},
		{`{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"f"}]}`, nil, "file_id"},
		{`{"type":"custom_tool_call","call_id":"c","name":"f","input":"free"}`, []want{{"f", assistant, form}, {"free", assistant, args}}, ""},
		{`{"type":"custom_tool_call_output","call_id":"c","output":[{"type":"input_text","text":"o"}]}`, []want{{"o", worker, result}}, ""},
		{`{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"s"}],"content":[{"text":"c","type":"reasoning_text"}],"encrypted_content":"AAAA"}`, []want{{"s", assistant, think}, {"c", assistant, think}}, ""},
		{`{"type":"compaction","encrypted_content":"AAAA"}`, nil, "compaction"},
		{`{"type":"compaction_trigger"}`, nil, ""},
		{`{"type":"item_reference","id":"i"}`, nil, "item_reference"},
		{`{"id":"i"}`, nil, "item_reference"},
		{`{"type":null,"id":"i"}`, nil, "item_reference"},
		{`{"id":"i","content":""}`, nil, "item_reference"}, // a message has a role
		{`{"type":"file_search_call","id":"i","queries":["q"],"results":[{"file_id":"f","text":"t","filename":"n","attributes":{"k":"v"},"score":1}]}`, []want{{"q", assistant, args}, {"t", worker, result}, {"n", assistant, form}, {"v", assistant, form}}, ""},
		{`{"type":"web_search_call","id":"i","action":{"type":"search","query":"q","queries":["q2"],"sources":[{"type":"url","url":"u"}]}}`, []want{{"q", assistant, args}, {"q2", assistant, args}, {"u", assistant, form}}, ""},
		{`{"type":"web_search_call","id":"i","action":{"type":"find_in_page","url":"u","pattern":"p"}}`, []want{{"u", assistant, args}, {"p", assistant, args}}, ""},
		{`{"type":"computer_call","id":"i","call_id":"c","action":{"type":"type","text":"t"},"actions":[{"type":"keypress","keys":["k"]},{"type":"click","button":"left"}],"pending_safety_checks":[{"id":"s","code":"c","message":"m"}]}`,
			[]want{{"t", assistant, args}, {"k", assistant, args}, {"m", assistant, text}}, ""},
		{`{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,AA"},"acknowledged_safety_checks":[{"message":"m"}]}`, []want{{"m", worker, result}}, ""},
		{`{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot","file_id":"f"}}`, nil, "file_id"},
		{`{"type":"image_generation_call","id":"i","result":"AAAA","status":"completed"}`, nil, ""},
		{`{"result":"AAAA","id":"i","type":"image_generation_call"}`, nil, ""},
		{`{"type":"code_interpreter_call","id":"i","code":"print()","container_id":"c","outputs":[{"type":"logs","logs":"l"},{"type":"image","url":"data:,"}]}`, []want{{"print()", assistant, args}, {"l", worker, result}}, ""},
		{`{"type":"local_shell_call","id":"i","action":{"type":"exec","command":["ls","-l"],"env":{"K":"v"},"working_directory":"/w","user":"u","timeout_ms":1}}`, []want{{"ls", assistant, args}, {"-l", assistant, args}, {"v", assistant, args}, {"/w", assistant, args}, {"u", assistant, args}}, ""},
		{`{"type":"local_shell_call_output","id":"i","output":"o"}`, []want{{"o", worker, result}}, ""},
		{`{"type":"shell_call","call_id":"c","action":{"commands":["a","b"]},"environment":{"type":"local","skills":[{"name":"n","description":"d","path":"p"}]}}`,
			[]want{{"a", assistant, args}, {"b", assistant, args}, {"n", assistant, tool}, {"d", assistant, tool}, {"p", assistant, tool}}, ""},
		{`{"type":"shell_call_output","call_id":"c","output":[{"stdout":"o","stderr":"e","outcome":{"type":"exit","exit_code":0}}]}`, []want{{"o", worker, result}, {"e", worker, result}}, ""},
		{`{"type":"apply_patch_call","call_id":"c","operation":{"type":"update_file","path":"p","diff":"d"}}`, []want{{"p", assistant, args}, {"d", assistant, args}}, ""},
		{`{"type":"apply_patch_call_output","call_id":"c","output":"o"}`, []want{{"o", worker, result}}, ""},
		{`{"type":"mcp_list_tools","id":"i","server_label":"l","tools":[{"name":"n","description":"d","input_schema":{"properties":{"a":{"description":"p"}}},"annotations":{"title":"t"}}],"error":"e"}`,
			[]want{{"l", 0, form}, {"n", 0, tool}, {"d", 0, tool}, {"p", 0, tool}, {"t", 0, tool}, {"e", 0, result}}, ""},
		{`{"type":"mcp_approval_request","id":"i","server_label":"l","name":"n","arguments":"a"}`, []want{{"l", assistant, form}, {"n", assistant, form}, {"a", assistant, args}}, ""},
		{`{"type":"mcp_approval_response","approval_request_id":"i","approve":true,"reason":"r"}`, []want{{"r", user, text}}, ""},
		{`{"type":"mcp_call","id":"i","server_label":"l","name":"n","arguments":"a","output":"o","error":{"type":"mcp_tool_execution_error","content":[{"text":"e"}]}}`,
			[]want{{"l", assistant, form}, {"n", assistant, form}, {"a", assistant, args}, {"o", worker, result}, {"e", worker, result}}, ""},
		{`{"type":"tool_search_call","call_id":"c","execution":"client","arguments":{"q":["a"]}}`, []want{{"a", assistant, args}}, ""},
		{`{"type":"tool_search_output","call_id":"c","tools":[{"type":"function","name":"n"}]}`, []want{{"n", 0, tool}}, ""},
		{`{"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"n"}]}`, []want{{"n", system, tool}}, ""},
		{`{"type":"program","id":"i","call_id":"c","code":"x","fingerprint":"f"}`, []want{{"x", assistant, args}}, ""},
		{`{"type":"program_output","id":"i","call_id":"c","result":"r"}`, []want{{"r", worker, result}}, ""},
		{`{"type":"from_the_future","words":"w"}`, nil, "type"},
		{`{"type":"mess\u0061ge","role":"us\u0065r","content":"c"}`, []want{{"c", user, text}}, ""},
	} {
		body := `{"model":"m","input":[` + c.item + `]}`
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, []byte(body), &q); err != nil {
			t.Errorf("%s: %v", c.item, err)
			continue
		}
		checkWants(t, c.item, wants([]byte(body), q.Texts), c.texts)
		if q.Unseen != c.unseen {
			t.Errorf("%s: unseen %q, want %q", c.item, q.Unseen, c.unseen)
		}
	}
}

// TestRequestMembers has what stands beside the items, every type of tool included.
func TestRequestMembers(t *testing.T) {
	for _, c := range []struct {
		members string
		texts   []want
		unseen  string
	}{
		{`"input":"one","instructions":"be brief"`, []want{{"one", user, text}, {"be brief", system, text}}, ""},
		{`"input":null,"instructions":null,"tools":null,"prompt":null,"text":null,"conversation":null,"previous_response_id":null`, nil, ""},
		{`"user":"u","safety_identifier":"s","prompt_cache_key":"k","metadata":{"a":"b"}`, []want{{"u", 0, form}, {"s", 0, form}, {"k", 0, form}, {"b", 0, form}}, ""},
		{`"previous_response_id":"r"`, nil, "previous_response_id"},
		{`"conversation":{"id":"c"}`, nil, "conversation"},
		{`"conversation":"c"`, nil, "conversation"},
		{`"background":true`, nil, "background"},
		{`"background":false,"top_logprobs":0,"include":["reasoning.encrypted_content"]`, nil, ""},
		{`"include":["message.output_text.logprobs"]`, nil, "logprobs"},
		{`"top_logprobs":3`, nil, "top_logprobs"},
		{`"prompt":{"id":"p","version":"2","variables":{"name":"Ada","text":{"type":"input_text","text":"t"}}}`, []want{{"Ada", user, text}, {"t", user, text}}, "prompt"},
		{`"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","description":"d","schema":{"type":"object","properties":{"a":{"type":"string","description":"p"}}}}}`,
			[]want{{"n", 0, tool}, {"d", 0, tool}, {"p", 0, tool}}, ""},
		{`"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":"string","description":"p","enum":["e"]}}},"output_schema":{"description":"o"}}]`,
			[]want{{"f", 0, tool}, {"d", 0, tool}, {"p", 0, tool}, {"e", 0, tool}, {"o", 0, tool}}, ""},
		{`"tools":[{"type":"custom","name":"c","description":"d","format":{"type":"grammar","syntax":"lark","definition":"g"}}]`, []want{{"c", 0, tool}, {"d", 0, tool}, {"lark", 0, tool}, {"g", 0, tool}}, ""},
		{`"tools":[{"type":"namespace","name":"n","description":"d","tools":[{"type":"function","name":"f"}]}]`, []want{{"n", 0, tool}, {"d", 0, tool}, {"f", 0, tool}}, ""},
		{`"tools":[{"type":"tool_search","description":"d","parameters":{"description":"p"}},{"type":"apply_patch"},{"type":"local_shell"},{"type":"computer"},{"type":"programmatic_tool_calling"}]`, []want{{"d", 0, tool}, {"p", 0, tool}}, ""},
		{`"tools":[{"type":"web_search_preview_2025_03_11","user_location":{"type":"approximate","city":"Leeds"},"filters":{"allowed_domains":["a.example"]}}]`, []want{{"Leeds", 0, form}, {"a.example", 0, form}}, ""},
		{`"tools":[{"type":"mcp","server_label":"l","server_description":"d","server_url":"https://mcp.example","authorization":"x","headers":{"h":"v"}}]`, []want{{"l", 0, form}, {"d", 0, tool}}, "server_url"},
		{`"tools":[{"type":"mcp","server_label":"l","connector_id":"connector_gmail"}]`, []want{{"l", 0, form}}, "connector_id"},
		{`"tools":[{"type":"file_search","vector_store_ids":["vs_1"],"filters":{"type":"eq","key":"k","value":"v"}}]`, []want{{"eq", 0, form}, {"k", 0, form}, {"v", 0, form}}, "vector_store_ids"},
		{`"tools":[{"type":"code_interpreter","container":"cntr_1"}]`, nil, "container"},
		{`"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["f"]}}]`, nil, "file_ids"},
		{`"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":[]}}]`, nil, ""},
		{`"tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"c"}}]`, nil, "container_id"},
		{`"tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"skill_reference","skill_id":"s"}]}}]`, nil, "skill_id"},
		{`"tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"inline","name":"n","description":"d","source":{"type":"base64","data":"AAAA"}}]}}]`, []want{{"n", 0, tool}, {"d", 0, tool}}, ""},
		{`"tools":[{"type":"image_generation","input_image_mask":{"image_url":"data:image/png;base64,AA"}}]`, nil, ""},
		{`"tools":[{"type":"image_generation","input_image_mask":{"file_id":"f"}}]`, nil, "file_id"},
		{`"tools":[{"type":"telepathy","thought":"t"}]`, nil, "tools"},
		{`"tools":["f"]`, nil, "tools"},
		{`"tools":"f"`, nil, "tools"},
		{`"store":true,"reasoning":{"effort":"low"},"truncation":"auto","vendor":{"words":"w"}`, nil, ""},
	} {
		body := `{"model":"m",` + c.members + `}`
		for _, op := range []llm.Op{llm.OpChat, llm.OpCountTokens} {
			var q dialect.Request
			if err := (Codec{}).Request(op, []byte(body), &q); err != nil {
				t.Errorf("%s: %v", c.members, err)
				continue
			}
			checkWants(t, c.members, wants([]byte(body), q.Texts), c.texts)
			if q.Unseen != c.unseen || q.Model != "m" {
				t.Errorf("%s: unseen %q, want %q; model %q", c.members, q.Unseen, c.unseen, q.Model)
			}
		}
	}
}
