package codecs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// ended are whole answers of a word that end as %s says, and the same as a stream.
var ended = map[llm.Dialect][2]string{
	llm.OpenAI: {`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":%q}]}`,
		events(`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}`, `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":%q}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, `[DONE]`)},
	llm.Anthropic: {`{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":%q}`,
		events(`{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`,
			`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":%q},"usage":{"output_tokens":2}}`, `{"type":"message_stop"}`)},
	llm.Gemini: {`{"responseId":"g","modelVersion":"m","candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":%q}]}`,
		events(`{"responseId":"g","modelVersion":"m","candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":%q}]}`)},
	llm.Bedrock: {`{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}},"stopReason":%q}`,
		events(`{"messageStart":{"role":"assistant"}}`, `{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"a"}}}`, `{"contentBlockStop":{"contentBlockIndex":0}}`, `{"messageStop":{"stopReason":%q}}`)},
	llm.Cohere: {`{"id":"x","message":{"role":"assistant","content":[{"type":"text","text":"a"}]},"finish_reason":%q}`,
		events(`{"type":"message-start","id":"x"}`, `{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":"a"}}}}`, `{"type":"content-end","index":0}`,
			`{"type":"message-end","delta":{"finish_reason":%q,"usage":{"tokens":{"input_tokens":3,"output_tokens":2}}}}`)},
	llm.Ollama: {`{"model":"m","message":{"role":"assistant","content":"a"},"done":true,"done_reason":%q}`,
		`{"model":"m","message":{"role":"assistant","content":"a"},"done":false}` + "\n" + `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":%q}` + "\n"},
}

// TestWhatIsNotKnownIsNoRefusal: an answer that ends for a reason that nobody knows may not be whole, and nobody has refused
// it. Gemini's clients have a word for just that.
func TestWhatIsNotKnownIsNoRefusal(t *testing.T) {
	words := map[llm.Dialect]string{llm.OpenAI: `"finish_reason":"length"`, llm.Responses: `"reason":"max_output_tokens"`, llm.Anthropic: `"stop_reason":"max_tokens"`, llm.Gemini: `"finishReason":"OTHER"`}
	for from, forms := range ended {
		for _, client := range dialects {
			both := map[string]string{"streamed": spoken(collected(t, from, fmt.Sprintf(forms[1], "odd")), client)}
			a, err := UpstreamTranslator(from).DecodeAnswer([]byte(fmt.Sprintf(forms[0], "odd")))
			if err != nil {
				t.Fatal(err)
			}
			both["whole"] = string(Translator(client).EncodeAnswer(a))
			for form, out := range both {
				if !strings.Contains(out, words[client]) {
					t.Errorf("%s to %s, %s: no %s in %s", from, client, form, words[client], out)
				}
			}
		}
	}
}

// TestWhatAnUpstreamBrokeOffIsAnError, whole and streamed, and what it used is told before.
func TestWhatAnUpstreamBrokeOffIsAnError(t *testing.T) {
	for from, words := range map[llm.Dialect][]string{llm.OpenAI: {"insufficient_system_resource", "abort", "error"}, llm.Mistral: {"error"}, llm.Cohere: {"ERROR", "TIMEOUT"}} {
		forms := ended[from]
		if from == llm.Mistral {
			forms = ended[llm.OpenAI]
		}
		for _, word := range words {
			a, err := UpstreamTranslator(from).DecodeAnswer([]byte(fmt.Sprintf(forms[0], word)))
			if err != nil || a.Choices[0].Finish != conversation.FinishFailed || a.Choices[0].Finish.Usable() == nil {
				t.Errorf("%s, %s: %v %+v", from, word, err, a)
			}
			deltas, err := decode(from, []byte(fmt.Sprintf(forms[1], word)))
			var c conversation.Collector
			if err == nil {
				err = c.Add(deltas...)
			}
			if err != nil || c.Failed == nil || c.Failed.Code != llm.CodeUpstream || c.Answer.Usage == nil || c.Answer.Usage.InputTotal != 3 {
				t.Errorf("%s, %s, streamed: %v %+v", from, word, err, deltas)
			}
		}
	}
}

// TestOtherWordsForAnEnd: servers of OpenAI's dialect name the token that ended an answer, and Ollama says so where a model was
// loaded and nothing asked.
func TestOtherWordsForAnEnd(t *testing.T) {
	for from, words := range map[llm.Dialect][]string{llm.OpenAI: {"eos", "eos_token"}, llm.Ollama: {"load", "unload"}} {
		for _, word := range words {
			a, err := UpstreamTranslator(from).DecodeAnswer([]byte(fmt.Sprintf(ended[from][0], word)))
			if err != nil || a.Choices[0].Finish != conversation.FinishStop || collected(t, from, fmt.Sprintf(ended[from][1], word)).Choices[0].Finish != conversation.FinishStop {
				t.Errorf("%s, %s: %v %+v", from, word, err, a)
			}
		}
	}
}
