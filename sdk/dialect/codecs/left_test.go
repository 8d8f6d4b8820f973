package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// lefts writes what was found of what an answer leaves.
func lefts(body string, id dialect.Span, found []dialect.Left) string {
	var out []string
	if id.Len() > 0 {
		out = append(out, "response "+body[id.Start:id.End])
	}
	for _, l := range found {
		kind := "item "
		if l.Container {
			kind = "container "
		}
		if l.Repeated {
			kind = "repeated " + kind
		}
		out = append(out, kind+body[l.Span.Start:l.Span.End])
	}
	return strings.Join(out, ", ")
}

// TestLeft: what an answer leaves at the vendor is found in it, and what it repeats of its request is not.
func TestLeft(t *testing.T) {
	const (
		output   = `"output":[{"type":"reasoning","id":"rs_1","summary":[]},{"type":"code_interpreter_call","id":"ci_1","container_id":"cntr_1","code":"x"},{"type":"shell_call","id":"sh_1","environment":{"type":"container_reference","container_id":"cntr_2"}},{"type":"message","content":[]}]`
		echo     = `"previous_response_id":"resp_0","conversation":{"id":"conv_0"},"instructions":[{"type":"message","id":"msg_0","role":"user","content":"x"},{"type":"item_reference","id":"msg_9"}],"tools":[{"type":"code_interpreter","container":"cntr_0"},{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_9"}}]`
		response = `{"id":"resp_1","object":"response","status":"completed",` + echo + `,` + output
		all      = "response resp_1, item rs_1, repeated item ci_1, container cntr_1, item sh_1, container cntr_2"
	)
	for _, c := range []struct {
		dialect  llm.Dialect
		event    bool
		body     string
		want     string
		unstored bool
	}{
		{llm.Responses, false, response + `,"store":true}`, all, false},
		{llm.Responses, false, response + `,"store":null}`, all, false},
		{llm.Responses, false, response + `,"store":false}`, all, true},
		{llm.Responses, false, `{"id":null,"object":"response","output":[{"type":"message","id":7,"content":[]}]}`, "", false},
		{llm.Responses, false, `{"object":"response.input_tokens","input_tokens":7}`, "", false},
		{llm.Responses, true, `{"type":"response.created","response":{"id":"resp_1","object":"response","status":"in_progress","output":[],"store":false}}`, "response resp_1", true},
		{llm.Responses, true, `{"type":"response.completed","response":` + response + `}}`, all, false},
		{llm.Responses, true, `{"type":"response.output_item.added","output_index":0,"item":{"id":"ci_1","type":"code_interpreter_call","container_id":"cntr_1"}}`, "repeated item ci_1, container cntr_1", false},
		{llm.Responses, true, `{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"x"}]}}`, "repeated item rs_1", false},
		{llm.Responses, true, `{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"x"}],"encrypted_content":"sealed"}}`, "item rs_1", false},
		{llm.Responses, true, `{"type":"response.output_item.done","output_index":0,"item":{"id":"fc_1","type":"function_call","call_id":"c","name":"f","arguments":"{}"}}`, "item fc_1", false},
		{llm.Responses, true, `{"type":"response.output_text.delta","item_id":"msg_1","delta":"x"}`, "", false},
		{llm.Anthropic, false, `{"type":"message","id":"msg_1","container":{"id":"container_1","expires_at":"2027"},"content":[{"type":"text","text":"x"}]}`, "response msg_1, container container_1", false},
		{llm.Anthropic, false, `{"type":"message","id":"msg_1","container":null,"content":[{"type":"tool_use","id":"toolu_1"}]}`, "response msg_1", false},
		{llm.Anthropic, true, `{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"container_1","skills":[]}},"usage":{"output_tokens":1}}`, "container container_1", false},
		{llm.Anthropic, true, `{"type":"message_start","message":{"id":"msg_1","type":"message","container":{"id":"container_1"},"content":[]}}`, "response msg_1, container container_1", false},
		{llm.OpenAI, false, `{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}`, "", false},
		{llm.OpenAI, false, `{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"audio_1","data":"AA==","expires_at":7,"transcript":"x"}}}]}`, "item audio_1", false},
		{llm.OpenAI, true, `{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"audio":{"transcript":"x","id":"audio_1"}}}]}`, "item audio_1", false},
		{llm.OpenAI, true, `{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"audio":{"data":"AA==","id":null}}}]}`, "", false},
	} {
		var answer dialect.Answer
		var event dialect.Event
		var err error
		if c.event {
			err = Of(c.dialect).Event(llm.OpChat, []byte(c.body), &event)
		} else {
			err = Of(c.dialect).Answer(llm.OpChat, []byte(c.body), &answer)
		}
		id, found, unstored := answer.ID, append(answer.Left, event.Left...), answer.Unstored || event.Unstored
		if c.event {
			id = event.ID
		}
		if got := lefts(c.body, id, found); err != nil || got != c.want || unstored != c.unstored {
			t.Errorf("%s:\n got %s, %t, %v\nwant %s, %t", c.body, got, unstored, err, c.want, c.unstored)
		}
	}
}

