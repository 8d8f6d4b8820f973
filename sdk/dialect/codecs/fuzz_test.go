package codecs

import (
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// FuzzRequests holds that whatever a client writes is refused or becomes a request of every other dialect
// that its codec can read, and that names nothing of what a vendor keeps unless the client's does.
func FuzzRequests(f *testing.F) {
	f.Add(0, []byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"t"}]}],"tools":[{"type":"function","function":{"name":"f"}}],"n":1}`))
	f.Add(1, []byte(`{"model":"m","instructions":"i","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},{"type":"reasoning","summary":[],"encrypted_content":"x"}],"reasoning":{"effort":"low"}}`))
	f.Add(2, []byte(`{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r","is_error":true}]}],"thinking":{"type":"enabled","budget_tokens":1024}}`))
	f.Add(3, []byte(`{"system_instruction":{"parts":{"text":"s"}},"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"x"}]},{"parts":[{"functionResponse":{"name":"f","response":{"result":"r"}}}]}],"generationConfig":{"responseSchema":{"type":"OBJECT"}}}`))
	f.Add(0, []byte(`{"model":"m","store":true,"top_logprobs":2,"messages":[{"role":"system","name":"n","content":"s","x":1},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low","x":1},"x":{}}]}],"tool_choice":{"type":"function"}}`))
	f.Add(1, []byte(`{"model":"m","input":[{"type":"function_call","call_id":"functions.f:0","name":"f","arguments":"{}","x":1},{"type":"function_call_output","call_id":"functions.f:0","output":{"a":1}}],"reasoning":{"summary":"detailed"}}`))
	f.Add(2, []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"content","content":[{"type":"text","text":"a","x":1}]}}]}]}`))
	f.Add(3, []byte(`{"contents":[{"parts":[{"text":"a","mediaResolution":{"level":"L"},"x":1}]}],"tools":[{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING","response":{}}]}]}`))
	f.Add(3, []byte(`{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"INTEGER","enum":["1","a"],"nullable":true,"minimum":"1","defs":{"a":{"ref":"#/defs/a"}},"property_ordering":["b"],"properties":{"b":{"anyOf":[{}]}},"example":null}}]}],"generationConfig":{"responseSchema":{"$ref":"#/$defs/a","nullable":true,"$defs":{}}}}`))
	f.Add(0, []byte(`{"model":"anthropic.claude-opus-5","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$defs":{"a":{"allOf":[{"properties":{"b\"":{}}}]}},"anyOf":[{"items":{"properties":{},"additionalProperties":true}}]}}}}`))
	f.Fuzz(func(t *testing.T, from int, body []byte) {
		source := dialects[uint(from)%4]
		var asked dialect.Request
		if Of(source).Request(llm.OpChat, body, &asked) != nil {
			return // it never comes to a translation
		}
		q, err := Translator(source).DecodeRequest(body)
		if err != nil {
			public(t, err)
			return
		}
		for _, target := range upstreams {
			copied := *q
			out, _, err := UpstreamTranslator(target).EncodeRequest(&copied, conversation.Limits{})
			if err != nil {
				public(t, err)
				continue
			}
			if err := read(target, out); err != nil {
				t.Errorf("%s to %s: %v: %s", source, target, err, out)
			}
			if names := named(target, out); len(asked.Files) == 0 && len(names) > 0 {
				t.Errorf("%s to %s: it names %q: %s", source, target, names, out)
			}
		}
	})
}

// public holds an error to be one that a client may see.
func public(t *testing.T, err error) {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Code != llm.CodeInvalid || e.Message == "" {
		t.Errorf("error %#v", err)
	}
}

// FuzzStreams holds that whatever a vendor streams is refused or becomes a stream of every dialect that
// keeps to the order of deltas.
func FuzzStreams(f *testing.F) {
	f.Add(0, []byte("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))
	f.Add(1, []byte("data: {\"type\":\"response.created\",\"response\":{\"id\":\"1\"}}\n\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"a\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n"))
	f.Add(2, []byte("data: {\"type\":\"message_start\",\"message\":{\"id\":\"1\"}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"s\"}}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"))
	f.Add(3, []byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\",\"thought\":true},{\"functionCall\":{\"name\":\"f\"}}]},\"finishReason\":\"STOP\"}]}\n\n"))
	f.Add(4, []byte("data: {\"messageStart\":{\"role\":\"assistant\"}}\n\ndata: {\"contentBlockDelta\":{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"}}}\n\ndata: {\"contentBlockStart\":{\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"1\",\"name\":\"f\"}}}}\n\ndata: {\"messageStop\":{\"stopReason\":\"tool_use\"}}\n\n"))
	f.Add(5, []byte("data: {\"id\":\"1\",\"type\":\"message-start\",\"delta\":{\"message\":{\"content\":[]}}}\n\ndata: {\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"a\"}}}\n\ndata: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}\n\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}}\n\ndata: [DONE]\n\n"))
	f.Add(6, []byte("{\"message\":{\"thinking\":\"t\"},\"done\":false}\n{\"message\":{\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}\n{\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2}\n"))
	f.Add(7, []byte("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"t\"}]},{\"type\":\"reference\",\"reference_ids\":[1]}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"model_length\"}]}\n\ndata: [DONE]\n\n"))
	f.Add(2, []byte("data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"))
	f.Add(0, []byte("data: {\"id\":\"1\",\"citations\":[\"u\"],\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"audio\":{\"transcript\":\"b\",\"data\":\"AA==\"},\"tool_calls\":[{\"function\":{\"name\":\"f\"}},{\"function\":{\"arguments\":\"{\"}}]},\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":-1}]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))
	f.Add(0, []byte("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u00e4b\",\"images\":[{\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}],\"annotations\":[{\"url_citation\":{\"start_index\":1,\"end_index\":2,\"url\":\"u\"}}]}}]}\n\ndata: [DONE]\n\n"))
	f.Add(1, []byte("data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"\u00e4b\"}\n\ndata: {\"type\":\"response.output_text.annotation.added\",\"output_index\":0,\"annotation\":{\"start_index\":1,\"end_index\":2,\"url\":\"u\"}}\n\ndata: {\"type\":\"response.content_part.done\",\"output_index\":0,\"part\":{\"annotations\":[]}}\n\n"))
	f.Add(3, []byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\u00e4b\",\"thoughtSignature\":\"x\"},{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}]},\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"u\"}}],\"groundingSupports\":[{\"segment\":{\"partIndex\":1,\"startIndex\":1,\"endIndex\":2},\"groundingChunkIndices\":[0]}]},\"citationMetadata\":{\"citationSources\":[{\"endIndex\":9,\"uri\":\"u\"}]},\"finishReason\":\"STOP\"}]}\n\n"))
	f.Fuzz(func(t *testing.T, from int, stream []byte) {
		source := upstreams[uint(from)%uint(len(upstreams))]
		if deltas, err := decode(source, stream); err == nil {
			streams(t, source, deltas, func(llm.Dialect, []byte) {})
		}
	})
}

