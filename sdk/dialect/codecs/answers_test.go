package codecs

import (
	"fmt"
	"slices"
	"strconv"
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
	return spoken(a, client)
}

// spoken writes an answer as a stream for a client.
func spoken(a *conversation.Answer, client llm.Dialect) string {
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
		parts := collected(t, client, out).Choices[0].Parts
		if len(parts) != 2 || parts[0].Text != "x\ny" || !strings.Contains(parts[1].Call.Arguments, `"b\nc"`) {
			t.Errorf("%s: %+v", client, parts)
		}
	}
}

// TestACitationOfSeveralLines is one line of an event as well.
func TestACitationOfSeveralLines(t *testing.T) {
	const answer = `{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","content":[{"type":"text","text":"a","citations":[{"type":"page_location",
		"cited_text":"q"}]}]}`
	if a := forms(t, llm.Anthropic, llm.Anthropic, answer)["streamed"]; len(a.Choices[0].Parts[0].Citations) != 1 {
		t.Errorf("%+v", a.Choices[0].Parts)
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

// forms returns a whole answer as clients of a dialect read it, whole and streamed, decoded again.
func forms(t *testing.T, from, client llm.Dialect, answer string) map[string]*conversation.Answer {
	t.Helper()
	a, err := UpstreamTranslator(from).DecodeAnswer([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Translator(client).DecodeAnswer(Translator(client).EncodeAnswer(a))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*conversation.Answer{"whole": whole, "streamed": collected(t, client, streamed(t, from, client, answer))}
}

// TestImagesOfAnswers come with what is said to clients of Chat Completions, where OpenRouter has them, too.
func TestImagesOfAnswers(t *testing.T) {
	const answer = `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"Here:"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"inlineData":{"mimeType":"image/jpeg","data":"REVG"}}]},"finishReason":"STOP"}]}`
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Anthropic, llm.Gemini} {
		for form, a := range forms(t, llm.Gemini, client, answer) {
			p := a.Choices[0].Parts
			if len(p) != 3 || p[0].Text != "Here:" || p[1].Media == nil || p[1].Media.Data != "QUJD" || p[1].Media.Type != "image/png" || p[2].Media == nil || p[2].Media.Data != "REVG" {
				t.Errorf("%s, %s: %+v", client, form, p)
			}
		}
	}
	for form, a := range forms(t, llm.Gemini, llm.Responses, answer) { // which has words for them
		if p := a.Choices[0].Parts; len(p) != 3 || p[1].Text != "![](data:image/png;base64,QUJD)" {
			t.Errorf("responses, %s: %+v", form, p)
		}
	}
	const from = `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Here:","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}}]}`
	for form, a := range forms(t, llm.OpenAI, llm.Gemini, from) {
		if p := a.Choices[0].Parts; len(p) != 2 || p[1].Media == nil || p[1].Media.Data != "QUJD" {
			t.Errorf("from Chat Completions, %s: %+v", form, p)
		}
	}
	_, lost, err := encoded(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[`+user+`,{"role":"assistant","content":"Here:","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]},`+user+`]}`)
	if err != nil || !strings.Contains(lost, "images") {
		t.Errorf("sent back: %v, listed %q", err, lost)
	}
}

// TestStateOfWordsComesBack: Google seals words, too. A client of any dialect gets the state, and gives it back to Google.
func TestStateOfWordsComesBack(t *testing.T) {
	const answer = `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"It rains.","thoughtSignature":"U0lHTg=="}]},"finishReason":"STOP"}]}`
	for _, client := range dialects {
		for form, a := range forms(t, llm.Gemini, client, answer) {
			text, sealed := "", conversation.Opaque{}
			for _, p := range a.Choices[0].Parts {
				if text += p.Text; p.Kind == conversation.Thinking && p.Redacted {
					sealed = p.Opaque
				}
			}
			if text != "It rains." || sealed.Vendor != conversation.VendorGoogle || sealed.Value != "U0lHTg==" {
				t.Errorf("%s, %s: %+v", client, form, a.Choices[0].Parts)
			}
			// What the client sends back, as its own requests say it.
			q := &conversation.Request{Model: "m", MaxTokens: 5, Turns: []conversation.Turn{
				{Role: conversation.User, Parts: []conversation.Part{{Text: "x"}}}, {Role: conversation.Assistant, Parts: a.Choices[0].Parts}, {Role: conversation.User, Parts: []conversation.Part{{Text: "y"}}},
			}}
			body, _, err := Translator(llm.Gemini).EncodeRequest(q, conversation.Limits{})
			if err != nil || !strings.Contains(string(body), `"thoughtSignature":"U0lHTg=="`) || strings.Contains(string(body), `"thought":true`) {
				t.Errorf("%s, %s: back: %v %s", client, form, err, body)
			}
		}
	}
}

// TestStateOfAMessage: Google's own OpenAI surface says it of a message, twice. It is told once, as that of words is, and
// taken back.
func TestStateOfAMessage(t *testing.T) {
	const own, below = `"thought_signature":"U0lHTg=="`, `"extra_content":{"google":{"thought_signature":"U0lHTg=="}}`
	const call = `,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]`
	states := func(parts []conversation.Part) (out []string) {
		for _, p := range parts {
			if p.Opaque.Value != "" {
				out = append(out, fmt.Sprint(p.Redacted, p.Opaque))
			}
		}
		return out
	}
	want := []string{fmt.Sprint(true, conversation.Opaque{Vendor: conversation.VendorGoogle, Value: "U0lHTg=="})}
	for _, said := range []string{own, below, own + "," + below, below + "," + own} {
		for rest, kind := range map[string]conversation.Kind{`,"content":"It rains."`: conversation.Text, call: conversation.ToolCall} {
			for _, client := range dialects {
				for form, a := range forms(t, llm.OpenAI, client, `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",`+said+rest+`}}]}`) {
					parts := a.Choices[0].Parts
					if got := states(parts); !slices.Equal(got, want) || len(parts) != 2 || parts[0].Kind != kind && parts[1].Kind != kind {
						t.Errorf("%s, %s, %s: %+v", said, client, form, parts)
					}
				}
				stream := `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"It "}}]}` + "\n\n" +
					`data: {"id":"c","choices":[{"index":0,"delta":{"content":"rains.",` + said + `},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
				told, err := inPieces(llm.OpenAI, client, []byte(stream))
				if err != nil || len(told.lost) > 0 {
					t.Errorf("%s, %s: %v, listed are %q", said, client, err, fields(told.lost))
				} else if got := states(collected(t, client, told.raw).Choices[0].Parts); !slices.Equal(got, want) {
					t.Errorf("%s, %s, in pieces: %s: %s", said, client, got, told.raw)
				}
			}
			body, lost, err := encoded(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[`+user+`,{"role":"assistant",`+said+rest+`}`+answered(rest == call)+`,`+user+`]}`)
			if err != nil || strings.Count(body, `"thoughtSignature":"U0lHTg=="`) != 1 || lost != "" {
				t.Errorf("%s: sent back: %v, listed %q: %s", said, err, lost, body)
			}
		}
	}
	for _, odd := range []string{`"thought_signature":7`, `"extra_content":"x"`, `"extra_content":{"google":{"thought_signature":{"a":1}}}`, `"extra_content":{"google":{"thought":true}}`} {
		told, err := whole(llm.OpenAI, llm.Gemini, []byte(`{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"x",`+odd+`}}]}`))
		if err != nil || len(told.lost) != 1 {
			t.Errorf("%s: %v, listed are %q", odd, err, fields(told.lost))
		}
	}
}

// TestStateOfNoModels: in a message that no model wrote it has no place, and is listed.
func TestStateOfNoModels(t *testing.T) {
	for _, said := range []string{`"thought_signature":"U0lHTg=="`, `"extra_content":{"google":{"thought_signature":"U0lHTg=="}}`} {
		name, _, _ := strings.Cut(said, ":")
		for _, role := range []string{`"system"`, `"user"`, `"tool","tool_call_id":"a"`} {
			call, at := "", "messages[0]."
			if strings.Contains(role, "tool") { // which Gemini takes behind its call only
				call, at = `{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},`, "messages[1]."
			}
			body, lost, err := encoded(t, llm.OpenAI, llm.Gemini, `{"model":"m","messages":[`+call+`{"role":`+role+`,"content":"x",`+said+`},`+user+`]}`)
			if err != nil || lost != at+strings.Trim(name, `"`) {
				t.Errorf("%s, %s: %v, listed %q: %s", said, role, err, lost, body)
			}
		}
	}
}

// answered is a tool's result, where there was a call.
func answered(call bool) string {
	if !call {
		return ""
	}
	return `,{"role":"tool","tool_call_id":"a","content":"y"}`
}

// TestStateAloneIsNoText in a client's request, either: an empty text is refused by some.
func TestStateAloneIsNoText(t *testing.T) {
	q, err := Translator(llm.Gemini).DecodeRequest([]byte(`{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"y"},{"text":"","thoughtSignature":"U0lHTg=="}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := q.Turns[1].Parts; len(p) != 2 || p[1].Kind != conversation.Thinking || !p[1].Redacted || p[1].Opaque.Value != "U0lHTg==" {
		t.Errorf("%+v", p)
	}
}

// cited are the words that each citation is for, and their pages.
func cited(a *conversation.Answer) (all []string) {
	for _, p := range a.Choices[0].Parts {
		for _, c := range p.Citations {
			start, end := c.Span(p.Text)
			all = append(all, p.Text[start:end]+" "+c.URL)
		}
	}
	return all
}

// TestPlacesOfCitations are kept between dialects that count bytes and those that count characters.
func TestPlacesOfCitations(t *testing.T) {
	want := []string{"größer https://a.example/x", "wärmer https://b.example/y"}
	answers := map[llm.Dialect]string{
		llm.Gemini: `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"größer, wärmer."}]},"finishReason":"STOP","groundingMetadata":{
			"groundingChunks":[{"web":{"uri":"https://a.example/x","title":"A"}},{"web":{"uri":"https://b.example/y","title":"B"}}],
			"groundingSupports":[{"segment":{"endIndex":8,"text":"größer"},"groundingChunkIndices":[0]},{"segment":{"startIndex":10,"endIndex":17},"groundingChunkIndices":[1]}]}}]}`,
		llm.OpenAI: `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"größer, wärmer.","annotations":[
			{"type":"url_citation","url_citation":{"start_index":0,"end_index":6,"url":"https://a.example/x","title":"A"}},
			{"type":"url_citation","url_citation":{"start_index":8,"end_index":14,"url":"https://b.example/y","title":"B"}}]}}]}`,
		llm.Responses: `{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","annotations":[
			{"type":"url_citation","start_index":0,"end_index":6,"url":"https://a.example/x","title":"A"},
			{"type":"url_citation","start_index":8,"end_index":14,"url":"https://b.example/y","title":"B"}],"text":"größer, wärmer."}]}]}`,
	}
	for from, answer := range answers {
		for client := range answers {
			for form, a := range forms(t, from, client, answer) {
				if got := cited(a); !slices.Equal(got, want) {
					t.Errorf("%s to %s, %s: %q, want %q", from, client, form, got, want)
				}
			}
		}
	}
}

// TestPlacesBehindOtherWords: several texts of one answer are one to some clients.
func TestPlacesBehindOtherWords(t *testing.T) {
	const answer = `{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1},"content":[{"type":"text","text":"Während "},
		{"type":"text","text":"es regnet","citations":[{"type":"web_search_result_location","url":"https://a.example/x","title":"A","cited_text":"q","encrypted_index":"e"}]},{"type":"text","text":", hörst du."}]}`
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
		for form, a := range forms(t, llm.Anthropic, client, answer) {
			if got := cited(a); len(got) != 1 || got[0] != "es regnet https://a.example/x" {
				t.Errorf("%s, %s: %q of %+v", client, form, got, a.Choices[0].Parts)
			}
		}
	}
}

// TestAnAnnotationHasATitle: Vercel's SDK refuses a chunk without one.
func TestAnAnnotationHasATitle(t *testing.T) {
	const answer = `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP","citationMetadata":{"citationSources":[{"endIndex":1,"uri":"https://a.example/x"}]}}]}`
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses} {
		if out := streamed(t, llm.Gemini, client, answer); !strings.Contains(out, `"title":""`) {
			t.Errorf("%s: %s", client, out)
		}
	}
}

