package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// respond sends a request for a response and returns the answer's status, request id and body.
func (r *running) respond(method, path, body string) (status int, id, text string) {
	r.t.Helper()
	resp, text := r.do(r.requestTo(context.Background(), method, path, body))
	return resp.StatusCode, resp.Header.Get("X-Request-Id"), text
}

// TestRefusedResponses: each is answered in OpenAI's shape with the request's id, and no upstream hears
// of it.
func TestRefusedResponses(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	denying := strings.Replace(fullPipeline, `unseen = "allow"`, `unseen = "deny"`, 1)
	gw := start(t, strings.Replace(openAI.relay(up.URL, denying, "mock"), "provider \"up\" {", "provider \"up\" {\n  shared_files = false", 1))
	with := func(members string) string { return `{"model":"mock",` + members + `}` }
	part := func(p string) string { return with(`"input":[{"role":"user","content":[` + p + `]}]`) }
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"a duplicate key", with(`"input":"a","input":"b"`), 400, "invalid_request"},
		{"a key in another case", with(`"Instructions":"be evil"`), 400, "invalid_request"},
		{"an escaped duplicate", with(`"inp\u0075t":"a","input":"b"`), 400, "invalid_request"},
		{"a duplicate in an item", with(`"input":[{"type":"function_call_output","call_id":"c","output":"a","output":"b"}]`), 400, "invalid_request"},
		{"a duplicate in a part", part(`{"type":"input_text","text":"a","TEXT":"b"}`), 400, "invalid_request"},
		{"a duplicate in a tool", with(`"tools":[{"type":"function","name":"f","description":"a","description":"b"}]`), 400, "invalid_request"},
		{"an item that is a string", with(`"input":["hello"]`), 400, "invalid_request"},
		{"a stream of another type", with(`"stream":"yes","input":"a"`), 400, "invalid_request"},
		{"half a body", `{"model":"mock","input":"a`, 400, "invalid_request"},
		{"no model", `{"input":"hello"}`, 400, "invalid_request"},
		{"an unknown model", `{"model":"none","input":"hello"}`, 404, "model_not_found"},
		{"a stored response", with(`"previous_response_id":"r"`), 403, "denied"},
		{"a stored conversation", with(`"conversation":"c"`), 403, "denied"},
		{"a stored prompt", with(`"prompt":{"id":"p"}`), 403, "denied"},
		{"a stored item", with(`"input":[{"type":"item_reference","id":"i"}]`), 403, "denied"},
		{"an answer for later", with(`"background":true`), 403, "denied"},
		{"the tokens of the answer", with(`"include":["message.output_text.logprobs"]`), 403, "denied"},
		{"a remote image", part(`{"type":"input_image","image_url":"https://example.com/a.png"}`), 403, "denied"},
		{"a stored file", part(`{"type":"input_file","file_id":"file-1"}`), 403, "denied"},
		{"a part of an unknown type", part(`{"type":"hologram"}`), 403, "denied"},
		{"an item of an unknown type", with(`"input":[{"type":"of_tomorrow"}]`), 403, "denied"},
		{"a remote tool server", with(`"tools":[{"type":"mcp","server_label":"l","server_url":"https://example.com"}]`), 403, "denied"},
		{"a stored collection", with(`"tools":[{"type":"file_search","vector_store_ids":["vs"]}]`), 403, "denied"},
	} {
		for _, path := range []string{"/v1/responses", "/v1/responses/input_tokens", "/v1/responses/compact"} {
			t.Run(c.name+" "+path, func(t *testing.T) {
				status, id, body := gw.respond("POST", path, c.body)
				if status != c.status {
					t.Errorf("status %d: %s", status, body)
				}
				checkError(t, body, c.code, id)
			})
		}
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v1/responses/resp_1", 404}, {"DELETE", "/v1/responses/resp_1", 404}, {"GET", "/v1/responses/resp_1/input_items", 404},
		{"POST", "/v1/responses/resp_1/cancel", 404}, {"GET", "/v1/responses/compact", 405}, {"GET", "/v1/responses", 405},
	} {
		status, id, body := gw.respond(c.method, c.path, "")
		if checkError(t, body, "invalid_request", id); status != c.status {
			t.Errorf("%s %s: status %d: %s", c.method, c.path, status, body)
		}
	}
	if n := up.Stats().Requests; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// TestInputTokens: a count passes, and a secret does not go along.
func TestInputTokens(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	gw := start(t, openAI.relay(up.URL, sanitizing(`secrets = "redact"`), "mock"))
	token := madeUpToken()
	status, _, body := gw.respond("POST", "/v1/responses/input_tokens", `{"model":"mock","input":"here it is: `+token+`","tools":[{"type":"function","name":"f"}]}`)
	last := up.Last()
	if status != 200 || body != `{"object":"response.input_tokens","input_tokens":19}` || last.Path != "/v1/responses/input_tokens" {
		t.Errorf("status %d from %s: %s", status, last.Path, body)
	}
	if strings.Contains(last.Body, token[4:]) || !strings.Contains(last.Body, `"input":"here it is: `) || !strings.HasSuffix(last.Body, `","tools":[{"type":"function","name":"f"}]}`) {
		t.Errorf("the upstream got %s", strings.ReplaceAll(last.Body, token, "THE TOKEN"))
	}
}

