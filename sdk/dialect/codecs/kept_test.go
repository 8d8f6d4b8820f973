package codecs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// tokens are those of an answer with their log probabilities and the alternatives to them.
func tokens(raw []byte) string {
	var b strings.Builder
	for _, t := range conversation.Tokens(raw) {
		fmt.Fprintf(&b, "%s %s", t.Token, t.Logprob)
		for _, top := range t.Top {
			fmt.Fprintf(&b, " (%s %s)", top.Token, top.Logprob)
		}
		b.WriteString("; ")
	}
	return b.String()
}

const probable = "It -0.1 (It -0.1) (He -2.5);  rains -0.25 ( rains -0.25); "

// probables are answers with log probabilities, whole, in each dialect that has a place for them.
var probables = map[llm.Dialect]string{
	llm.OpenAI: `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"It rains"},"logprobs":{"content":[
		{"token":"It","logprob":-0.1,"bytes":[73,116],"top_logprobs":[{"token":"It","logprob":-0.1,"bytes":null},{"token":"He","logprob":-2.5,"bytes":null}]},
		{"token":" rains","logprob":-0.25,"bytes":null,"top_logprobs":[{"token":" rains","logprob":-0.25,"bytes":null}]}],"refusal":null}}]}`,
	llm.Responses: `{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","annotations":[],"text":"It rains","logprobs":[
		{"token":"It","logprob":-0.1,"bytes":[73,116],"top_logprobs":[{"token":"It","logprob":-0.1},{"token":"He","logprob":-2.5}]},{"token":" rains","logprob":-0.25,"top_logprobs":[{"token":" rains","logprob":-0.25}]}]}]}]}`,
	llm.Gemini: `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"It rains"}]},"finishReason":"STOP","logprobsResult":{
		"chosenCandidates":[{"token":"It","tokenId":7,"logProbability":-0.1},{"token":" rains","tokenId":8,"logProbability":-0.25}],
		"topCandidates":[{"candidates":[{"token":"It","logProbability":-0.1},{"token":"He","logProbability":-2.5}]},{"candidates":[{"token":" rains","logProbability":-0.25}]}]}}]}`,
	llm.Ollama: `{"model":"m","created_at":"2025-01-01T00:00:00Z","message":{"role":"assistant","content":"It rains"},"done":true,"done_reason":"stop","logprobs":[
		{"token":"It","logprob":-0.1,"top_logprobs":[{"token":"It","logprob":-0.1},{"token":"He","logprob":-2.5}]},{"token":" rains","logprob":-0.25,"top_logprobs":[{"token":" rains","logprob":-0.25}]}]}`,
}

// TestLogProbabilitiesOfAnswers are told in each dialect that has a place for them, whole and in pieces, also where a stream
// becomes a whole answer.
func TestLogProbabilitiesOfAnswers(t *testing.T) {
	for from, answer := range probables {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
			for form, a := range forms(t, from, client, answer) {
				if got := tokens(a.Choices[0].Logprobs); got != probable {
					t.Errorf("%s to %s, %s: %q", from, client, form, got)
				}
			}
			said, err := whole(from, client, []byte(answer))
			if err != nil || len(said.lost) > 0 {
				t.Errorf("%s to %s: listed are %q, %v", from, client, fields(said.lost), err)
			}
		}
		if said, err := whole(from, llm.Anthropic, []byte(answer)); err != nil || !listed(said.lost, "choices[0].logprobs") {
			t.Errorf("%s to Messages: listed are %q, %v", from, fields(said.lost), err)
		}
	}
}