// TestSourcesThatGoogleNames for words that repeat a work.
func TestSourcesThatGoogleNames(t *testing.T) {
	for _, name := range []string{"citationSources", "citations"} {
		answer := `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"To be or not."}]},"finishReason":"STOP","citationMetadata":{"` + name + `":[{"startIndex":6,"endIndex":12,"uri":"https://a.example/x","license":""}]}}]}`
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
			for form, a := range forms(t, llm.Gemini, client, answer) {
				if got := cited(a); len(got) != 1 || got[0] != "or not https://a.example/x" {
					t.Errorf("%s, %s, %s: %q", name, client, form, got)
				}
			}
		}
	}
}

// TestAnnotationsInAnyOrder: of a stream of Chat Completions they may come before the words, or behind them.
func TestAnnotationsInAnyOrder(t *testing.T) {
	const note = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"","annotations":[{"type":"url_citation","url_citation":{"start_index":8,"end_index":14,"url":"https://b.example/y"}}]}}]}` + "\n\n"
	const words = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"größer, "}}]}` + "\n\n" + `data: {"id":"c","choices":[{"index":0,"delta":{"content":"wärmer."}}]}` + "\n\n"
	const end = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	const thought = `data: {"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}` + "\n\n"
	first, second, _ := strings.Cut(words, "\n\n")
	for _, stream := range []string{note + words + end, words + note + end, first + "\n\n" + thought + second + note + end} {
		if got := cited(collected(t, llm.OpenAI, stream)); len(got) != 1 || got[0] != "wärmer https://b.example/y" {
			t.Errorf("%q", got)
		}
	}
}