// TestLeftOfACompaction: of a conversation that is said in less the compaction is left, and nothing that it repeats; and of one
// that is to be, compactions are found.
func TestLeftOfACompaction(t *testing.T) {
	const body = `{"id":"resp_1","object":"response.compaction","output":[{"type":"message","id":"msg_1","role":"user","content":[]},{"type":"code_interpreter_call","id":"ci_1","container_id":"cntr_1","code":"x"},{"id":"cmp_1","encrypted_content":"sealed","type":"compaction"},{"type":"item_reference","id":"msg_2"},{"id":"msg_3"}]}`
	const want = "response resp_1, item cmp_1"
	var answer dialect.Answer
	if err := Of(llm.Responses).Answer(llm.OpCompact, []byte(body), &answer); err != nil || lefts(body, answer.ID, answer.Left) != want {
		t.Errorf("%s, %v", lefts(body, answer.ID, answer.Left), err)
	}
	var event dialect.Event
	streamed := `{"type":"response.completed","response":` + body + `}`
	if err := Of(llm.Responses).Event(llm.OpCompact, []byte(streamed), &event); err != nil || lefts(streamed, event.ID, event.Left) != want {
		t.Errorf("%s, %v", lefts(streamed, event.ID, event.Left), err)
	}
	for op, want := range map[llm.Op]string{llm.OpCompact: "cmp_1 cmp_2", llm.OpChat: ""} {
		var read dialect.Request
		err := Of(llm.Responses).Request(op, []byte(`{"model":"m","input":[{"id":"\u0063mp_1","type":"compaction","encrypted_content":"sealed"},{"role":"user","id":"msg_1","content":"x"},{"type":"compaction","id":"cmp_2"}]}`), &read)
		if got := strings.Join(read.Compactions, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v", op, got, err)
		}
	}
}

// TestItemsOfRequests: what a request repeats of earlier answers without saying it, a vendor takes by its id.
func TestItemsOfRequests(t *testing.T) {
	for item, want := range map[string]string{
		`{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"x"}]}`:                                        "rs_1",
		`{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":null,"content":[]}`:                                    "rs_1",
		`{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"sealed"}`:                                             "",
		`{"encrypted_content":"sealed","content":null,"type":"reasoning","id":"rs_1","summary":[]}`:                              "",
		`{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"x"}]}`:                         "rs_1",
		`{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"x"}}`:                     "ws_1",
		`{"type":"file_search_call","id":"fs_1","queries":["x"],"status":"completed","results":null}`:                            "fs_1",
		`{"type":"file_search_call","id":"fs_1","queries":["x"],"status":"completed","results":[ ]}`:                             "fs_1",
		`{"type":"file_search_call","id":"fs_1","queries":["x"],"results":[{"text":"y"}],"status":"completed"}`:                  "",
		`{"type":"code_interpreter_call","id":"ci_1","code":"x","container_id":"cntr_1","outputs":null}`:                         "cntr_1 ci_1",
		`{"type":"code_interpreter_call","id":"ci_1","code":"x","container_id":"cntr_1","outputs":[{"type":"logs","logs":"y"}]}`: "cntr_1",
		`{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"f","arguments":"{}"}`:                                        "mcp_1",
		`{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"f","arguments":"{}","output":"y"}`:                           "",
		`{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"f","arguments":"{}","output":null,"error":{"message":"y"}}`:  "",
		`{"type":"mcp_list_tools","id":"mcpl_1","server_label":"s","tools":[]}`:                                                  "",
		`{"type":"mcp_approval_request","id":"mcpr_1","server_label":"s","name":"f","arguments":"{}"}`:                           "",
		`{"type":"computer_call","id":"cu_1","call_id":"c","action":{"type":"wait"},"pending_safety_checks":[]}`:                 "",
		`{"type":"local_shell_call","id":"ls_1","call_id":"c","action":{"type":"exec","command":["ls"],"env":{}}}`:               "",
		`{"type":"reasoning","summary":[{"type":"summary_text","text":"x"}]}`:                                                    "",
		`{"type":"image_generation_call","id":"ig_1"}`:                                                                           "ig_1",
		`{"type":"image_generation_call","id":"ig_1","result":"aGVsbG8="}`:                                                       "",
		`{"type":"compaction","id":"cmp_1"}`:                                                                                     "cmp_1",
		`{"type":"compaction","id":"cmp_1","encrypted_content":"sealed"}`:                                                        "",
		`{"type":"of_tomorrow","id":"x_1"}`:                                                                                      "x_1",
		`{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"x"}]}`:                       "",
		`{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{}"}`:                                         "",
		`{"type":"function_call_output","id":"fco_1","call_id":"c","output":"x"}`:                                                "",
		`{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}],"id":"msg_1"}`:               "",
	} {
		var read dialect.Request
		if err := Of(llm.Responses).Request(llm.OpChat, []byte(`{"model":"m","input":[`+item+`]}`), &read); err != nil {
			t.Errorf("%s: %v", item, err)
		}
		if got := strings.Join(read.Items, " "); got != want || len(read.Files) > 0 {
			t.Errorf("%s: %q and %q, want %q", item, got, read.Files, want)
		}
	}
}
