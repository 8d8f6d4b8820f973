package codecs

import (
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// param returns the member that a refusal of a request names, or "" where it was encoded.
func param(t *testing.T, from, to llm.Dialect, body string) string {
	t.Helper()
	q, err := Translator(from).DecodeRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var e *llm.Error
	if _, _, err = UpstreamTranslator(to).EncodeRequest(q, conversation.Limits{}); err == nil {
		return ""
	}
	if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(e.Message, "`"+e.Param+"`") {
		t.Errorf("%s to %s: %v", from, to, err)
		return ""
	}
	return e.Param
}

// TestInstructionsAlone are refused by the client's name of the field where the provider must refuse them.
func TestInstructionsAlone(t *testing.T) {
	alone := map[llm.Dialect][2]string{
		llm.OpenAI:    {`{"model":"m","messages":[{"role":"system","content":"s"}]}`, "messages"},
		llm.Responses: {`{"model":"m","input":[],"instructions":"s"}`, "input"},
		llm.Anthropic: {`{"model":"m","max_tokens":5,"system":"s","messages":[]}`, "messages"},
		llm.Gemini:    {`{"contents":[],"systemInstruction":{"parts":[{"text":"s"}]}}`, "contents"},
	}
	must := map[llm.Dialect]bool{llm.Anthropic: true, llm.Gemini: true, llm.Bedrock: true, llm.Mistral: true}
	for from, c := range alone {
		for _, to := range upstreams {
			want := ""
			if must[to] {
				want = c[1]
			}
			if got := param(t, from, to, c[0]); got != want {
				t.Errorf("%s to %s: %q, want %q", from, to, got, want)
			}
		}
	}
	body, lost, err := encoded(t, llm.OpenAI, llm.Responses, alone[llm.OpenAI][0])
	if err != nil || lost != "" || !strings.Contains(body, `"input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"s"}]}]`) || strings.Contains(body, "instructions") {
		t.Errorf("Responses, which refuses instructions without input: %v %q %s", err, lost, body)
	}
}

// TestARequestThatSaysNothing is refused for every provider, unless something stands for words, which is named then.
func TestARequestThatSaysNothing(t *testing.T) {
	for _, to := range upstreams {
		for body, want := range map[string]string{`{"model":"m","input":[]}`: "input", `{"model":"m","prompt":{"id":"p"}}`: "prompt"} {
			if got := param(t, llm.Responses, to, body); got != want && to != llm.Responses {
				t.Errorf("%s to %s: %q", body, to, got)
			}
		}
		if got := param(t, llm.OpenAI, to, `{"model":"m","messages":[{"role":"user","content":[]}]}`); got != "messages" {
			t.Errorf("nothing in a message, to %s: %q", to, got)
		}
	}
}

// TestAConversationThatTheModelBegins is refused by the place of what it said where the user has to begin.
func TestAConversationThatTheModelBegins(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"system","content":"s"},{"role":"assistant","content":"hello"},{"role":"user","content":"q"}]}`
	for _, to := range []llm.Dialect{llm.Anthropic, llm.Bedrock} {
		if got := param(t, llm.OpenAI, to, body); got != "messages[1]" {
			t.Errorf("%s: %q", to, got)
		}
	}
}

// TestAResultWithoutItsCall has no name, without which Gemini refuses it, unless one call alone is left that it can answer.
func TestAResultWithoutItsCall(t *testing.T) {
	const call = `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},`
	const result = `{"role":"tool","tool_call_id":"1","content":"r"}]}`
	if got := param(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[{"role":"user","content":"q"},`+result); got != "messages[1]" {
		t.Errorf("alone: %q", got)
	}
	if got := param(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[{"role":"user","content":"q"},`+call+result); got != "" {
		t.Errorf("with its call: %q", got)
	}
	const other = `{"id":"2","type":"function","function":{"name":"g","arguments":"{}"}}`
	odd := strings.Replace(result, `"tool_call_id":"1"`, `"tool_call_id":"odd"`, 1)
	for ending, want := range map[string]string{
		call + odd: "",
		strings.Replace(call, `]}`, `,`+other+`]}`, 1) + odd:                                                             "messages[2]",
		strings.Replace(call, `]}`, `,`+other+`]}`, 1) + `{"role":"tool","tool_call_id":"2","content":"r"},` + odd:       "",
		strings.Replace(call, `]}`, `,`+other+`]}`, 1) + `{"role":"tool","tool_call_id":"strange","content":"r"},` + odd: "messages[2]",
	} {
		if got := param(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[{"role":"user","content":"q"},`+ending); got != want {
			t.Errorf("%s: %q, want %q", ending, got, want)
		}
	}
	if out, _, err := encoded(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[{"role":"user","content":"q"},`+call+odd); err != nil || !strings.Contains(out, `"functionResponse":{"name":"f"`) {
		t.Errorf("of the only call: %v %s", err, out)
	}
	if got := param(t, llm.Responses, llm.Gemini, `{"model":"m","previous_response_id":"r","input":[{"type":"function_call_output","call_id":"1","output":"r"}]}`); got != "previous_response_id" {
		t.Errorf("of a call of an earlier response: %q", got)
	}
}