// TestTokensNumbers are kept wherever log probabilities are: in Google's word for Google's clients, and else as servers of
// open models say them.
func TestTokensNumbers(t *testing.T) {
	ids := func(raw []byte) (out string) {
		for _, t := range conversation.Tokens(raw) {
			out += string(t.ID) + " "
			for _, top := range t.Top {
				out += "(" + string(top.ID) + ") "
			}
		}
		return out
	}
	answers := map[llm.Dialect]string{
		llm.Gemini: `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"It rains"}]},"finishReason":"STOP","logprobsResult":{
			"chosenCandidates":[{"token":"It","tokenId":7,"logProbability":-0.1},{"token":" rains","tokenId":0,"logProbability":-0.25}],
			"topCandidates":[{"candidates":[{"token":"It","tokenId":7,"logProbability":-0.1},{"token":"He","tokenId":9,"logProbability":-2.5}]},{"candidates":[]}]}}]}`,
		llm.OpenAI: `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"It rains"},"logprobs":{"content":[
			{"id":7,"token":"It","logprob":-0.1,"bytes":[73,116],"top_logprobs":[{"id":7,"token":"It","logprob":-0.1,"bytes":null},{"id":9,"token":"He","logprob":-2.5,"bytes":null}]},
			{"id":0,"token":" rains","logprob":-0.25,"bytes":null,"top_logprobs":[]}],"refusal":null}}]}`,
	}
	for from, answer := range answers {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
			for form, a := range forms(t, from, client, answer) {
				if got := ids(a.Choices[0].Logprobs); got != "7 (7) (9) 0 " {
					t.Errorf("%s to %s, %s: %q: %s", from, client, form, got, a.Choices[0].Logprobs)
				}
			}
		}
	}
	odd := strings.Replace(answers[llm.OpenAI], `"id":7`, `"id":"seven"`, 1)
	for form, a := range forms(t, llm.OpenAI, llm.Gemini, odd) {
		if got := ids(a.Choices[0].Logprobs); got != " (7) (9) 0 " || tokens(a.Choices[0].Logprobs) == "" {
			t.Errorf("%s: %q", form, got)
		}
	}
	said, err := whole(llm.Gemini, llm.OpenAI, []byte(strings.Replace(answers[llm.Gemini], `"tokenId":7`, `"tokenId":"7"`, 1)))
	if err != nil || !listed(said.lost, "candidates[0].logprobsResult.chosenCandidates[0].tokenId") {
		t.Errorf("%v, listed are %q", err, fields(said.lost))
	}
}

// TestLogProbabilitiesOfPieces come with the words that they are of, and those of no words before the end.
func TestLogProbabilitiesOfPieces(t *testing.T) {
	token := func(s string) string {
		return `"logprobs":{"content":[{"token":"` + s + `","logprob":-1,"bytes":null,"top_logprobs":[]}]}`
	}
	chunk := func(delta, rest string) string {
		return `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{` + delta + `},` + rest + "}]}\n\n"
	}
	stream := chunk(`"role":"assistant","content":""`, token("<")) + chunk(`"content":"It"`, token("It")) + chunk(`"content":" rains"`, token(" rains")) +
		chunk(`"content":""`, token(">")) + chunk("", `"finish_reason":"stop",`+token("end")) + "data: [DONE]\n\n"
	const want = "< -1; It -1;  rains -1; > -1; end -1; "
	deltas, err := decode(llm.OpenAI, []byte(stream))
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
		e := Translator(client).Encoder(conversation.StreamOptions{})
		var out []byte
		for i := range deltas {
			out = e.Append(out, &deltas[i])
		}
		out = e.End(out)
		if got := tokens(collected(t, client, string(out)).Choices[0].Logprobs); got != want && (client != llm.Responses || got != "< -1; It -1;  rains -1; ") {
			t.Errorf("%s: %q\n%s", client, got, out)
		}
		if client == llm.Responses && !strings.Contains(string(out), `"token":"end"`) { // with the whole text
			t.Errorf("%s: %s", client, out)
		}
	}
	if got := tokens(collected(t, llm.OpenAI, stream).Choices[0].Logprobs); got != want {
		t.Errorf("put together: %q", got)
	}
}

