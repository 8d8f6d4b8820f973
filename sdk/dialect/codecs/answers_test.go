package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// streamed writes a whole answer as a stream for a client.
func streamed(t *testing.T, from, client llm.Dialect, answer string) string {
	t.Helper()
	a, err := UpstreamTranslator(from).DecodeAnswer([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	e := Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
	var out []byte
	for _, d := range a.Deltas(nil) {
		out = e.Append(out, &d)
	}
	return string(e.End(out))
}

// TestAnEventIsOneLine: what a model or a vendor wrote in several is JSON as it is in some events.
func TestAnEventIsOneLine(t *testing.T) {
	const answer = `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","logprobs":{
 "content":[]},"message":{"role":"assistant","content":"x\ny","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\n  \"a\": \"b\\nc\"\n}"}}]}}]}`
	for _, client := range dialects {
		out := streamed(t, llm.OpenAI, client, answer)
		deltas, err := decode(client, []byte(out))
		var c conversation.Collector
		if err != nil || c.Add(deltas...) != nil || c.Whole() != nil {
			t.Errorf("%s: %v: %s", client, err, out)
			continue
		}
		parts := c.Answer.Choices[0].Parts
		if len(parts) != 2 || parts[0].Text != "x\ny" || !strings.Contains(parts[1].Call.Arguments, `"b\nc"`) {
			t.Errorf("%s: %+v", client, parts)
		}
	}
}

// TestItemsOfTheDialectsOwnHaveTheirPlace in a stream of Responses: what follows is counted behind them.
func TestItemsOfTheDialectsOwnHaveTheirPlace(t *testing.T) {
	out := streamed(t, llm.Responses, llm.Responses, `{"id":"r","object":"response","status":"completed","model":"m","output":[
		{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
		{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"found","annotations":[]}]}]}`)
	for _, want := range []string{`"response.output_item.done","sequence_number":3,"output_index":0,"item":{"type":"web_search_call"`, `"output_index":1,"content_index":0,"delta":"found"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}
