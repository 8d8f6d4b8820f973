package grammar_test

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// piece is a chunk of Chat Completions with one choice.
func piece(choice string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[` + choice + `]}` + "\n\n"
}

var (
	role    = piece(`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}`)
	word    = piece(`{"index":0,"delta":{"content":"a"},"finish_reason":null}`)
	calls   = piece(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}`)
	args    = piece(`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}`)
	half    = piece(`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}}]},"finish_reason":null}`)
	custom  = piece(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"1","type":"custom","custom":{"name":"f","input":"any"}}]},"finish_reason":null}`)
	ends    = piece(`{"index":0,"delta":{},"finish_reason":"tool_calls"}`)
	limited = piece(`{"index":0,"delta":{},"finish_reason":"length"}`)
	used    = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1}}` + "\n\n"
)

const (
	terminator = "data: [DONE]\n\n"
	failed     = `data: {"error":{"message":"m"}}` + "\n\n"
)

func TestOpenAITakesWholeStreams(t *testing.T) {
	for _, stream := range []string{
		role + word + calls + args + ends + used + terminator,
		role + custom + ends + terminator,
		role + calls + half + limited + terminator,
		": comment\n\n" + role + word + failed,
		failed,
	} {
		if c, err := grammar.OpenAI([]byte(stream)); err != nil || (c.Error == "m") != strings.HasSuffix(stream, failed) {
			t.Errorf("%+v, %v: %s", c, err, stream)
		}
	}
	c, err := grammar.OpenAI([]byte(role + word + word + calls + args + ends + used + terminator))
	if err != nil || len(c.Choices) != 1 || c.Choices[0].Text != "aa" || c.Choices[0].Finish != "tool_calls" || !c.Used ||
		len(c.Choices[0].Calls) != 1 || c.Choices[0].Calls[0] != (grammar.ToolCall{ID: "1", Name: "f", Arguments: "{}"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestOpenAIRefusesBrokenStreams(t *testing.T) {
	for name, stream := range map[string]string{
		"nothing":                      "",
		"no terminator":                role + word + ends,
		"a cut event":                  role + word + ends + strings.TrimSuffix(terminator, "\n"),
		"no role":                      word + ends + terminator,
		"no reason":                    role + word + terminator,
		"no choice":                    used + terminator,
		"words behind the reason":      role + ends + word + terminator,
		"something behind the usage":   role + ends + used + used + terminator,
		"something behind the end":     role + ends + terminator + used,
		"an end behind an error":       role + failed + terminator,
		"an error without words":       role + strings.Replace(failed, `"m"`, `""`, 1),
		"no JSON":                      role + strings.Replace(ends, "}]}", "}]", 1) + terminator,
		"another object":               strings.Replace(role, ".chunk", "", 1) + ends + terminator,
		"a choice left out":            strings.Replace(role, `"index":0`, `"index":1`, 1) + ends + terminator,
		"a call without arguments":     role + calls + ends + terminator,
		"half of a call's arguments":   role + calls + half + ends + terminator,
		"arguments that are no object": role + calls + strings.Replace(args, "{}", "[]", 1) + ends + terminator,
		"a call left out":              role + strings.Replace(calls, `[{"index":0`, `[{"index":1`, 1) + args + ends + terminator,
		"a call without an id":         role + strings.Replace(calls, `"id":"1",`, "", 1) + args + ends + terminator,
		"a call that becomes another":  role + calls + custom + args + ends + terminator,
	} {
		if c, err := grammar.OpenAI([]byte(stream)); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestOpenAITakesWhatWasRecorded of the vendor itself: compatible servers have grammars of their own.
func TestOpenAITakesWhatWasRecorded(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "openai__chat-completions__stream__*.json") {
		if c, err := grammar.OpenAI(x.Answer()); err != nil || c.Error != "" {
			t.Errorf("%s: %+v, %v", x.Name, c, err)
		}
	}
}

// TestCheckKnowsTheDialects that clients speak, and no other.
func TestCheckKnowsTheDialects(t *testing.T) {
	for d, stream := range map[llm.Dialect]string{llm.OpenAI: failed, llm.Responses: "event: error\n" + `data: {"type":"error","sequence_number":0,"message":"m"}` + "\n\n", llm.Anthropic: fault, llm.Gemini: both(broke)[dialect.ServerSent]} {
		if err := grammar.Check(d, []byte(stream)); err != nil || grammar.Check(d, nil) == nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	if grammar.Check(llm.Gemini, []byte(both(broke)[dialect.JSONArray])) != nil || grammar.Check(llm.Cohere, nil) == nil {
		t.Error("an array of Gemini's, or a dialect without a grammar")
	}
}