// collected is the answer that a stream says.
func collected(t *testing.T, from llm.Dialect, stream string) *conversation.Answer {
	t.Helper()
	deltas, err := decode(from, []byte(stream))
	var c conversation.Collector
	if err == nil {
		err = c.Add(deltas...)
	}
	if err != nil || c.Whole() != nil {
		t.Fatalf("%s: %v: %s", from, err, stream)
	}
	return &c.Answer
}

// TestAnnotationsOfResponses stand in events of their own, and in those that say a text once more: servers leave out either.
func TestAnnotationsOfResponses(t *testing.T) {
	const at = `"output_index":0,"content_index":0,`
	const note = `{"type":"url_citation","start_index":8,"end_index":14,"url":"https://b.example/y","title":"B"}`
	event := func(kind, rest string) string { return `data: {"type":"response.` + kind + `",` + at + rest + "}\n\n" }
	words := event("output_text.delta", `"delta":"größer, "`) + event("output_text.delta", `"delta":"wärmer."`)
	part := `{"type":"output_text","text":"größer, wärmer.","annotations":[` + note + `]}`
	bare := strings.Replace(part, note, "", 1)
	end := `data: {"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}` + "\n\n"
	item := func(part string) string {
		return `"item":{"type":"message","role":"assistant","content":[` + part + `]}`
	}
	for name, stream := range map[string]string{
		"their own":      words + event("output_text.annotation.added", `"annotation":`+note) + event("content_part.done", `"part":`+bare) + end,
		"before":         event("output_text.delta", `"delta":"gr"`) + event("output_text.annotation.added", `"annotation":`+note) + strings.Replace(words, "größer", "ößer", 1) + event("content_part.done", `"part":`+bare) + end,
		"the part":       words + event("content_part.done", `"part":`+part) + end,
		"the item":       words + event("output_item.done", item(part)) + end,
		"the item alone": event("output_item.done", item(part)) + end,
		"all":            words + event("output_text.annotation.added", `"annotation":`+note) + event("content_part.done", `"part":`+part) + event("output_item.done", item(part)) + end,
	} {
		if got := cited(collected(t, llm.Responses, stream)); len(got) != 1 || got[0] != "wärmer https://b.example/y" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestCitationsAreBounded: their number is an upstream's word.
func TestCitationsAreBounded(t *testing.T) {
	const n = 20000
	text := strings.Repeat("ä", 1<<20)
	var chunks, supports, notes []string
	for i := range n {
		at := strconv.Itoa(i)
		chunks = append(chunks, `{"web":{"uri":"https://a.example/`+at+`"}}`)
		supports = append(supports, `{"segment":{"startIndex":`+at+`,"endIndex":2000000},"groundingChunkIndices":[`+at+`]}`)
		notes = append(notes, `{"type":"url_citation","start_index":`+at+`,"end_index":1000000,"url":"https://a.example/`+at+`"}`)
	}
	for from, answer := range map[llm.Dialect]string{
		llm.Gemini:    `{"responseId":"r","candidates":[{"content":{"parts":[{"text":"` + text + `"}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[` + strings.Join(chunks, ",") + `],"groundingSupports":[` + strings.Join(supports, ",") + `]}}]}`,
		llm.Responses: `{"id":"r","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"` + text + `","annotations":[` + strings.Join(notes, ",") + `]}]}]}`,
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Gemini} {
			a, err := UpstreamTranslator(from).DecodeAnswer([]byte(answer))
			if err != nil {
				t.Fatal(err)
			}
			body := Translator(client).EncodeAnswer(a)
			if len(body) > 2*len(answer) {
				t.Errorf("%s to %s: %d bytes became %d", from, client, len(answer), len(body))
			}
			whole, err := Translator(client).DecodeAnswer(body)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(whole.Choices[0].Parts[0].Citations); got != conversation.MaxCitations {
				t.Errorf("%s to %s: %d", from, client, got)
			}
		}
	}
}