// TestSecretsInRequestsForResponses: wherever it stands, it is gone before the upstream sees it, and
// the rest keeps its bytes.
func TestSecretsInRequestsForResponses(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	gw := start(t, openAI.relay(up.URL, sanitizing(`secrets = "redact"`), "mock"))
	for name, member := range map[string]string{
		"input":            `"input":"%"`,
		"instructions":     `"instructions":"%"`,
		"a message":        `"input":[{"role":"user","content":[{"type":"input_text","text":"%"}]}]`,
		"a call":           `"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"%"}]`,
		"a tool's output":  `"input":[{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"%"}]}]`,
		"thinking":         `"input":[{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"%"}]}]`,
		"a shell's output": `"input":[{"type":"shell_call_output","call_id":"c","output":[{"stdout":"","stderr":"%"}]}]`,
		"a tool":           `"tools":[{"type":"function","name":"f","description":"%"}]`,
		"a form":           `"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","description":"%"}}}`,
	} {
		token := madeUpToken()
		whole := func(text string) string { return `{"model":"mock",` + strings.Replace(member, "%", text, 1) + `}` }
		status, _, body := gw.respond("POST", "/v1/responses", whole("here it is: "+escape(token)+" and that was it"))
		got := up.Last().Body
		before, after, _ := strings.Cut(whole("here it is: % and that was it"), "%")
		if status != 200 || strings.Contains(got, token[4:]) || strings.Contains(got, `\u`) || !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
			t.Errorf("%s: status %d: %s; the upstream got %s", name, status, body, strings.ReplaceAll(got, token, "THE TOKEN"))
		}
	}
}

// TestSecretsInResponses: a secret does not reach the client, wherever in a whole answer it stands, and
// everything else does.
func TestSecretsInResponses(t *testing.T) {
	var answer atomic.Pointer[string]
	gw := start(t, openAI.relay(answering(t, "application/json", &answer), sanitizing(`secrets = "redact"`), "mock"))
	for name, member := range map[string]string{
		"text":              `"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"%"}]}]`,
		"refusal":           `"output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"%"}]}]`,
		"thinking":          `"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"%"}]}]`,
		"a call":            `"output":[{"type":"function_call","name":"f","arguments":"%"}]`,
		"a program":         `"output":[{"type":"code_interpreter_call","code":"x","outputs":[{"type":"logs","logs":"%"}]}]`,
		"a server's answer": `"output":[{"type":"mcp_call","name":"f","arguments":"{}","output":"%"}]`,
		"a source":          `"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","title":"t","url":"%"}]}]}]`,
		"the request":       `"output":[],"instructions":"%"`,
		"the text again":    `"output":[],"output_text":"%"`,
	} {
		token := madeUpToken()
		whole := func(text string) string {
			return `{"id":"r","object":"response","status":"completed","error":null,` + strings.Replace(member, "%", text, 1) + `,"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}`
		}
		sent := whole("here it is: " + escape(token) + " and that was it")
		answer.Store(&sent)
		status, _, body := gw.respond("POST", "/v1/responses", askResponses("mock", "hello", false))
		before, after, _ := strings.Cut(whole("here it is: % and that was it"), "%")
		if status != 200 || !json.Valid([]byte(body)) || strings.Contains(body, token[4:]) || strings.Contains(body, `\u`) || !strings.HasPrefix(body, before) || !strings.HasSuffix(body, after) {
			t.Errorf("%s: status %d: %s", name, status, strings.ReplaceAll(body, token, "THE TOKEN"))
		}
	}
}

// responseStream writes the events of a response, numbered.
type responseStream struct {
	text strings.Builder
	n    int
}

func (s *responseStream) event(kind, rest string) {
	fmt.Fprintf(&s.text, "event: response.%s\ndata: {\"type\":\"response.%s\",\"sequence_number\":%d,%s}\n\n", kind, kind, s.n, rest)
	s.n++
}

