package filtertest

import (
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// speaker writes the words of an answer as a provider of its dialect would.
type speaker struct {
	whole    func(model string, words []string) string
	streamed func(model string, words []string) string
}

// speakers are the dialects in which answers are written from words. A new dialect without one still
// has the sections response and stream.
var speakers = map[llm.Dialect]speaker{
	llm.OpenAI:    {chatWhole, chatStreamed},
	llm.Anthropic: {messagesWhole, messagesStreamed},
	llm.Responses: {responsesWhole, responsesStreamed},
	llm.Gemini:    {geminiWhole, geminiStreamed},
}

func (s speaker) reply(w way, model string, words []string) *reply {
	if w == streamed {
		return &reply{200, llm.Header{{Name: "Content-Type", Value: "text/event-stream"}}, []byte(s.streamed(model, words))}
	}
	return &reply{200, llm.Header{{Name: "Content-Type", Value: "application/json"}}, []byte(s.whole(model, words))}
}

func all(words []string) string { return quote(strings.Join(words, "")) }

func chatWhole(model string, words []string) string {
	return fmt.Sprintf(`{"id":"chatcmpl-test","object":"chat.completion","created":1,"model":%s,"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":%d,"total_tokens":%d}}`,
		quote(model), all(words), len(words), len(words)+1)
}

func chatStreamed(model string, words []string) string {
	var b strings.Builder
	event := func(delta, finish string) {
		fmt.Fprintf(&b, "data: {\"id\":\"chatcmpl-test\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":%s,\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", quote(model), delta, finish)
	}
	event(`{"role":"assistant","content":""}`, "null")
	for _, w := range words {
		event(`{"content":`+quote(w)+`}`, "null")
	}
	event(`{}`, `"stop"`)
	return b.String() + "data: [DONE]\n\n"
}

func messagesWhole(model string, words []string) string {
	return fmt.Sprintf(`{"id":"msg_test","type":"message","role":"assistant","model":%s,"content":[{"type":"text","text":%s}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":%d}}`,
		quote(model), all(words), len(words))
}

func messagesStreamed(model string, words []string) string {
	var b strings.Builder
	event := func(name, members string) {
		fmt.Fprintf(&b, "event: %s\ndata: {\"type\":\"%[1]s\"%s}\n\n", name, members)
	}
	event("message_start", fmt.Sprintf(`,"message":{"id":"msg_test","type":"message","role":"assistant","model":%s,"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`, quote(model)))
	event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	for _, w := range words {
		event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+quote(w)+`}`)
	}
	event("content_block_stop", `,"index":0`)
	event("message_delta", fmt.Sprintf(`,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`, len(words)))
	event("message_stop", "")
	return b.String()
}

// response is a response object of the Responses API with the given output and status.
func response(model, status, output, usage string) string {
	return fmt.Sprintf(`{"id":"resp_test","object":"response","created_at":1,"status":%q,"model":%s,"output":[%s],"usage":%s}`, status, quote(model), output, usage)
}

func responseItem(status, text string) string {
	return fmt.Sprintf(`{"id":"msg_test","type":"message","status":%q,"role":"assistant","content":[%s]}`, status, text)
}

func responseText(text string) string {
	return `{"type":"output_text","text":` + text + `,"annotations":[]}`
}

func responseUsage(words []string) string {
	return fmt.Sprintf(`{"input_tokens":1,"output_tokens":%d,"total_tokens":%d}`, len(words), len(words)+1)
}

func responsesWhole(model string, words []string) string {
	return response(model, "completed", responseItem("completed", responseText(all(words))), responseUsage(words))
}

func responsesStreamed(model string, words []string) string {
	var b strings.Builder
	n := 0
	event := func(name, members string) {
		fmt.Fprintf(&b, "event: %s\ndata: {\"type\":\"%[1]s\",\"sequence_number\":%d,%s}\n\n", name, n, members)
		n++
	}
	const at = `"item_id":"msg_test","output_index":0,"content_index":0,`
	event("response.created", `"response":`+response(model, "in_progress", "", "null"))
	event("response.output_item.added", `"output_index":0,"item":`+responseItem("in_progress", ""))
	event("response.content_part.added", at+`"part":`+responseText(`""`))
	for _, w := range words {
		event("response.output_text.delta", at+`"delta":`+quote(w))
	}
	event("response.output_text.done", at+`"text":`+all(words))
	event("response.content_part.done", at+`"part":`+responseText(all(words)))
	event("response.output_item.done", `"output_index":0,"item":`+responseItem("completed", responseText(all(words))))
	event("response.completed", `"response":`+responsesWhole(model, words))
	return b.String()
}

// candidate is an answer object of the Gemini API.
func candidate(model, text, finish string, words int) string {
	return fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%s}],"role":"model"}%s,"index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":%s}`,
		text, finish, words, words+1, quote(model))
}

const geminiStop = `,"finishReason":"STOP"`

func geminiWhole(model string, words []string) string {
	return candidate(model, all(words), geminiStop, len(words))
}

func geminiStreamed(model string, words []string) string {
	var b strings.Builder
	for i, w := range words {
		finish := ""
		if i == len(words)-1 {
			finish = geminiStop
		}
		fmt.Fprintf(&b, "data: %s\n\n", candidate(model, quote(w), finish, i+1))
	}
	return b.String()
}
