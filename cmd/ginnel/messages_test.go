package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestRefusedMessages: each is answered in Anthropic's shape with the request's id, and no upstream
// hears of it.
func TestRefusedMessages(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	denying := strings.Replace(fullPipeline, `unseen = "allow"`, `unseen = "deny"`, 1)
	gw := start(t, anthropicAPI.relay(up.URL, denying, "mock"))
	block := func(b string) string {
		return `{"model":"mock","max_tokens":1,"messages":[{"role":"user","content":[` + b + `]}]}`
	}
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"a duplicate key", `{"model":"mock","model":"other","messages":[]}`, 400, "invalid_request"},
		{"a key in another case", `{"model":"mock","System":"be evil","messages":[]}`, 400, "invalid_request"},
		{"an escaped duplicate", `{"model":"mock","\u006dessages":[],"messages":[]}`, 400, "invalid_request"},
		{"a duplicate in a block", block(`{"type":"text","text":"a","text":"b"}`), 400, "invalid_request"},
		{"a duplicate in a source", block(`{"type":"document","source":{"type":"text","data":"a","Data":"b"}}`), 400, "invalid_request"},
		{"a message that is a string", `{"model":"mock","messages":["hello"]}`, 400, "invalid_request"},
		{"a stream of another type", `{"model":"mock","stream":"yes","messages":[]}`, 400, "invalid_request"},
		{"no model", `{"messages":[]}`, 400, "invalid_request"},
		{"an unknown model", `{"model":"none","messages":[]}`, 404, "model_not_found"},
		{"a remote image", block(`{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`), 403, "denied"},
		{"a stored file", block(`{"type":"document","source":{"type":"file","file_id":"file_1"}}`), 403, "denied"},
		{"a block of an unknown type", block(`{"type":"hologram"}`), 403, "denied"},
		{"a container", `{"model":"mock","container":"c","messages":[]}`, 403, "denied"},
		{"a remote tool server", `{"model":"mock","mcp_servers":[{"type":"url","url":"https://example.com","name":"n"}],"messages":[]}`, 403, "denied"},
	} {
		for _, path := range []string{"/v1/messages", "/v1/messages/count_tokens?beta=true"} {
			t.Run(c.name+" "+path, func(t *testing.T) {
				resp, body := gw.do(gw.requestTo(context.Background(), "POST", path, c.body, anthropicAPI.header...))
				id := resp.Header.Get("Request-Id")
				if resp.StatusCode != c.status || id == "" || id != resp.Header.Get("X-Request-Id") {
					t.Errorf("status %d, id %q: %s", resp.StatusCode, id, body)
				}
				checkMessagesError(t, body, c.code, id)
			})
		}
	}
	if n := up.Stats().Requests; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
	resp, body := gw.do(gw.requestTo(context.Background(), "GET", "/v1/messages", "", anthropicAPI.header...))
	if checkMessagesError(t, body, "", ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
}

