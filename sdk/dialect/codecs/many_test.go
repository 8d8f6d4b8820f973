package codecs

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestManySmallPartsOfARequest cost what their bytes cost, read and written: none is copied for each that follows it.
func TestManySmallPartsOfARequest(t *testing.T) {
	const n = 20000
	many := func(one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	texts := many(`{"type":"text","text":"as long as a few words are"}`)
	chat := func(members string) string {
		return `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant",` + members + `}]}`
	}
	const called = `"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c",`
	for name, c := range map[string]struct {
		from llm.Dialect
		body string
	}{
		"cited":             {llm.OpenAI, chat(`"content":[` + texts + `],"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":1,"end_index":9}}]`)},
		"a tool's":          {llm.OpenAI, chat(called + `"content":[` + texts + `]`)},
		"thoughts":          {llm.OpenAI, chat(`"content":[{"type":"thinking","thinking":[` + texts + `]}]`)},
		"refusals":          {llm.OpenAI, chat(`"content":[` + many(`{"type":"refusal","refusal":"as long as a few words are"}`) + `]`)},
		"details":           {llm.OpenAI, chat(`"content":"x","reasoning_details":[` + many(`{"type":"reasoning.text","text":"as long as a few words are"}`) + `]`)},
		"one detail":        {llm.OpenAI, chat(`"content":"x","reasoning_details":[{` + many(`"text":"as long as a few words are"`) + `}]`)},
		"a document's":      {llm.Anthropic, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[` + texts + `]}}]}]}`},
		"Gemini's thoughts": {llm.Gemini, `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[` + many(`{"text":"as long as a few words are","thought":true}`) + `]}]}`},
		"schemas in others": {llm.Gemini, `{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":` + strings.Repeat(`{"nullable":true,"anyOf":[`, 58) + many(`{"type":"STRING","nullable":true,"enum":["as long","as a few words are"]}`) + strings.Repeat(`]}`, 58) + `}]}]}`},
		"unknown members":   {llm.OpenAI, chat(`"content":"x",` + many(`"nobody":{"knows":[1]}`))},
	} {
		var before, after runtime.MemStats
		cost := func(what string, f func()) {
			runtime.ReadMemStats(&before)
			f()
			runtime.ReadMemStats(&after)
			if grew := after.TotalAlloc - before.TotalAlloc; grew > uint64(len(c.body))*50 {
				t.Errorf("%s, %s: %d MiB for %d", name, what, grew>>20, len(c.body)>>20)
			}
		}
		cost("read", func() {
			if _, err := Translator(c.from).DecodeRequest([]byte(c.body)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		q, err := Translator(c.from).DecodeRequest([]byte(c.body))
		if err != nil {
			continue
		}
		for _, to := range upstreams {
			asked := *q
			asked.Model = "m"
			cost(fmt.Sprint("for ", to), func() { UpstreamTranslator(to).EncodeRequest(&asked, conversation.Limits{}) })
		}
	}
}

// TestARequestThatNestsTooDeepIsReadOnce: what is left of it behind the error is no value.
func TestARequestThatNestsTooDeepIsReadOnce(t *testing.T) {
	const n = 20000
	body := `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[` + strings.Repeat(`{"type":"tool_result","tool_use_id":"a","content":[`, n) + strings.Repeat(`]}`, n) + `]}]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Translator(llm.Anthropic).DecodeRequest([]byte(body))
	runtime.ReadMemStats(&after)
	if grew := after.TotalAlloc - before.TotalAlloc; err == nil || grew > uint64(len(body))*50 {
		t.Errorf("%d MiB for %d KiB: %v", grew>>20, len(body)>>10, err)
	}
}

// TestManySmallPiecesOfAStream are put together at the cost of their bytes.
func TestManySmallPiecesOfAStream(t *testing.T) {
	const n = 20000
	for _, kind := range []conversation.Kind{conversation.Text, conversation.ToolCall} {
		var c conversation.Collector
		gemini := Translator(llm.Gemini).Encoder(conversation.StreamOptions{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var out []byte
		add := func(d conversation.Delta) {
			out = gemini.Append(out[:0], &d)
			if err := c.Add(d); err != nil {
				t.Fatal(err)
			}
		}
		add(conversation.Delta{Kind: conversation.Begin})
		add(conversation.Delta{Kind: conversation.Open, Part: &conversation.Part{Kind: kind, Call: &conversation.Call{ID: "c", Name: "f"}}})
		for range n {
			add(conversation.Delta{Kind: conversation.More, Text: "as long as a few words are"})
		}
		add(conversation.Delta{Kind: conversation.Close})
		runtime.ReadMemStats(&after)
		if grew := after.TotalAlloc - before.TotalAlloc; grew > 200<<20 {
			t.Errorf("kind %d: %d MiB", kind, grew>>20)
		}
		if p := c.Answer.Choices[0].Parts[0]; len(p.Text)+len(p.Call.Arguments) != n*len("as long as a few words are") {
			t.Errorf("kind %d: %d bytes", kind, len(p.Text)+len(p.Call.Arguments))
		}
	}
}