// TestASpokenAnswer is its words, where no client's dialect has a place for the sound.
func TestASpokenAnswer(t *testing.T) {
	const answer = `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":null,"audio":{"id":"a","expires_at":1,"data":"QUJD","transcript":"It rains."}}}]}`
	const stream = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","audio":{"id":"a","transcript":"It "}}}]}` + "\n\n" +
		`data: {"id":"c","choices":[{"index":0,"delta":{"audio":{"data":"QUJD","transcript":"rains."}}}]}` + "\n\n" + `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for _, client := range []llm.Dialect{llm.Responses, llm.Anthropic, llm.Gemini} {
		said, err := whole(llm.OpenAI, client, []byte(answer))
		if err != nil || !strings.Contains(said.text, "It rains.") || !listed(said.lost, "choices[0].message.audio.data") {
			t.Errorf("%s: %v, listed are %q: %s", client, err, fields(said.lost), said.raw)
		}
		said, err = inPieces(llm.OpenAI, client, []byte(stream))
		if err != nil || !strings.Contains(said.text, "rains.") || !listed(said.lost, "choices[0].delta.audio.data") {
			t.Errorf("%s, in pieces: %v, listed are %q: %s", client, err, fields(said.lost), said.raw)
		}
	}
}

// TestAudioIsNoImage of an answer: where there is no place for it, it is listed, and nothing else stands in its place.
func TestAudioIsNoImage(t *testing.T) {
	const answer = `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"Listen:"},{"inlineData":{"mimeType":"audio/wav","data":"QUJD"}}]},"finishReason":"STOP"}]}`
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic} {
		for form, a := range forms(t, llm.Gemini, client, answer) {
			if p := a.Choices[0].Parts; len(p) != 1 || p[0].Text != "Listen:" {
				t.Errorf("%s, %s: %+v", client, form, p)
			}
		}
		if said, err := whole(llm.Gemini, client, []byte(answer)); err != nil || !listed(said.lost, "candidates[0].content.parts[1]") {
			t.Errorf("%s: %v, listed are %q", client, err, fields(said.lost))
		}
	}
}

// TestPartsThatNobodyKnows of an answer are listed, and do not make it an error.
func TestPartsThatNobodyKnows(t *testing.T) {
	for from, c := range map[llm.Dialect]struct{ answer, lost string }{
		llm.Mistral:   {`{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":[{"type":"text","text":"It rains."},{"type":"x_new","x":1}]}}]}`, "choices[0].message.content[1]"},
		llm.Responses: {`{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","annotations":[],"text":"It rains."},{"type":"x_new","x":1}]}]}`, "output[0].content[1]"},
	} {
		said, err := whole(from, llm.Anthropic, []byte(c.answer))
		if err != nil || !strings.Contains(said.text, "It rains.") || len(said.lost) != 1 || !listed(said.lost, c.lost) {
			t.Errorf("%s: %v, listed are %q: %s", from, err, fields(said.lost), said.raw)
		}
	}
}

// TestWhatWasWrittenToACache is told where there is a number for it, and how long it is kept by Messages.
func TestWhatWasWrittenToACache(t *testing.T) {
	const answer = `{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":3,"output_tokens":9,
		"cache_creation_input_tokens":50,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"output_tokens_details":{"thinking_tokens":4}}}`
	for _, client := range dialects {
		for form, a := range forms(t, llm.Anthropic, client, answer) {
			u := *a.Usage
			u.Raw = nil
			want := llm.Usage{InputTotal: 60, CacheRead: 7, CacheWrite5m: 20, CacheWrite1h: 30, OutputTotal: 9, Reasoning: 4}
			switch {
			case client == llm.Gemini:
				want.CacheWrite5m, want.CacheWrite1h = 0, 0
			case client != llm.Anthropic:
				want.CacheWrite5m, want.CacheWrite1h = 50, 0
			case form == "streamed": // how long they are kept is said at its beginning, before anybody knows
				want.CacheWrite5m = u.CacheWrite5m
			}
			if g, w := fmt.Sprintf("%+v", u), fmt.Sprintf("%+v", want); g != w {
				t.Errorf("%s, %s: %s, want %s", client, form, g, w)
			}
		}
	}
	if said, err := whole(llm.Anthropic, llm.Gemini, []byte(answer)); err != nil || !listed(said.lost, "usage.cache_write_tokens") {
		t.Errorf("%v, listed are %q", err, fields(said.lost))
	}
}

// TestCitationsAtTheBeginning of a block of Messages are told as those behind it are.
func TestCitationsAtTheBeginning(t *testing.T) {
	event := func(v map[string]any) string {
		b, _ := json.Marshal(v)
		return "data: " + string(b) + "\n\n"
	}
	cited := map[string]any{"type": "web_search_result_location", "url": "https://a.example/x", "title": "A", "cited_text": "q", "encrypted_index": "e"}
	stream := event(map[string]any{"type": "message_start", "message": map[string]any{"id": "m", "model": "m"}}) +
		event(map[string]any{"type": "content_block_start", "index": 0, "content_block": map[string]any{"type": "text", "text": "It rains.", "citations": []any{cited}}}) +
		event(map[string]any{"type": "content_block_stop", "index": 0}) + event(map[string]any{"type": "message_delta", "delta": map[string]any{"stop_reason": "end_turn"}}) +
		event(map[string]any{"type": "message_stop"})
	for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Gemini} {
		said, err := inPieces(llm.Anthropic, client, []byte(stream))
		if err != nil || !strings.Contains(said.text, "https://a.example/x") {
			t.Errorf("%s: %v %s", client, err, said.raw)
		}
	}
}