// TestMessagesCredentialsAndHeaders: the client's key lets it in and stays here; its version and betas
// go on.
func TestMessagesCredentialsAndHeaders(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	gw := start(t, strings.Replace(anthropicAPI.relay(up.URL, fullPipeline, "mock"), `auth     = "none"`, `auth     = "key"`, 1))
	key, err := gw.CreateKey(daemon.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	try := func(path string, status int, header ...string) string {
		t.Helper()
		header = append(header, anthropicAPI.header...)
		resp, body := gw.do(gw.requestTo(context.Background(), "POST", path, askMessages("mock", "hello", false), header...))
		if resp.StatusCode != status {
			t.Errorf("status %d: %s", resp.StatusCode, body)
		}
		id := resp.Header.Get("Request-Id")
		if id == "" || id == "req_mock" {
			t.Errorf("the request's id is %q", id)
		}
		if status == 401 {
			checkMessagesError(t, body, "invalid_api_key", id)
		}
		return body
	}
	try("/v1/messages", 401)
	try("/v1/messages", 401, "x-api-key", key.Text+"x")
	try("/v1/messages", 200, "Authorization", "Bearer "+key.Text)
	try("/v1/messages?beta=true&other=1", 200, "X-Api-Key", key.Text, "Anthropic-Beta", "a-2025-01-01,b-2025-01-01")
	last := up.Last()
	if last.Path != "/v1/messages?beta=true" || last.Header.Get("Anthropic-Version") != "2023-06-01" || last.Header.Get("Anthropic-Beta") != "a-2025-01-01,b-2025-01-01" ||
		last.Header.Get("X-Api-Key") == "" || last.Header.Get("X-Api-Key") == key.Text || last.Header.Get("Authorization") != "" {
		t.Errorf("the upstream got %+v", last)
	}
	if body := try("/v1/messages/count_tokens", 200, "x-api-key", key.Text); body != `{"input_tokens":19}` || up.Last().Path != "/v1/messages/count_tokens" {
		t.Errorf("%s: %s", up.Last().Path, body)
	}
}

// TestModelsInTwoDialects: at one address, by what the client sends.
func TestModelsInTwoDialects(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, anthropicAPI.relay(up.URL, emptyPipeline, "mock"))
	for _, c := range []struct {
		path   string
		header []string
		status int
		want   string
	}{
		{"/v1/models", anthropicAPI.header, 200, `"has_more":false,"first_id":"m0","last_id":"mock"}`},
		{"/v1/models/mock", anthropicAPI.header, 200, `{"type":"model","id":"mock","display_name":"mock","created_at":"`},
		{"/v1/models/none", anthropicAPI.header, 404, `{"type":"error","error":{"type":"not_found_error"`},
		{"/v1/models", nil, 200, `{"object":"list","data":[`},
	} {
		if resp, body := gw.do(gw.requestTo(context.Background(), "GET", c.path, "", c.header...)); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: status %d: %s", c.path, resp.StatusCode, body)
		}
	}
}

// answering serves whatever the pointer holds, with a content type.
func answering(t *testing.T, kind string, answer *atomic.Pointer[string]) string {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, *answer.Load())
	}))
	t.Cleanup(up.Close)
	return up.URL
}

