package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestThoughtsAreTheirVendors: a server gets back what it has a place for, and no state that another vendor's model was
// sealed with as if it were its own. What it does not get is listed.
func TestThoughtsAreTheirVendors(t *testing.T) {
	const use, result = `{"type":"tool_use","id":"call_1","name":"f","input":{}}`, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"r"}]}`
	messages := func(blocks string) string {
		return `{"max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[` + blocks + `]},` + result + `]}`
	}
	signed := messages(`{"type":"thinking","thinking":"hm","signature":"QU5U"},` + use)
	plain := messages(`{"type":"thinking","thinking":"hm","signature":""},` + use)
	nothing := messages(`{"type":"text","text":"hi"},` + use)
	google := func(id string) string {
		return `{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"id":"call_1","name":"f","args":{}},"thoughtSignature":"R0VN"}]},{"role":"user","parts":[{"functionResponse":{"id":"` + id + `","name":"f","response":{"a":1}}}]}]}`
	}
	const sealed, listed = `{"type":"reasoning.text","text":"hm","signature":"QU5U","format":"anthropic-claude-v1","index":0}`, "messages[1].content[0]"
	words := conversation.Limits{ReasoningField: conversation.ReasoningContent}
	always := conversation.Limits{ReasoningField: conversation.ReasoningContent, ReasoningAlways: true}
	details := conversation.Limits{ReasoningField: conversation.ReasoningDetails}
	for name, c := range map[string]struct {
		from        llm.Dialect
		body, model string
		limits      conversation.Limits
		want, lost  string // of the members that say thoughts
	}{
		"a server of which nothing is known":   {llm.Anthropic, plain, "m", conversation.Limits{}, "", listed},
		"a word that is not known":             {llm.Anthropic, plain, "m", conversation.Limits{ReasoningField: "thoughts"}, "", listed},
		"words":                                {llm.Anthropic, plain, "m", words, `"reasoning_content":"hm"`, ""},
		"words by another name":                {llm.Anthropic, plain, "m", conversation.Limits{ReasoningField: conversation.ReasoningWords}, `"reasoning":"hm"`, ""},
		"another vendor's":                     {llm.Anthropic, signed, "m", words, "", listed},
		"another vendor's, where some must be": {llm.Anthropic, signed, "m", always, `"reasoning_content":""`, listed},
		"none":                                 {llm.Anthropic, nothing, "m", words, "", ""},
		"none where some must be":              {llm.Anthropic, nothing, "m", always, `"reasoning_content":""`, ""},
		"none of an answer":                    {llm.Anthropic, strings.Replace(messages(`{"type":"text","text":"hi"}`), result, `{"role":"user","content":"x"}`, 1), "m", always, "", ""},
		"nothing but thoughts":                 {llm.Anthropic, strings.Replace(messages(`{"type":"thinking","thinking":"hm","signature":""}`), result, `{"role":"user","content":"x"}`, 1), "m", words, "", listed},
		"details of words":                     {llm.Anthropic, plain, "deepseek/m", details, `"reasoning":"hm"`, ""},
		"details of the maker's":               {llm.Anthropic, signed, "anthropic/m", details, `"reasoning_details":[` + sealed + `]`, ""},
		"details of another maker's":           {llm.Anthropic, signed, "google/m", details, "", listed},
		"details to a router":                  {llm.Anthropic, signed, "openrouter/auto", details, `"reasoning_details":[` + sealed + `]`, ""},
		"details of a model without a maker":   {llm.Anthropic, signed, "m", details, `"reasoning_details":[` + sealed + `]`, ""},
		"details of a call": {llm.Gemini, google("call_1"), "google/m", details,
			`"reasoning_details":[{"type":"reasoning.text","text":"hm","index":0},{"type":"reasoning.encrypted","data":"R0VN","id":"call_1","format":"google-gemini-v1","index":1}]`, ""},
		"details of another's call": {llm.Gemini, google("call_1"), "openai/m", details, `"reasoning":"hm"`, ""},
		"details of a summary": {llm.Responses, `{"input":[{"role":"user","content":"q"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"T0FJ"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"r"}]}`, "openai/m", details,
			`"reasoning_details":[{"type":"reasoning.summary","summary":"hm","id":"rs_1","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"T0FJ","id":"rs_1","format":"openai-responses-v1","index":1}]`, ""},
	} {
		q, err := Translator(c.from).DecodeRequest([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		q.Model = c.model
		body, lost, err := Translator(llm.OpenAI).EncodeRequest(q, c.limits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if said := thoughtsIn(string(body)); said != c.want || strings.Join(fields(lost), " ") != c.lost {
			t.Errorf("%s: %s, listed %v, want %s, %s:\n%s", name, said, lost, c.want, c.lost, body)
		}
	}
}

// TestThoughtsThatMustBeInNoMember: a place that has no words of its own, or is not known, is not filled with none.
func TestThoughtsThatMustBeInNoMember(t *testing.T) {
	const asked = `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}`
	for _, field := range []string{"", "thoughts", conversation.ReasoningParts, conversation.ReasoningExtra} {
		q, err := Translator(llm.OpenAI).DecodeRequest([]byte(asked))
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := Translator(llm.OpenAI).EncodeRequest(q, conversation.Limits{ReasoningField: field})
		body, _, failed := Translator(llm.OpenAI).EncodeRequest(q, conversation.Limits{ReasoningField: field, ReasoningAlways: true})
		if err != nil || failed != nil || string(body) != string(want) {
			t.Errorf("%q: %v %v %s", field, err, failed, body)
		}
	}
}

// TestStateOfGooglesOwnChat: its surface of Chat Completions refuses a call without the state that it was sealed with. A
// client of any dialect gives it back, and nobody else's goes there.
func TestStateOfGooglesOwnChat(t *testing.T) {
	const sealing = `,"extra_content":{"google":{"thought_signature":"R0VN"}}`
	const message = `"content":"hi","extra_content":{"google":{"thought_signature":"V09SRFM="}},"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}` + sealing + `},{"id":"call_2","type":"function","function":{"name":"f","arguments":"{}"}}]`
	own := conversation.Limits{ReasoningField: conversation.ReasoningExtra}
	ask := func(said []conversation.Part) *conversation.Request {
		return &conversation.Request{Model: "google/m", Turns: []conversation.Turn{{Parts: []conversation.Part{{Text: "q"}}}, {Role: conversation.Assistant, Parts: said}, {Parts: []conversation.Part{{Text: "q"}}}}}
	}
	for _, client := range dialects {
		for form, a := range forms(t, llm.OpenAI, client, `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant",`+message+`}}]}`) {
			parts := a.Choices[0].Parts
			body, lost, err := Translator(llm.OpenAI).EncodeRequest(ask(parts), own)
			if err != nil || len(lost) > 0 || !strings.Contains(string(body), message) {
				t.Errorf("%s, %s: %v %v %s", client, form, err, lost, body)
			}
			for i := range parts {
				if parts[i].Kind == conversation.ToolCall && parts[i].Opaque.Value != "" {
					parts[i].Opaque.Vendor = conversation.VendorAnthropic
				}
			}
			body, _, err = Translator(llm.OpenAI).EncodeRequest(ask(parts), own)
			if err != nil || !strings.Contains(string(body), strings.Replace(message, sealing, "", 1)) {
				t.Errorf("%s, %s: another vendor's: %v %s", client, form, err, body)
			}
		}
	}
	state := func(value string) conversation.Part {
		return conversation.Part{Kind: conversation.Thinking, Redacted: true, Opaque: conversation.Opaque{Vendor: conversation.VendorGoogle, Value: value}}
	}
	for name, c := range map[string]struct {
		model string
		said  []conversation.Part
		want  string
		lost  int
	}{
		"words":           {"google/m", []conversation.Part{{Kind: conversation.Thinking, Text: "hm"}}, "", 1},
		"another's model": {"meta/m", []conversation.Part{state("R0VN")}, "", 1},
		"Google's own":    {"models/m", []conversation.Part{state("R0VN")}, "R0VN", 0},
		"two states":      {"m", []conversation.Part{state("V09SRFM="), state("R0VN")}, "R0VN", 1},
	} {
		q := ask(append(c.said, conversation.Part{Text: "hi"}))
		q.Model = c.model
		body, lost, err := Translator(llm.OpenAI).EncodeRequest(q, own)
		want := `"content":"hi"}`
		if c.want != "" {
			want = `"content":"hi","extra_content":{"google":{"thought_signature":"` + c.want + `"}}}`
		}
		if err != nil || len(lost) != c.lost || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v %v %s", name, err, lost, body)
		}
	}
}

// TestThoughtsInPieces: a client of Gemini's keeps a stream as it came, as contents of a piece each, or as parts of one.
// The state that ends thoughts is of all their words.
func TestThoughtsInPieces(t *testing.T) {
	const answer = `{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1},"content":[
		{"type":"thinking","thinking":"hm","signature":"QU5U"},{"type":"redacted_thinking","data":"UkVE"},{"type":"tool_use","id":"call_1","name":"f","input":{}}]}`
	const want = `"content":[{"type":"thinking","thinking":"hm","signature":"QU5U"},{"type":"redacted_thinking","data":"UkVE"},{"type":"tool_use"`
	a, err := UpstreamTranslator(llm.Anthropic).DecodeAnswer([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	e := Translator(llm.Gemini).Encoder(conversation.StreamOptions{})
	var stream []byte
	for _, d := range a.Deltas(nil) {
		if d.Kind == conversation.More && d.Text == "hm" {
			first := d
			first.Text, d.Text = "h", "m"
			stream = e.Append(stream, &first)
		}
		stream = e.Append(stream, &d)
	}
	var contents, parts []string
	for _, line := range strings.Split(string(e.End(stream)), "\n") {
		if _, rest, found := strings.Cut(line, `"content":`); found {
			content, _, _ := strings.Cut(rest, `,"finishReason"`)
			content, _, _ = strings.Cut(content, `,"index"`)
			contents = append(contents, content)
			_, rest, _ = strings.Cut(content, `"parts":[`)
			if part, _, _ := strings.Cut(rest, `],"role"`); part != "" {
				parts = append(parts, part)
			}
		}
	}
	if len(parts) != 5 {
		t.Fatalf("%q", parts)
	}
	for _, history := range []string{strings.Join(contents, ","), `{"role":"model","parts":[` + strings.Join(parts, ",") + `]}`} {
		body, lost, err := encoded(t, llm.Gemini, llm.Anthropic, `{"contents":[{"role":"user","parts":[{"text":"q"}]},`+history+`,{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{"a":1}}}]}],"generationConfig":{"maxOutputTokens":9}}`)
		if err != nil || lost != "" || !strings.Contains(body, want) {
			t.Errorf("%v, listed %q: %s\nof %s", err, lost, body, history)
		}
	}
}

// thoughtsIn returns the members of the one message of the model's in which its thoughts may be.
func thoughtsIn(body string) string {
	_, rest, found := strings.Cut(body, `,"reasoning`)
	if !found {
		return ""
	}
	said, _, _ := strings.Cut(rest, `,"tool_calls"`)
	return `"reasoning` + said
}