// TestTheStateOfAnImageComesBackAtIt, from a client that gives images back; without its image it is listed.
func TestTheStateOfAnImageComesBackAtIt(t *testing.T) {
	const answer = `{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"Here:","thoughtSignature":"V09SRFM="},{"inlineData":{"mimeType":"image/png","data":"QUJD"},"thoughtSignature":"SU1BR0U="}]},"finishReason":"STOP"}]}`
	for client, want := range map[llm.Dialect]string{
		llm.Anthropic: `{"inlineData":{"mimeType":"image/png","data":"QUJD"},"thoughtSignature":"SU1BR0U="}`,
		llm.OpenAI:    "", llm.Responses: "",
	} {
		for form, a := range forms(t, llm.Gemini, client, answer) {
			parts := a.Choices[0].Parts
			if client == llm.OpenAI { // whose clients cannot give an image back
				parts = parts[:0:0]
				for _, p := range a.Choices[0].Parts {
					if p.Kind != conversation.Media {
						parts = append(parts, p)
					}
				}
			}
			q := &conversation.Request{Model: "m", MaxTokens: 5, Turns: []conversation.Turn{
				{Role: conversation.User, Parts: []conversation.Part{{Text: "x"}}}, {Role: conversation.Assistant, Parts: parts}, {Role: conversation.User, Parts: []conversation.Part{{Text: "y"}}},
			}}
			body, lost, err := Translator(llm.Gemini).EncodeRequest(q, conversation.Limits{})
			if err != nil || want != "" && !strings.Contains(string(body), want) || !strings.Contains(string(body), "V09SRFM=") {
				t.Errorf("%s, %s: %v %s", client, form, err, body)
			}
			if want == "" && (strings.Contains(string(body), "SU1BR0U=") || len(lost) != 1) {
				t.Errorf("%s, %s: alone: listed are %q: %s", client, form, fields(lost), body)
			}
		}
	}
	alone := &conversation.Request{Model: "m", MaxTokens: 5, Turns: []conversation.Turn{{Parts: []conversation.Part{{Text: "x"}}}, {Role: conversation.Assistant, Parts: []conversation.Part{
		{Kind: conversation.Thinking, Redacted: true, Opaque: conversation.Opaque{Vendor: conversation.VendorGoogle, ID: "media", Value: "SU1BR0U="}}}}, {Parts: []conversation.Part{{Text: "y"}}}}}
	if body, _, err := Translator(llm.Gemini).EncodeRequest(alone, conversation.Limits{}); err != nil || strings.Contains(string(body), `"parts":[]`) {
		t.Errorf("%v %s", err, body)
	}
	a, err := Translator(llm.Gemini).DecodeAnswer([]byte(answer))
	if err != nil || !strings.Contains(string(Translator(llm.Gemini).EncodeAnswer(a)), `"data":"QUJD"},"thoughtSignature":"SU1BR0U="}`) {
		t.Errorf("%v %s", err, Translator(llm.Gemini).EncodeAnswer(a))
	}
}

