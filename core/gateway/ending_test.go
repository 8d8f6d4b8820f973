package gateway

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/llm"
)

const chunkOf = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[`

var events = map[string]string{"Content-Type": "text/event-stream"}

// streamedBy returns the path and body of a client's request for a stream.
func streamedBy(client llm.Dialect) (path, ask string) {
	switch client {
	case llm.Anthropic:
		return "/v1/messages", `{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"x"}]}`
	case llm.Responses:
		return "/v1/responses", `{"model":"m","stream":true,"input":"x"}`
	case llm.Gemini:
		return "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"x"}]}]}`
	}
	return "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}`
}

// failedFor reports whether a stream ends with an error in the client's dialect.
func failedFor(client llm.Dialect, stream string) (failed bool) {
	f := dialect.NewCutter(dialect.ServerSent)
	f.Feed([]byte(stream))
	var frame dialect.Frame
	for {
		if ok, err := f.Next(&frame); err != nil || !ok {
			return failed
		}
		var e dialect.Event
		if frame.Payload != nil && codecs.Of(client).Event(llm.OpChat, frame.Payload, &e) == nil {
			failed = e.Error != nil
		}
	}
}

// TestAStreamWithoutItsUsageIsCut: one that ends between why the model stopped and what it took is not whole for any
// client.
func TestAStreamWithoutItsUsageIsCut(t *testing.T) {
	const stopped = chunkOf + `{"index":0,"delta":{"role":"assistant","content":"all"},"finish_reason":"stop"}]`
	const used = `"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`
	const converse = `data: {"messageStart":{"role":"assistant"}}` + "\n\n" + `data: {"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"all"}}}` + "\n\n" +
		`data: {"contentBlockStop":{"contentBlockIndex":0}}` + "\n\n" + `data: {"messageStop":{"stopReason":"end_turn"}}` + "\n\n"
	for name, c := range map[string]struct {
		from   llm.Dialect
		stream string
		whole  bool
	}{
		"cut behind the reason":              {llm.OpenAI, stopped + "}\n\n", false},
		"cut before the terminator":          {llm.OpenAI, stopped + "}\n\n" + chunkOf + `],` + used + "}\n\n", true},
		"with usage and without terminator":  {llm.OpenAI, stopped + "," + used + "}\n\n", true},
		"with terminator and without usage":  {llm.OpenAI, stopped + "}\n\ndata: [DONE]\n\n", true},
		"Bedrock's, cut behind the reason":   {llm.Bedrock, converse, false},
		"Bedrock's, whole":                   {llm.Bedrock, converse + `data: {"metadata":{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}}` + "\n\n", true},
		"Mistral's, cut behind the reason":   {llm.Mistral, stopped + "}\n\n", false},
		"Mistral's, as it is":                {llm.Mistral, stopped + "," + used + "}\n\ndata: [DONE]\n\n", true},
		"a choice began and said nothing":    {llm.OpenAI, chunkOf + `{"index":1,"delta":{"role":"assistant"}}]}` + "\n\n" + stopped + "," + used + "}\n\n", false},
		"with white space behind its end":    {llm.OpenAI, stopped + "}\n\ndata: [DONE] \n\n", true},
		"with an error that says nothing":    {llm.OpenAI, stopped + `,"error":{"code":0,"message":""}}` + "\n\ndata: [DONE]\n\n", true},
		"Gemini's, whose prompt is blocked":  {llm.Gemini, `data: {"candidates":[{"content":{"parts":[{"text":"all"}]}}]}` + "\n\n" + `data: {"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}` + "\n\n", true},
		"a server that says [DONE], not why": {llm.OpenAI, chunkOf + `{"index":0,"delta":{"content":"all"}}]}` + "\n\ndata: [DONE]\n\n", true},
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini} {
			path, ask := streamedBy(client)
			_, got, _ := through(t, path, ask, canned{c.from, 200, events, c.stream})
			if failed := failedFor(client, got); failed == c.whole || !strings.Contains(got, "all") {
				t.Errorf("%s, for %s: failed %t:\n%s", name, client, failed, got)
			}
		}
	}
}