// TestSecretsInResponseStreams: the same for one that comes in three deltas and is said again by every
// later event, the last one included. The stream keeps its grammar, so each repetition says what the
// deltas said, and its other items keep every byte.
func TestSecretsInResponseStreams(t *testing.T) {
	var answer atomic.Pointer[string]
	gw := start(t, openAI.relay(answering(t, "text/event-stream", &answer), sanitizing(`secrets = "redact"`), "mock"))
	const kept = `{"type":"message","id":"m0","role":"assistant","content":[{"type":"output_text","text":"k\u0065pt"}]}`
	for name, c := range map[string]struct{ begun, item, added, delta, done, parted, before, after string }{
		"text": {`{"type":"message","id":"m","role":"assistant","content":[]}`, `{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"%"}]}`,
			`"content_index":0,"part":{"type":"output_text","text":""}`, `"content_index":0,"delta":"%"`, `"content_index":0,"text":"%"`, `"content_index":0,"part":{"type":"output_text","text":"%"}`,
			"here it is: ", " and that was it"},
		"thinking": {`{"type":"reasoning","id":"m","summary":[]}`, `{"type":"reasoning","id":"m","summary":[{"type":"summary_text","text":"%"}]}`,
			`"summary_index":0,"part":{"type":"summary_text","text":""}`, `"summary_index":0,"delta":"%"`, `"summary_index":0,"text":"%"`, `"summary_index":0,"part":{"type":"summary_text","text":"%"}`,
			"here it is: ", " and that was it"},
		"a call": {`{"type":"function_call","id":"m","call_id":"c","name":"f","arguments":""}`, `{"type":"function_call","id":"m","call_id":"c","name":"f","arguments":"%"}`,
			"", `"delta":"%"`, `"arguments":"%"`, "", `{\"a\":\"here it is: `, ` and that was it\"}`},
	} {
		kinds := map[string][2]string{"text": {"content_part", "output_text"}, "thinking": {"reasoning_summary_part", "reasoning_summary_text"}, "a call": {"", "function_call_arguments"}}[name]
		for _, cuts := range [][2]int{{10, 20}, {1, 39}, {20, 30}} {
			token := madeUpToken()
			put := func(form, text string) string { return strings.Replace(form, "%", text, 1) }
			whole := c.before + escape(token) + c.after
			var s responseStream
			s.event("created", `"response":{"id":"r","object":"response","status":"in_progress","instructions":"be k\u0069nd","output":[]}`)
			s.event("output_item.added", `"output_index":0,"item":{"type":"message","id":"m0","role":"assistant","content":[]}`)
			s.event("content_part.added", `"output_index":0,"item_id":"m0","content_index":0,"part":{"type":"output_text","text":""}`)
			s.event("output_text.delta", `"output_index":0,"item_id":"m0","content_index":0,"delta":"k\u0065pt"`)
			s.event("output_text.done", `"output_index":0,"item_id":"m0","content_index":0,"text":"k\u0065pt"`)
			s.event("output_item.done", `"output_index":0,"item":`+kept)
			s.event("output_item.added", `"output_index":1,"item":`+c.begun)
			if c.added != "" {
				s.event(kinds[0]+".added", `"output_index":1,"item_id":"m",`+c.added)
			}
			head := s.text.String()
			for _, piece := range []string{c.before + escape(token[:cuts[0]]), escape(token[cuts[0]:cuts[1]]), escape(token[cuts[1]:]) + c.after} {
				s.event(kinds[1]+".delta", `"output_index":1,"item_id":"m",`+put(c.delta, piece))
			}
			s.event(kinds[1]+".done", `"output_index":1,"item_id":"m",`+put(c.done, whole))
			if c.parted != "" {
				s.event(kinds[0]+".done", `"output_index":1,"item_id":"m",`+put(c.parted, whole))
			}
			s.event("output_item.done", `"output_index":1,"item":`+put(c.item, whole))
			s.event("completed", `"response":{"id":"r","object":"response","status":"completed","instructions":"be k\u0069nd","output":[`+kept+`,`+put(c.item, whole)+`],"usage":{"input_tokens":1,"output_tokens":9,"total_tokens":10}}`)
			stream := s.text.String() + "data: [DONE]\n\n"
			answer.Store(&stream)
			status, _, body := gw.respond("POST", "/v1/responses", askResponses("mock", "hello", true))
			shown := strings.ReplaceAll(body, token, "THE TOKEN")
			r, err := grammar.Responses([]byte(body))
			if err != nil || status != 200 || r.Error != "" || r.Status != "completed" || len(r.Items) != 2 {
				t.Fatalf("%s cut at %v: status %d: %v: %s", name, cuts, status, err, shown)
			}
			text := r.Items[1].Parts[0]
			before, after := strings.ReplaceAll(c.before, `\"`, `"`), strings.ReplaceAll(c.after, `\"`, `"`)
			if strings.Contains(body, token[4:]) || strings.Contains(text, token[8:16]) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) || len(text) <= len(before+after) {
				t.Errorf("%s cut at %v: %q", name, cuts, strings.ReplaceAll(text, token, "THE TOKEN"))
			}
			if !strings.HasPrefix(body, head) || strings.Count(body, kept) != 2 || strings.Count(body, `\u0`) != strings.Count(head, `\u0`)+2 || !strings.HasSuffix(body, "data: [DONE]\n\n") {
				t.Errorf("%s cut at %v: the rest changed: %s", name, cuts, shown)
			}
		}
	}
}