// TestSourcesOfAWholeAnswer are citations of its words, whose places nobody says.
func TestSourcesOfAWholeAnswer(t *testing.T) {
	const sources = `"citations":["https://a.example/x","https://b.example/y"],"search_results":[{"title":"A","url":"https://a.example/x","date":"2025-01-01"}]`
	const answer = `{"id":"c","model":"m",` + sources + `,"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"It rains."}}]}`
	const stream = `data: {"id":"c","model":"m",` + sources + `,"choices":[{"index":0,"delta":{"content":"It "}}]}` + "\n\n" +
		`data: {"id":"c","model":"m",` + sources + `,"choices":[{"index":0,"delta":{"content":"rains."},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for _, client := range []llm.Dialect{llm.Responses, llm.Gemini, llm.Anthropic} {
		for form, tell := range map[string]func() (told, error){
			"whole": func() (told, error) { return whole(llm.OpenAI, client, []byte(answer)) }, "in pieces": func() (told, error) { return inPieces(llm.OpenAI, client, []byte(stream)) },
		} {
			said, err := tell()
			if err != nil || len(said.lost) > 0 || strings.Count(said.raw, `"https://a.example/x"`) != strings.Count(said.raw, `"https://b.example/y"`) || !strings.Contains(said.raw, `"https://b.example/y"`) || !strings.Contains(said.raw, `"title":"A"`) {
				t.Errorf("%s, %s: %v, listed are %q: %s", client, form, err, fields(said.lost), said.raw)
			}
		}
	}
	late := strings.Replace(strings.ReplaceAll(stream, sources+",", ""), `"finish_reason":"stop"}]`, `"finish_reason":"stop"}],`+sources, 1)
	if said, err := inPieces(llm.OpenAI, llm.Anthropic, []byte(late)); err != nil || !listed(said.lost, "citations") {
		t.Errorf("behind the end: %v, listed are %q: %s", err, fields(said.lost), said.raw)
	}
}

// TestWhatGoogleSaysBesideAnAnswer is listed where no other dialect has it: verdicts, searches, sources of no words.
func TestWhatGoogleSaysBesideAnAnswer(t *testing.T) {
	for answer, want := range map[string][]string{
		`{"candidates":[{"content":{"parts":[{"text":"It rains."}]},"finishReason":"STOP","avgLogprobs":-0.5,"finishMessage":"done","safetyRatings":[{"category":"c"}],"citationMetadata":{"citations":[{"license":"mit","uri":"https://a.example/x"},{"title":"no address"}]},
			"groundingMetadata":{"webSearchQueries":["q"],"searchEntryPoint":{"renderedContent":"<a>"},"groundingChunks":[{"web":{"uri":"https://b.example/y","domain":"b.example"}},{"retrievedContext":{"text":"t"}},{"web":{"uri":"https://c.example/z"}}],
			"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0,1],"confidenceScores":[0.5]}]}}]}`: {
			"candidates[0].avgLogprobs", "candidates[0].citationMetadata.citations[0].license", "candidates[0].citationMetadata.citations[1]", "candidates[0].finishMessage", "candidates[0].groundingMetadata.groundingChunks[1].retrievedContext",
			"candidates[0].groundingMetadata.groundingChunks[2]", "candidates[0].groundingMetadata.groundingSupports[0].confidenceScores", "candidates[0].groundingMetadata.searchEntryPoint", "candidates[0].groundingMetadata.webSearchQueries", "candidates[0].safetyRatings"},
		`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"no","safetyRatings":[{"category":"c","blocked":true}]}}`: {"promptFeedback.blockReasonMessage", "promptFeedback.safetyRatings"},
	} {
		for i := range want {
			want[i] = "answer:" + want[i]
		}
		said, err := whole(llm.Gemini, llm.OpenAI, []byte(answer))
		if got := slices.Sorted(slices.Values(fields(said.lost))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		pieces, err := inPieces(llm.Gemini, llm.OpenAI, []byte("data: "+strings.ReplaceAll(answer, "\n", "")+"\n\n"))
		if got := slices.Sorted(slices.Values(fields(pieces.lost))); err != nil || !slices.Equal(got, want) {
			t.Errorf("in pieces: %v: %q, want %q", err, got, want)
		}
	}
}

// TestSourcesOfNoWords have no place, and are listed.
func TestSourcesOfNoWords(t *testing.T) {
	const note = `{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"url":"https://a.example/x"}}`
	const google = `"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example/x"}}],"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0]}]}`
	for name, c := range map[string]struct {
		from                         llm.Dialect
		whole, lost, stream, eventOf string
	}{
		"Chat Completions": {llm.OpenAI, `{"id":"c","choices":[{"index":0,"finish_reason":"stop","message":{"content":null,"annotations":[` + note + `]}}]}`, "choices[0].message.annotations",
			`data: {"id":"c","choices":[{"index":0,"delta":{"annotations":[` + note + `]},"finish_reason":"stop"}]}` + "\n\n", "choices[0].delta.annotations"},
		"Gemini": {llm.Gemini, `{"candidates":[{"finishReason":"STOP",` + google + `}]}`, "candidates[0].groundingMetadata", `data: {"candidates":[{"finishReason":"STOP",` + google + `}]}` + "\n\n", "candidates[0].groundingMetadata"},
		"Cohere": {llm.Cohere, `{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[],"citations":[{"start":0,"end":1,"text":"I","sources":[{"type":"document","document":{"url":"https://a.example/x"}}]}]}}`, "message.citations",
			`data: {"type":"message-start","id":"c"}` + "\n\n" + `data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":1,"text":"I","sources":[{"type":"document","document":{"url":"https://a.example/x"}}]}}}}` + "\n\n", "delta.message.citations"},
		"Responses": {llm.Responses, "", "", `data: {"type":"response.output_text.annotation.added","output_index":0,"content_index":0,"annotation":{"type":"url_citation","url":"https://a.example/x"}}` + "\n\n", "annotation"},
	} {
		if c.whole != "" {
			if said, err := whole(c.from, llm.Anthropic, []byte(c.whole)); err != nil || !listed(said.lost, c.lost) {
				t.Errorf("%s: %v, listed are %q: %s", name, err, fields(said.lost), said.raw)
			}
		}
		if said, err := inPieces(c.from, llm.Anthropic, []byte(c.stream)); err != nil || !listed(said.lost, c.eventOf) {
			t.Errorf("%s, in pieces: %v, listed are %q: %s", name, err, fields(said.lost), said.raw)
		}
	}
}