// TestAnAnswerThatAServerBrokeOff is an error for clients of other dialects, whole and streamed; its own get what it said.
func TestAnAnswerThatAServerBrokeOff(t *testing.T) {
	const stream = chunkOf + `{"index":0,"delta":{"role":"assistant","content":"half"}}]}` + "\n\n" +
		chunkOf + `{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\ndata: [DONE]\n\n"
	const whole = `{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"half"},"finish_reason":"insufficient_system_resource"}]}`
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini} {
		path, ask := streamedBy(client)
		_, got, _ := through(t, path, ask, canned{llm.OpenAI, 200, events, stream})
		if failed := failedFor(client, got); client == llm.OpenAI && got != stream || client != llm.OpenAI && !failed || !strings.Contains(got, "half") {
			t.Errorf("%s: failed %t:\n%s", client, failed, got)
		}
		path, ask = strings.Replace(path, "streamGenerateContent?alt=sse", "generateContent", 1), strings.Replace(ask, `"stream":true,`, "", 1)
		reply, got, _ := through(t, path, ask, canned{llm.OpenAI, 200, plainJSON, whole})
		if client == llm.OpenAI && got != whole || client != llm.OpenAI && reply.Status != 502 {
			t.Errorf("%s, whole: %d %s", client, reply.Status, got)
		}
	}
}

// TestAChoiceThatIsCutFailsARelayedStream, as it fails one that is translated.
func TestAChoiceThatIsCutFailsARelayedStream(t *testing.T) {
	const used = `"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`
	gemini := func(index, finish string) string {
		return `{"candidates":[{"index":` + index + `,"content":{"role":"model","parts":[{"text":"x"}]}` + finish + `}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`
	}
	const stop = `,"finishReason":"STOP"`
	for name, c := range map[string]struct {
		client llm.Dialect
		stream string
		whole  bool
	}{
		"chat":             {llm.OpenAI, twoChoicesCut + chunkOf + `],` + used + "}\n\n", false},
		"chat, both ended": {llm.OpenAI, twoChoicesCut + chunkOf + `{"index":1,"delta":{},"finish_reason":"length"}],` + used + "}\n\n", true},
		"gemini":           {llm.Gemini, "data: " + gemini("0", stop) + "\n\ndata: " + gemini("1", "") + "\n\n", false},
		"gemini, both":     {llm.Gemini, "data: " + gemini("1", "") + "\n\ndata: " + gemini("0", stop) + "\n\ndata: " + gemini("1", stop) + "\n\n", true},
	} {
		path, ask := streamedBy(c.client)
		_, got, _ := through(t, path, ask, canned{c.client, 200, events, c.stream})
		if failed := failedFor(c.client, got); failed == c.whole {
			t.Errorf("%s: failed %t:\n%s", name, failed, got)
		}
	}
	_, ask := streamedBy(llm.Gemini)
	_, got, _ := through(t, "/v1beta/models/m:streamGenerateContent", ask, canned{llm.Gemini, 200, plainJSON, "[" + gemini("0", stop) + ",\r\n" + gemini("1", "") + "]"})
	if !strings.Contains(got, `"error"`) {
		t.Errorf("an array: %s", got)
	}
}

// TestACutStreamIsBilledAsOne: its usage is not known, and it is no answer that was completed.
func TestACutStreamIsBilledAsOne(t *testing.T) {
	var x *exchange.Exchange
	watch := filter{exchange.PhaseDone, func(_ exchange.Phase, seen *exchange.Exchange) (exchange.Verdict, error) {
		x = seen
		return exchange.Verdict{}, nil
	}}
	path, body := streamedBy(llm.OpenAI)
	reply := ask(t, path, body, []string{chunkOf + `{"index":0,"delta":{"content":"all"},"finish_reason":"stop"}]}` + "\n\n"}, watch)
	all(t, reply, exchange.Completed)
	if x.End != exchange.UpstreamCut || x.Usage != nil {
		t.Errorf("%s, %+v", x.End, x.Usage)
	}
}
