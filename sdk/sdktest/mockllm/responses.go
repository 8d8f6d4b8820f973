package mockllm

import (
	"fmt"
	"strings"
)

// openAIResponses are OpenAI's Responses, which fail as Chat Completions do but in streams.
var openAIResponses = vendor{
	refuse: openAI.refuse,
	kinds:  openAI.kinds,
	broken: "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\n\n",
	failed: "event: error\ndata: {\"type\":\"error\",\"sequence_number\":1000000,\"code\":\"server_error\",\"message\":\"mock mid-stream\",\"param\":null}\n\n",
}

var (
	responses   = &surface{name: "responses", vendor: openAIResponses, answer: responseAnswer, events: responseEvents}
	inputTokens = &surface{name: "input_tokens", vendor: openAIResponses, answer: constant(`{"object":"response.input_tokens","input_tokens":19}`)}
)

// reasons reports whether the model says what it thought.
func (q *request) reasons() bool { return len(q.Reasoning) > len("{}") && q.Reasoning[0] == '{' }

// responseItems are the items of an answer: what was thought, what is said, the tool that is called.
func responseItems(q *request, words string) []string {
	var items []string
	if q.reasons() {
		items = append(items, `{"type":"reasoning","id":"rs_01","summary":[`+summaryText(thought)+`]}`)
	}
	items = append(items, fmt.Sprintf(`{"type":"message","id":"msg_01","status":"completed","role":"assistant","content":[%s]}`, outputText(words)))
	if q.calls() {
		items = append(items, fmt.Sprintf(`{"type":"function_call","id":"fc_01","call_id":"call_01","name":"lookup","arguments":%q,"status":"completed"}`, arguments))
	}
	return items
}

func outputText(words string) string {
	return fmt.Sprintf(`{"type":"output_text","text":%q,"annotations":[],"logprobs":[]}`, words)
}

func summaryText(words string) string {
	return fmt.Sprintf(`{"type":"summary_text","text":%q}`, words)
}

func responseObject(status string, items []string) string {
	usage := "null"
	if status == "completed" {
		usage = `{"input_tokens":19,"input_tokens_details":{"cached_tokens":0},"output_tokens":230,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":249}`
	}
	return fmt.Sprintf(`{"id":"resp_mock01","object":"response","created_at":%d,"status":%q,"error":null,"incomplete_details":null,"instructions":null,"model":"gpt-4o-mini",`+
		`"output":[%s],"parallel_tool_calls":true,"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"metadata":{},"usage":%s}`, created, status, strings.Join(items, ","), usage)
}

func responseAnswer(q *request) []byte {
	return []byte(responseObject("completed", responseItems(q, text)))
}

func responseEvents(q *request, n int) [][]byte {
	s := &responseStream{}
	s.event("response.created", `"response":`+responseObject("in_progress", nil))
	s.event("response.in_progress", `"response":`+responseObject("in_progress", nil))
	words := make([]string, n)
	for i := range words {
		words[i] = token(i)
	}
	said := strings.Join(words, "")
	items := responseItems(q, said)
	for _, item := range items {
		switch {
		case strings.HasPrefix(item, `{"type":"reasoning"`):
			s.item(`{"type":"reasoning","id":"rs_01","summary":[]}`, item, func() { s.block(summaryPart, "rs_01", thought) })
		case strings.HasPrefix(item, `{"type":"message"`):
			s.item(`{"type":"message","id":"msg_01","status":"in_progress","role":"assistant","content":[]}`, item, func() { s.block(textPart, "msg_01", words...) })
		default:
			s.item(`{"type":"function_call","id":"fc_01","call_id":"call_01","name":"lookup","arguments":"","status":"in_progress"}`, item, s.call)
		}
	}
	s.event("response.completed", `"response":`+responseObject("completed", items))
	return s.events
}

// responseStream collects the events of a stream.
type responseStream struct {
	events [][]byte
	index  int // of the item at hand
}

func (s *responseStream) event(kind, rest string) {
	s.events = append(s.events, fmt.Appendf(nil, "event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,%s}\n\n", kind, kind, len(s.events), rest))
}

// item sends an item's beginning, what it consists of, and the whole of it.
func (s *responseStream) item(begun, whole string, inside func()) {
	s.event("response.output_item.added", fmt.Sprintf(`"output_index":%d,"item":%s`, s.index, begun))
	inside()
	s.event("response.output_item.done", fmt.Sprintf(`"output_index":%d,"item":%s`, s.index, whole))
	s.index++
}

// responsePart is how the events of one kind of part are named and what they have.
type responsePart struct {
	part, words, index, rest string
	whole                    func(text string) string
}

var (
	textPart    = responsePart{"response.content_part", "response.output_text", "content_index", `,"logprobs":[]`, outputText}
	summaryPart = responsePart{"response.reasoning_summary_part", "response.reasoning_summary_text", "summary_index", "", summaryText}
)

// block sends the first part of an item piece by piece.
func (s *responseStream) block(p responsePart, id string, pieces ...string) {
	at := fmt.Sprintf(`"item_id":%q,"output_index":%d,%q:0,`, id, s.index, p.index)
	s.event(p.part+".added", at+`"part":`+p.whole(""))
	for _, piece := range pieces {
		s.event(p.words+".delta", fmt.Sprintf(`%s"delta":%q%s`, at, piece, p.rest))
	}
	all := strings.Join(pieces, "")
	s.event(p.words+".done", fmt.Sprintf(`%s"text":%q%s`, at, all, p.rest))
	s.event(p.part+".done", at+`"part":`+p.whole(all))
}

func (s *responseStream) call() {
	at := fmt.Sprintf(`"item_id":"fc_01","output_index":%d,`, s.index)
	for _, piece := range []string{arguments[:9], arguments[9:]} {
		s.event("response.function_call_arguments.delta", fmt.Sprintf(`%s"delta":%q`, at, piece))
	}
	s.event("response.function_call_arguments.done", fmt.Sprintf(`%s"name":"lookup","arguments":%q`, at, arguments))
}