// streams holds that deltas are in order and become a stream of every dialect, and shows it each.
func streams(t *testing.T, source llm.Dialect, deltas []conversation.Delta, show func(target llm.Dialect, raw []byte)) {
	t.Helper()
	var c conversation.Collector
	if err := c.Add(deltas...); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	for _, target := range dialects {
		e := Translator(target).Encoder(conversation.StreamOptions{IncludeUsage: true})
		l := conversation.Losses{Places: Translator(target).Places()}
		var raw []byte
		for i := range deltas {
			l.Delta(&deltas[i])
			raw = e.Append(raw, &deltas[i])
		}
		if c.Failed == nil {
			raw = e.End(raw)
		}
		if _, err := decode(target, raw); err != nil {
			t.Errorf("%s to %s: %v: %s", source, target, err, raw)
		}
		l.Answer(&c.Answer)
		for _, lost := range l.All() {
			if !strings.HasPrefix(lost.Field, "answer:") || lost.Why == "" {
				t.Errorf("%s to %s: %+v", source, target, lost)
			}
		}
		show(target, raw)
	}
}

// FuzzAnswers holds that whatever a vendor answers whole is refused or becomes an answer of every dialect, whole and as a
// stream.
func FuzzAnswers(f *testing.F) {
	f.Add(0, []byte(`{"id":"c","choices":[{"index":0,"message":{"content":[{"type":"text","text":"ä"},{"type":"text","text":"b"}],"images":[{"image_url":{"url":"u"}}],"annotations":[{"url_citation":{"start_index":1,"end_index":2,"url":"u"}}],"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\n}"}}]},"finish_reason":"stop","logprobs":{}}]}`))
	f.Add(1, []byte(`{"id":"r","status":"completed","output":[{"type":"reasoning","id":"rs","encrypted_content":"x"},{"type":"web_search_call","id":"w"},{"type":"message","content":[{"type":"output_text","text":"ä","annotations":[{"start_index":0,"end_index":1,"url":"u"}]}]}]}`))
	f.Add(2, []byte(`{"id":"m","content":[{"type":"text","text":"a","citations":[{"type":"page_location","cited_text":"q"}]},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use"}`))
	f.Add(3, []byte(`{"candidates":[{"content":{"parts":[{"text":"ä","thoughtSignature":"x"},{"text":"b"},{"executableCode":{"code":"c"}}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"partIndex":1,"endIndex":1},"groundingChunkIndices":[0]}]},"finishReason":"STOP"},{"index":1,"finishReason":"STOP"}]}`))
	f.Fuzz(func(t *testing.T, from int, body []byte) {
		source := upstreams[uint(from)%uint(len(upstreams))]
		a, err := UpstreamTranslator(source).DecodeAnswer(body)
		if err != nil {
			return
		}
		streams(t, source, a.Deltas(nil), func(target llm.Dialect, raw []byte) {
			if a.Choices != nil && !complete(target, raw) {
				t.Errorf("%s to %s: not a whole stream: %s", source, target, raw)
			}
			if _, err := Translator(target).DecodeAnswer(Translator(target).EncodeAnswer(a)); err != nil {
				t.Errorf("%s to %s: %v: %s", source, target, err, Translator(target).EncodeAnswer(a))
			}
		})
	})
}
