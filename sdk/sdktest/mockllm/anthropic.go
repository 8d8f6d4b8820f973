package mockllm

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var anthropic = vendor{
	refuse: func(_ int, kind, message string) string {
		return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%s},"request_id":"req_mock"}`, kind, quote(message))
	},
	kinds: map[int]string{401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
		429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "api_error", 504: "timeout_error"},
	broken: "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\n\n",
	failed: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"mock mid-stream\"}}\n\n",
	id:     "Request-Id",
}

var (
	messages    = &surface{name: "messages", vendor: anthropic, answer: messageAnswer, events: messageEvents}
	countTokens = &surface{name: "count_tokens", vendor: anthropic, answer: constant(`{"input_tokens":19}`)}
	claudes     = &surface{name: "claudes", vendor: anthropic, answer: constant(`{"data":[{"type":"model","id":"claude-mock","display_name":"Mock","created_at":"2023-11-14T22:13:20Z"}],"has_more":false,"first_id":"claude-mock","last_id":"claude-mock"}`)}
)

// models answers Anthropic's clients and OpenAI's, which ask at the same address.
func (m *Mock) models() http.HandlerFunc {
	ours, theirs := m.serve(models), m.serve(claudes)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Anthropic-Version") != "" {
			theirs(w, r)
		} else {
			ours(w, r)
		}
	}
}

const (
	thought   = "The user wants a fox. "
	signature = "bW9jaw=="
	toolCall  = `{"type":"tool_use","id":"toolu_mock01","name":"lookup","input":`
	arguments = `{"animal":"fox","legs":4}`
)

// calls reports whether the model calls the tools that it was given, thinks whether it thinks aloud.
func (q *request) calls() bool  { return len(q.Tools) > len("[]") && q.Tools[0] == '[' }
func (q *request) thinks() bool { return q.Thinking.Type == "enabled" || q.Thinking.Type == "adaptive" }

func messageAnswer(q *request) []byte {
	var blocks []string
	if q.thinks() {
		blocks = append(blocks, fmt.Sprintf(`{"type":"thinking","thinking":%q,"signature":%q}`, thought, signature))
	}
	blocks, stop := append(blocks, fmt.Sprintf(`{"type":"text","text":%q}`, text)), "end_turn"
	if q.calls() {
		blocks, stop = append(blocks, toolCall+arguments+"}"), "tool_use"
	}
	return fmt.Appendf(nil, `{"id":"msg_mock0000000000000001","type":"message","role":"assistant","model":"claude-mock","content":[%s],`+
		`"stop_reason":%q,"stop_sequence":null,"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":230}}`, strings.Join(blocks, ","), stop)
}

func messageEvents(q *request, n int) [][]byte {
	var out [][]byte
	event := func(kind, rest string) {
		out = append(out, fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q%s}\n\n", kind, kind, rest))
	}
	index := 0
	block := func(start string, deltas ...string) {
		event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, index, start))
		if index == 0 {
			event("ping", "")
		}
		for _, d := range deltas {
			event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":%s`, index, d))
		}
		event("content_block_stop", fmt.Sprintf(`,"index":%d`, index))
		index++
	}
	event("message_start", `,"message":{"id":"msg_mock0000000000000001","type":"message","role":"assistant","model":"claude-mock","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":19,"output_tokens":1}}`)
	if q.thinks() {
		block(`{"type":"thinking","thinking":"","signature":""}`, fmt.Sprintf(`{"type":"thinking_delta","thinking":%q}`, thought), fmt.Sprintf(`{"type":"signature_delta","signature":%q}`, signature))
	}
	var deltas []string
	for i := range n {
		deltas = append(deltas, `{"type":"text_delta","text":"`+token(i)+`"}`)
	}
	block(`{"type":"text","text":""}`, deltas...)
	stop := "end_turn"
	if q.calls() {
		stop = "tool_use"
		block(toolCall+"{}}", `{"type":"input_json_delta","partial_json":""}`, fmt.Sprintf(`{"type":"input_json_delta","partial_json":%q}`, arguments[:9]), fmt.Sprintf(`{"type":"input_json_delta","partial_json":%q}`, arguments[9:]))
	}
	event("message_delta", `,"delta":{"stop_reason":"`+stop+`","stop_sequence":null},"usage":{"output_tokens":`+strconv.Itoa(n)+`}`)
	event("message_stop", "")
	return out
}