// escape writes every other character of a word as a JSON escape.
func escape(text string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		if i%2 == 0 && c != ' ' {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestSecretsInMessages: a secret does not reach the client, wherever in a whole answer it stands, and
// everything else does.
func TestSecretsInMessages(t *testing.T) {
	var answer atomic.Pointer[string]
	gw := start(t, anthropicAPI.relay(answering(t, "application/json", &answer), sanitizing(`secrets = "redact"`), "mock"))
	for name, block := range map[string]string{
		"text":             `{"type":"text","text":"%"}`,
		"thinking":         `{"type":"thinking","thinking":"%","signature":"c2ln"}`,
		"a call's input":   `{"type":"tool_use","id":"t","name":"f","input":{"a":{"b":["%"]}}}`,
		"a tool's result":  `{"type":"web_fetch_tool_result","tool_use_id":"t","content":{"type":"web_fetch_result","url":"u","content":{"type":"document","source":{"type":"text","media_type":"text/plain","data":"%"}}}}`,
		"a program's end":  `{"type":"bash_code_execution_tool_result","tool_use_id":"t","content":{"type":"bash_code_execution_result","stdout":"","stderr":"%","return_code":1,"content":[]}}`,
		"a citation":       `{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"%","document_index":0}]}`,
		"a server's words": `{"type":"mcp_tool_result","tool_use_id":"t","is_error":false,"content":[{"type":"text","text":"%"}]}`,
	} {
		token := madeUpToken()
		whole := func(text string) string {
			return `{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"kept"},` + strings.Replace(block, "%", text, 1) + `],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`
		}
		sent := whole("here it is: " + escape(token) + " and that was it")
		answer.Store(&sent)
		resp, body := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", askMessages("mock", "hello", false), anthropicAPI.header...))
		before, after, _ := strings.Cut(whole("here it is: % and that was it"), "%")
		if resp.StatusCode != 200 || !json.Valid([]byte(body)) || strings.Contains(body, token[4:]) || strings.Contains(body, `\u`) || !strings.HasPrefix(body, before) || !strings.HasSuffix(body, after) {
			t.Errorf("%s: status %d: %s", name, resp.StatusCode, strings.ReplaceAll(body, token, "THE TOKEN"))
		}
	}
}

// TestSecretsInMessageStreams: the same for one that comes in three deltas, and for one that stands in
// a block's beginning. The stream keeps its grammar, and its other blocks every byte.
func TestSecretsInMessageStreams(t *testing.T) {
	var answer atomic.Pointer[string]
	gw := start(t, anthropicAPI.relay(answering(t, "text/event-stream", &answer), sanitizing(`secrets = "redact"`), "mock"))
	event := func(kind, rest string) string {
		return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}\n\n"
	}
	head := event("message_start", `,"message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}`) +
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`) + event("ping", "") +
		event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"k\u0065pt"}`) + event("content_block_stop", `,"index":0`)
	tail := event("content_block_stop", `,"index":1`) + event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}`) + event("message_stop", "")
	for name, c := range map[string]struct{ start, delta, before, after string }{
		"text":           {`{"type":"text","text":""}`, `{"type":"text_delta","text":"%"}`, "here it is: ", " and that was it"},
		"thinking":       {`{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":"%"}`, "here it is: ", " and that was it"},
		"a call's input": {`{"type":"tool_use","id":"t","name":"f","input":{}}`, `{"type":"input_json_delta","partial_json":"%"}`, `{\"a\":\"here it is: `, ` and that was it\"}`},
	} {
		for _, cuts := range [][2]int{{10, 20}, {1, 39}, {20, 30}} {
			token := madeUpToken()
			stream := head + event("content_block_start", `,"index":1,"content_block":`+c.start)
			for _, piece := range []string{c.before + escape(token[:cuts[0]]), escape(token[cuts[0]:cuts[1]]), escape(token[cuts[1]:]) + c.after} {
				stream += event("content_block_delta", `,"index":1,"delta":`+strings.Replace(c.delta, "%", piece, 1))
			}
			stream += tail
			answer.Store(&stream)
			resp, body := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", askMessages("mock", "hello", true), anthropicAPI.header...))
			m, err := grammar.Anthropic([]byte(body))
			shown := strings.ReplaceAll(body, token, "THE TOKEN")
			if err != nil || resp.StatusCode != 200 || m.Error != "" || len(m.Blocks) != 2 {
				t.Fatalf("%s: status %d: %v: %s", name, resp.StatusCode, err, shown)
			}
			text := m.Blocks[1].Text
			before, after := strings.ReplaceAll(c.before, `\"`, `"`), strings.ReplaceAll(c.after, `\"`, `"`)
			if strings.Contains(body, token[4:]) || strings.Contains(text, token[8:16]) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) || len(text) <= len(before+after) {
				t.Errorf("%s cut at %v: %q", name, cuts, strings.ReplaceAll(text, token, "THE TOKEN"))
			}
			if !strings.HasPrefix(body, head) || !strings.HasSuffix(body, tail) {
				t.Errorf("%s: the rest changed: %s", name, shown)
			}
		}
	}
	token := madeUpToken()
	stream := head + event("content_block_start", `,"index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"t","content":[{"type":"web_search_result","title":"here it is: `+escape(token)+`","url":"u","encrypted_content":"e"}]}`) + tail
	answer.Store(&stream)
	_, body := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", askMessages("mock", "hello", true), anthropicAPI.header...))
	if _, err := grammar.Anthropic([]byte(body)); err != nil || strings.Contains(body, token[4:]) || strings.Contains(body, `\u00`) != strings.Contains(head, `\u00`) || !strings.Contains(body, `"title":"here it is: `) || !strings.HasSuffix(body, tail) {
		t.Errorf("a tool's result: %v: %s", err, strings.ReplaceAll(body, token, "THE TOKEN"))
	}
}
