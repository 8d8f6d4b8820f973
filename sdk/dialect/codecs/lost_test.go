package codecs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// encoded translates a request, and returns the body and the fields that are listed as lost.
func encoded(t *testing.T, from, to llm.Dialect, body string) (string, string, error) {
	t.Helper()
	q, err := UpstreamTranslator(from).DecodeRequest([]byte(body))
	if err != nil {
		return "", "", err
	}
	if q.Model == "" {
		q.Model = "m"
	}
	out, lost, err := UpstreamTranslator(to).EncodeRequest(q, conversation.Limits{})
	var fields []string
	for _, l := range lost {
		fields = append(fields, l.Field)
	}
	return string(out), strings.Join(fields, ", "), err
}

const user = `{"role":"user","content":"hi"}`

// TestResultsOfOneToolKeepTheirCalls: Gemini pairs results with calls of one name by their order.
func TestResultsOfOneToolKeepTheirCalls(t *testing.T) {
	out, _, err := encoded(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[`+user+`,{"role":"assistant","content":null,"tool_calls":[
		{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"c\":\"Paris\"}"}},
		{"id":"b","type":"function","function":{"name":"weather","arguments":"{\"c\":\"London\"}"}}]},
		{"role":"tool","tool_call_id":"b","content":"LONDON rain"},{"role":"tool","tool_call_id":"a","content":"PARIS sun"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, `"id"`) && strings.Index(out, "LONDON rain") < strings.Index(out, "PARIS sun") {
		t.Errorf("the call for Paris is answered with London's weather:\n%s", out)
	}
}

// TestReferencesInResultsAreTexts: Gemini takes a $ref in a result for the name of a part, and refuses one that it does not
// find. Tools return schemas.
func TestReferencesInResultsAreTexts(t *testing.T) {
	for name, result := range map[string]string{
		"a reference":  `{"schema":{"items":{"$ref":"#/$defs/a"}}}`,
		"with escapes": `{"\u0024ref":"a"}`,
	} {
		quoted, _ := json.Marshal(result)
		calls := `{"model":"m","messages":[` + user + `,{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":` + string(quoted) + `}]}`
		out, lost, err := encoded(t, llm.OpenAI, llm.Gemini, calls)
		if err != nil || lost != "" || !strings.Contains(out, `"response":{"result":`+string(quoted)+`}`) {
			t.Errorf("%s: %v, listed: %s\n%s", name, err, lost, out)
		}
	}
	converse := `{"messages":[{"role":"user","content":[{"text":"x"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"json":{"$ref":"a"}}]}}]}]}`
	if out, _, err := encoded(t, llm.Bedrock, llm.Gemini, converse); err != nil || !strings.Contains(out, `"response":{"result":"{\"$ref\":\"a\"}"}`) {
		t.Errorf("an object: %v\n%s", err, out)
	}
}

// TestCallIDsOfTwoAnswersDiffer: a conversation has both, and Anthropic refuses two of one id.
func TestCallIDsOfTwoAnswersDiffer(t *testing.T) {
	answer := func(id, city string) string {
		a, err := UpstreamTranslator(llm.Gemini).DecodeAnswer([]byte(`{"responseId":"` + id + `","candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"w","args":{"c":"` + city + `"}}}]},"finishReason":"STOP"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return a.Choices[0].Parts[0].Call.ID
	}
	if a, b := answer("r1", "Paris"), answer("r2", "London"); a == b {
		t.Errorf("two calls of one conversation are both %q", a)
	}
	for _, from := range []llm.Dialect{llm.Ollama} {
		a, err := UpstreamTranslator(from).DecodeAnswer([]byte(`{"model":"m","created_at":"2025-01-01T00:00:00Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"w","arguments":{"c":1}}}]},"done":true,"done_reason":"stop"}`))
		b, err2 := UpstreamTranslator(from).DecodeAnswer([]byte(`{"model":"m","created_at":"2025-01-01T00:00:09Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"w","arguments":{"c":2}}}]},"done":true,"done_reason":"stop"}`))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if a.Choices[0].Parts[0].Call.ID == b.Choices[0].Parts[0].Call.ID {
			t.Errorf("%s: two calls of one conversation are both %q", from, a.Choices[0].Parts[0].Call.ID)
		}
	}
}

// TestNothingIsLostInSilence: what a request says is in the body, listed, or refused.
func TestNothingIsLostInSilence(t *testing.T) {
	for name, c := range map[string]struct {
		from, to llm.Dialect
		body     string
		kept     string // in the body ...
		listed   string // ... or among the fields
	}{
		"an image in the system message":    {llm.OpenAI, llm.Responses, `{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"s"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]},` + user + `]}`, "y.png", "system"},
		"an image in systemInstruction":     {llm.Gemini, llm.Responses, `{"systemInstruction":{"parts":[{"text":"s"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]},"contents":[{"role":"user","parts":[{"text":"x"}]}]}`, "QUJD", "system"},
		"an image in a function's response": {llm.Gemini, llm.Anthropic, `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"w","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"w","response":{"x":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}}]}]}`, "QUJD", "parts"},
		"a part of an unknown kind":         {llm.Gemini, llm.OpenAI, `{"contents":[{"role":"user","parts":[{"text":"look:"},{"newKind":{"words":"SECRET"}}]}]}`, "SECRET", "newKind"},
		"arguments that are an object":      {llm.Responses, llm.Anthropic, `{"model":"m","input":[{"type":"message","role":"user","content":"x"},{"type":"function_call","call_id":"c","name":"f","arguments":{"city":"Paris"}},{"type":"function_call_output","call_id":"c","output":"y"}]}`, "Paris", "arguments"},
		"a format of an unknown type":       {llm.Responses, llm.Anthropic, `{"model":"m","text":{"format":{"type":"grammar","grammar":"G"}},"input":"x"}`, "grammar", "format"},
		"a format of an unknown type, A":    {llm.Anthropic, llm.OpenAI, `{"model":"m","max_tokens":5,"output_config":{"format":{"type":"regex","pattern":"P"}},"messages":[` + user + `]}`, "regex", "format"},
		"a task's budget":                   {llm.Anthropic, llm.OpenAI, `{"model":"m","max_tokens":5,"output_config":{"task_budget":{"type":"tokens","total":9}},"messages":[` + user + `]}`, "task_budget", "task_budget"},
		"an effort, adaptive":               {llm.Anthropic, llm.Gemini, `{"model":"m","max_tokens":4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"messages":[` + user + `]}`, `"thinkingBudget":1024`, "effort"},
		"an unknown effort":                 {llm.OpenAI, llm.Anthropic, `{"model":"m","reasoning_effort":"ultra","messages":[` + user + `]}`, `"thinking"`, "reasoning_effort"},
		"an unknown effort, G":              {llm.OpenAI, llm.Gemini, `{"model":"m","reasoning_effort":"ultra","messages":[` + user + `]}`, `"thinkingBudget"`, "reasoning_effort"},
		"top_k beside thinking":             {llm.OpenAI, llm.Anthropic, `{"model":"m","reasoning_effort":"low","temperature":0.5,"top_k":5,"messages":[` + user + `]}`, `"top_k"`, "top_k"},
		"a tool's cache marker":             {llm.Anthropic, llm.Gemini, `{"model":"m","max_tokens":5,"tools":[{"name":"w","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],"messages":[` + user + `]}`, "ephemeral", "cache_control"},
		"a strict tool":                     {llm.OpenAI, llm.Gemini, `{"model":"m","tools":[{"type":"function","function":{"name":"w","strict":true,"parameters":{"type":"object"}}}],"messages":[` + user + `]}`, `"strict"`, "strict"},
		"a negative limit, A":               {llm.Anthropic, llm.OpenAI, `{"model":"m","max_tokens":-5,"messages":[` + user + `]}`, "-5", "max_tokens"},
		"a negative limit, R":               {llm.Responses, llm.OpenAI, `{"model":"m","max_output_tokens":-5,"input":"x"}`, "-5", "max_output_tokens"},
		"a negative limit, G":               {llm.Gemini, llm.OpenAI, `{"generationConfig":{"maxOutputTokens":-5},"contents":[{"role":"user","parts":[{"text":"x"}]}]}`, "-5", "maxOutputTokens"},
		"a negative limit":                  {llm.OpenAI, llm.Anthropic, `{"model":"m","max_tokens":-5,"messages":[` + user + `]}`, "-5", "max_tokens"},
	} {
		out, lost, err := encoded(t, c.from, c.to, c.body)
		if err == nil && !strings.Contains(out, c.kept) && !strings.Contains(lost, c.listed) {
			t.Errorf("%s, %s to %s: lost in silence (listed: %q)\n\t%s", name, c.from, c.to, lost, out)
		}
	}
}

// TestNoEmptyTurns: a turn of which nothing is left is refused by the vendor with 400.
func TestNoEmptyTurns(t *testing.T) {
	const a = `{"model":"m","max_tokens":10,"messages":[` + user + `,{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"}]},{"role":"user","content":"go"}]}`
	for to, bad := range map[llm.Dialect]string{llm.Gemini: `"parts":[]`, llm.OpenAI: `{"role":"assistant","content":null}`} {
		if out, _, err := encoded(t, llm.Anthropic, to, a); err == nil && strings.Contains(out, bad) {
			t.Errorf("to %s: %s", to, out)
		}
	}
	const g = `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"}]},{"role":"user","parts":[{"text":"go"}]}]}`
	for to, bad := range map[llm.Dialect]string{llm.Anthropic: `"content":[]`, llm.Bedrock: `"content":[]`} {
		if out, _, err := encoded(t, llm.Gemini, to, g); err == nil && strings.Contains(out, bad) {
			t.Errorf("to %s: %s", to, out)
		}
	}
}

// TestGroundingBehindASignature: the last chunk of Gemini 3 has both.
func TestGroundingBehindASignature(t *testing.T) {
	const stream = `data: {"candidates":[{"content":{"parts":[{"text":"It rains."}]}}]}` + "\n\n" +
		`data: {"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"U0lH"}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://w.example","title":"w"}}],"groundingSupports":[{"segment":{"startIndex":0,"endIndex":9},"groundingChunkIndices":[0]}]}}]}` + "\n\n"
	deltas, err := decode(llm.Gemini, []byte(stream))
	var c conversation.Collector
	if err != nil || c.Add(deltas...) != nil {
		t.Fatal(err)
	}
	if len(c.Answer.Choices[0].Parts[0].Citations) == 0 {
		t.Errorf("the citation is lost: %+v", c.Answer.Choices[0].Parts)
	}
}

// TestMadeUpIDsAreShort: OpenAI takes 40 characters.
func TestMadeUpIDsAreShort(t *testing.T) {
	a, err := UpstreamTranslator(llm.Gemini).DecodeAnswer([]byte(`{"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"a_rather_long_name_of_a_function_of_some_server","args":{}}}]},"finishReason":"STOP"}]}`))
	if err != nil || len(a.Choices[0].Parts[0].Call.ID) > 40 {
		t.Errorf("%v %q: OpenAI takes 40 characters", err, a.Choices[0].Parts[0].Call.ID)
	}
}
