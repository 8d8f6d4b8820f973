package codecs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
)

// events returns payloads as server-sent events.
func events(payloads ...string) string {
	var b strings.Builder
	for _, p := range payloads {
		fmt.Fprintf(&b, "data: %s\n\n", p)
	}
	return b.String()
}

// emptyCalls are streams of two calls at once, the first without arguments, as each vendor sends such a one, and the second
// with {"a":1}.
var emptyCalls = map[llm.Dialect]string{
	llm.OpenAI: events(
		`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"now","arguments":""}}]}}]}`,
		`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}},{"index":1,"id":"2","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]}}]}`,
		`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}]}`, `[DONE]`),
	llm.Responses: events(
		`{"type":"response.created","response":{"id":"r","object":"response","status":"in_progress","model":"m","output":[]}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"i1","call_id":"1","name":"now","arguments":""}}`,
		`{"type":"response.function_call_arguments.done","output_index":0,"item_id":"i1","arguments":""}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"i1","call_id":"1","name":"now","arguments":""}}`,
		`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"i2","call_id":"2","name":"f","arguments":""}}`,
		`{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"i2","delta":"{\"a\":1}"}`,
		`{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"i2","call_id":"2","name":"f","arguments":"{\"a\":1}"}}`,
		`{"type":"response.completed","response":{"id":"r","object":"response","status":"completed","model":"m","output":[]}}`),
	llm.Anthropic: events(
		`{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"1","name":"now","input":{}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}`, `{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"2","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`, `{"type":"content_block_stop","index":1}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}`, `{"type":"message_stop"}`),
	llm.Gemini: events(
		`{"responseId":"g","modelVersion":"m","candidates":[{"index":0,"content":{"role":"model","parts":[{"functionCall":{"id":"1","name":"now"}},{"functionCall":{"id":"2","name":"f","args":{"a":1}}}]},"finishReason":"STOP"}]}`),
	llm.Bedrock: events(
		`{"messageStart":{"role":"assistant"}}`,
		`{"contentBlockStart":{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"1","name":"now"}}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":""}}}}`, `{"contentBlockStop":{"contentBlockIndex":0}}`,
		`{"contentBlockStart":{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"2","name":"f"}}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":1}"}}}}`, `{"contentBlockStop":{"contentBlockIndex":1}}`,
		`{"messageStop":{"stopReason":"tool_use"}}`),
	llm.Cohere: events(
		`{"type":"message-start","id":"x","delta":{"message":{"role":"assistant","content":[]}}}`,
		`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"1","type":"function","function":{"name":"now","arguments":""}}}}}`, `{"type":"tool-call-end","index":0}`,
		`{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"2","type":"function","function":{"name":"f","arguments":""}}}}}`,
		`{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":1}"}}}}}`, `{"type":"tool-call-end","index":1}`,
		`{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}`),
	llm.Ollama: `{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"id":"1","function":{"name":"now"}},{"id":"2","function":{"name":"f","arguments":{"a":1}}}]},"done":false}` + "\n" +
		`{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}` + "\n",
}

// TestACallWithoutArguments has an empty object for clients of every dialect, which parse it: in a stream, in one that is
// gathered to a whole answer, and where the whole answer is given as a stream.
func TestACallWithoutArguments(t *testing.T) {
	for from, stream := range emptyCalls {
		deltas, err := decode(from, []byte(stream))
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		deltas[0].ID, deltas[0].Model = "id", "m"
		gathered := collected(t, from, stream)
		gathered.ID, gathered.Model = "id", "m"
		for _, client := range dialects {
			for form, deltas := range map[string][]conversation.Delta{"streamed": deltas, "whole as a stream": gathered.Deltas(nil)} {
				e := Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
				var raw []byte
				for i := range deltas {
					d := deltas[i]
					raw = e.Append(raw, &d)
				}
				raw = e.End(raw)
				if err := grammar.Check(client, raw); err != nil {
					t.Errorf("%s to %s, %s: %v", from, client, form, err)
				}
			}
			whole := string(Translator(client).EncodeAnswer(gathered))
			if strings.Contains(whole, `"arguments":""`) || !strings.Contains(strings.ReplaceAll(whole, `\"`, `"`), `{"a":1}`) {
				t.Errorf("%s to %s, gathered: %s", from, client, whole)
			}
		}
	}
}

// TestWhiteSpaceIsNoArguments: a call that is streamed with nothing else has an empty object, too.
func TestWhiteSpaceIsNoArguments(t *testing.T) {
	for from, piece := range map[llm.Dialect]string{llm.OpenAI: `{"index":0,"function":{"arguments":%s}}`, llm.Anthropic: `"partial_json":%s`, llm.Bedrock: `"toolUse":{"input":%s}`} {
		stream := strings.Replace(emptyCalls[from], fmt.Sprintf(piece, `""`), fmt.Sprintf(piece, `" \n"`), 1)
		deltas, err := decode(from, []byte(stream))
		if err != nil || !strings.Contains(stream, `" \n"`) {
			t.Fatalf("%s: %v %s", from, err, stream)
		}
		deltas[0].ID, deltas[0].Model = "id", "m"
		for _, client := range dialects {
			e := Translator(client).Encoder(conversation.StreamOptions{})
			var raw []byte
			for i := range deltas {
				d := deltas[i]
				raw = e.Append(raw, &d)
			}
			if err := grammar.Check(client, e.End(raw)); err != nil {
				t.Errorf("%s to %s: %v", from, client, err)
			}
		}
	}
}

// TestACallWithoutArgumentsIsGivenBack with an empty object to every provider.
func TestACallWithoutArgumentsIsGivenBack(t *testing.T) {
	const asked = `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"now","arguments":""}}]},{"role":"tool","tool_call_id":"1","content":"noon"}]}`
	for _, target := range upstreams {
		body, _, err := encoded(t, llm.OpenAI, target, asked)
		if err != nil || strings.Contains(body, `"arguments":""`) || !strings.Contains(body, `{}`) {
			t.Errorf("%s: %v %s", target, err, body)
		}
	}
}

// TestAStreamThatFailsKeepsItsGrammar for clients of every dialect, wherever it fails.
func TestAStreamThatFailsKeepsItsGrammar(t *testing.T) {
	deltas, err := decode(llm.Anthropic, []byte(emptyCalls[llm.Anthropic]))
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range dialects {
		for n := range deltas {
			e := Translator(client).Encoder(conversation.StreamOptions{})
			var raw []byte
			for _, d := range append(deltas[:n:n], conversation.Delta{Kind: conversation.Failed, Err: &llm.Error{Code: llm.CodeUpstream, Message: "m"}}) {
				raw = e.Append(raw, &d)
			}
			if err := grammar.Check(client, raw); err != nil {
				t.Errorf("%s, after %d deltas: %v", client, n, err)
			}
		}
	}
}
