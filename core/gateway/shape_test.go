package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

// wholeBy returns the path and body of a client's request for a whole answer.
func wholeBy(client llm.Dialect) (path, ask string) {
	path, ask = streamedBy(client)
	if client == llm.Gemini {
		return "/v1beta/models/m:generateContent", ask
	}
	return path, strings.Replace(ask, `"stream":true,`, "", 1)
}

// said is an answer with words and a call in each dialect, whole.
func said(t *testing.T, d llm.Dialect) string {
	a := &conversation.Answer{ID: "a1", Model: "m", Created: 1, Usage: &llm.Usage{InputTotal: 7, OutputTotal: 3}, Choices: []conversation.Choice{{
		Finish: conversation.FinishTools,
		Parts: []conversation.Part{
			{Kind: conversation.Text, Text: "Let me see."},
			{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "c1", Name: "look", Arguments: `{"at":"it"}`}},
		},
	}}}
	switch d {
	case llm.Bedrock:
		return `{"output":{"message":{"role":"assistant","content":[{"text":"Let me see."},{"toolUse":{"toolUseId":"c1","name":"look","input":{"at":"it"}}}]}},"stopReason":"tool_use","usage":{"inputTokens":7,"outputTokens":3,"totalTokens":10}}`
	case llm.Ollama:
		return `{"model":"m","created_at":"2025-01-01T00:00:00Z","message":{"role":"assistant","content":"Let me see.","tool_calls":[{"function":{"name":"look","arguments":{"at":"it"}}}]},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}`
	}
	return string(codecs.Translator(d).EncodeAnswer(a))
}

// check holds an answer to what said says.
func check(t *testing.T, name string, a *conversation.Answer, err error) {
	t.Helper()
	if err != nil || len(a.Choices) != 1 || len(a.Choices[0].Parts) != 2 {
		t.Errorf("%s: %v %+v", name, err, a)
		return
	}
	c := a.Choices[0]
	if c.Parts[0].Text != "Let me see." || c.Parts[1].Call == nil || c.Parts[1].Call.Name != "look" || c.Parts[1].Call.Arguments != `{"at":"it"}` || c.Finish != conversation.FinishTools {
		t.Errorf("%s: %+v %+v", name, c, c.Parts[1].Call)
	}
}

var clients = []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}

// TestAWholeAnswerToAClientThatStreams is a stream of its dialect, whatever the upstream's is.
func TestAWholeAnswerToAClientThatStreams(t *testing.T) {
	for _, client := range clients {
		for _, from := range append(clients, llm.Bedrock, llm.Ollama) {
			path, ask := streamedBy(client)
			reply, got, _ := through(t, path, ask, canned{from, 200, plainJSON, said(t, from)})
			name := string(from) + " for " + string(client)
			if reply.Stream == nil || reply.Status != 200 || reply.Header.Get("content-type") != "text/event-stream" || reply.Header.Count("content-type") != 1 {
				t.Errorf("%s: status %d, %q: %s", name, reply.Status, reply.Header.Get("content-type"), got)
				continue
			}
			a, err := replay.Read(client, true, []byte(got))
			check(t, name, a, err)
			var ending dialect.Ending
			replay.Events([]byte(got), func(payload []byte) error {
				var e dialect.Event
				if err := codecs.Of(client).Event(llm.OpChat, payload, &e); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				ending.Add(&e)
				return nil
			})
			if !codecs.Of(client).Complete(ending) {
				t.Errorf("%s: the stream is not whole: %s", name, got)
			}
		}
	}
}

// TestAWholeAnswerWhereAnArrayWasAskedFor is one item of it.
func TestAWholeAnswerWhereAnArrayWasAskedFor(t *testing.T) {
	_, ask := streamedBy(llm.Gemini)
	for _, from := range []llm.Dialect{llm.Gemini, llm.OpenAI} {
		reply, got, _ := through(t, "/v1beta/models/m:streamGenerateContent", ask, canned{from, 200, plainJSON, said(t, from)})
		if kind := reply.Header.Get("content-type"); kind != contentJSON || !strings.HasPrefix(got, "[") || !strings.HasSuffix(strings.TrimSpace(got), "]") {
			t.Errorf("%s: %q: %s", from, kind, got)
		}
		a, err := replay.Read(llm.Gemini, true, []byte(got))
		check(t, string(from), a, err)
	}
}

// TestAStreamToAClientThatWantsAWholeAnswer is one, or an error where it broke off.
func TestAStreamToAClientThatWantsAWholeAnswer(t *testing.T) {
	for _, client := range clients {
		for _, from := range clients {
			a, err := codecs.Translator(from).DecodeAnswer([]byte(said(t, from)))
			if err != nil {
				t.Fatal(err)
			}
			e := codecs.Translator(from).Encoder(conversation.StreamOptions{IncludeUsage: true})
			var stream []byte
			for _, d := range a.Deltas(nil) {
				stream = e.Append(stream, &d)
			}
			path, ask := wholeBy(client)
			name := string(from) + " for " + string(client)
			reply, got, _ := through(t, path, ask, canned{from, 200, events, string(stream)})
			if reply.Status != 502 || reply.Stream != nil || !strings.Contains(got, "broke off") {
				t.Errorf("%s, cut: status %d: %s", name, reply.Status, got)
			}
			reply, got, _ = through(t, path, ask, canned{from, 200, events, string(e.End(stream))})
			if reply.Status != 200 || reply.Stream != nil || reply.Header.Get("content-type") != contentJSON {
				t.Errorf("%s: status %d: %s", name, reply.Status, got)
				continue
			}
			read, err := codecs.Translator(client).DecodeAnswer([]byte(got))
			check(t, name, read, err)
			if read != nil && (read.Usage == nil || read.Usage.InputTotal != 7 || read.Usage.OutputTotal != 3) {
				t.Errorf("%s: usage %+v", name, read.Usage)
			}
		}
	}
}

// TestOlderCompletionsInTheOtherForm: an event has the form of an answer there, and pieces are not put together.
func TestOlderCompletionsInTheOtherForm(t *testing.T) {
	const whole = "{\"id\":\"c\",\"object\":\"text_completion\",\n\"choices\":[{\"index\":0,\"text\":\"hi\",\"finish_reason\":\"stop\"}]}"
	_, got, _ := through(t, "/v1/completions", `{"model":"m","stream":true,"prompt":"x"}`, canned{llm.OpenAI, 200, plainJSON, whole})
	if want := "data: " + strings.Replace(whole, "\n", "\ndata: ", 1) + "\n\ndata: [DONE]\n\n"; got != want {
		t.Errorf("a stream: %q", got)
	}
	reply, got, _ := through(t, "/v1/completions", `{"model":"m","prompt":"x"}`, canned{llm.OpenAI, 200, events, got})
	if reply.Status != 502 || !strings.Contains(got, "a stream where none was asked for") {
		t.Errorf("a whole one: %d %s", reply.Status, got)
	}
}

// TestFiltersSeeWhatComesInTheOtherForm as they see what comes in the one that was asked for.
func TestFiltersSeeWhatComesInTheOtherForm(t *testing.T) {
	const whole = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a secret b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	var x *exchange.Exchange
	watch := filter{exchange.PhaseDone, func(_ exchange.Phase, seen *exchange.Exchange) (exchange.Verdict, error) {
		x = seen
		return exchange.Verdict{}, nil
	}}
	path, body := streamedBy(llm.OpenAI)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, whole)
	}))
	defer s.Close()
	reply := serveFrom(t, egress.New(egress.Needs{}), s.URL, path, body, redact("secret"), watch)
	if got := all(t, reply, exchange.Completed); strings.Contains(got, "secret") || !strings.Contains(got, "[DONE]") || strings.Contains(got, `"usage":{`) {
		t.Errorf("got %s", got)
	}
	if x.Usage == nil || x.Usage.OutputTotal != 2 || x.End != exchange.Completed {
		t.Errorf("%s %+v", x.End, x.Usage)
	}
}

// TestResponsesInTheOtherForm keep the ids under which their vendor has them, and what it says of that.
func TestResponsesInTheOtherForm(t *testing.T) {
	const output = `"output":[{"type":"reasoning","id":"rs_a","summary":[{"type":"summary_text","text":"hm"}]},{"type":"message","id":"msg_b","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Let me see.","annotations":[]}]},{"type":"function_call","id":"fc_c","call_id":"c1","name":"look","arguments":"{}","status":"completed"}]`
	for stored, kept := range map[string]bool{`"store":true,`: true, ``: true, `"store":false,`: false} {
		whole := `{"id":"resp_a","object":"response","status":"completed",` + stored + output + `}`
		stream := `data: {"type":"response.created","response":{"id":"resp_a","object":"response","status":"in_progress",` + stored + `"output":[]}}` + "\n\n" +
			`data: {"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_a","summary":[]}}` + "\n\n" +
			`data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_a","output_index":0,"summary_index":0,"delta":"hm"}` + "\n\n" +
			`data: {"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_a","summary":[{"type":"summary_text","text":"hm"}]}}` + "\n\n" +
			`data: {"type":"response.output_text.delta","item_id":"msg_b","output_index":1,"content_index":0,"delta":"Let me see."}` + "\n\n" +
			`data: {"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc_c","call_id":"c1","name":"look","arguments":""}}` + "\n\n" +
			`data: {"type":"response.function_call_arguments.delta","item_id":"fc_c","output_index":2,"delta":"{}"}` + "\n\n" +
			`data: {"type":"response.completed","response":` + whole + `}` + "\n\n"
		for asked, answer := range map[string]string{`{"model":"m","input":"x"}`: stream, `{"model":"m","stream":true,"input":"x"}`: whole} {
			g, _ := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
				if w.Header().Set("Content-Type", "application/json"); answer == stream {
					w.Header().Set("Content-Type", "text/event-stream")
				}
				io.WriteString(w, answer)
			})
			reply := request(t.Context(), g, "POST", "/v1/responses", asked)
			got := string(reply.Body)
			if reply.Stream != nil {
				got = all(t, reply, exchange.Completed)
			} else {
				reply.Done(exchange.Completed)
			}
			for _, id := range []string{"resp_a", "rs_a", "msg_b", "fc_c"} {
				found, err := g.Uploads.Has(uploads.Owner{}, id)
				if !strings.Contains(got, `"id":"`+id+`"`) || found != kept || err != nil {
					t.Errorf("%s%s: kept %t, %v:\n%s", stored, id, found, err, got)
				}
			}
			for _, made := range []string{`"rs_0"`, `"msg_1"`, `"fc_2"`} {
				if strings.Contains(got, made) {
					t.Errorf("%s is no id of the vendor's: %s", made, got)
				}
			}
			if n := strings.Count(got, `"store":true`); (n > 0) != kept || strings.Contains(got, `"store":false`) == kept {
				t.Errorf("%s: %s", stored, got)
			}
		}
	}
}

// TestAnAnswerThatAFilterReplaces is kept by its vendor all the same.
func TestAnAnswerThatAFilterReplaces(t *testing.T) {
	g, _ := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"resp_a","object":"response","status":"completed","store":true,"output":[]}`)
	}, filter{exchange.PhaseResponseBody, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		x.Response.Body.Replace([]byte(`{"id":"resp_b","object":"response","status":"completed","store":false,"output":[]}`))
		return exchange.Verdict{}, nil
	}})
	reply := request(t.Context(), g, "POST", "/v1/responses", `{"model":"m","input":"x"}`)
	reply.Done(exchange.Completed)
	for id, want := range map[string]bool{"resp_a": true, "resp_b": false} {
		if found, err := g.Uploads.Has(uploads.Owner{}, id); found != want || err != nil {
			t.Errorf("%s: %t, %v: %s", id, found, err, reply.Body)
		}
	}
}

// TestSeveralAnswers: a target whose dialect has no word for them is passed over, as is a model whose targets have none; where
// nobody can, the field is named.
func TestSeveralAnswers(t *testing.T) {
	const good = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"one"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"two"},"finish_reason":"stop"}]}`
	for client, c := range map[llm.Dialect][3]string{
		llm.OpenAI: {"/v1/chat/completions", `{"model":"m","n":2,"messages":[{"role":"user","content":"x"}]}`, "`n`"},
		llm.Gemini: {"/v1beta/models/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"candidateCount":2}}`, "`generationConfig.candidateCount`"},
	} {
		for _, from := range []llm.Dialect{llm.Anthropic, llm.Responses, llm.Bedrock, llm.Cohere, llm.Ollama} {
			one := canned{from, 200, plainJSON, `{}`}
			reply, got, _ := through(t, c[0], c[1], one, canned{llm.OpenAI, 200, plainJSON, good})
			if route := reply.Header.Get(HeaderRoute); reply.Status != 200 || !strings.HasPrefix(route, "mf/t/") || !strings.Contains(got, "one") || !strings.Contains(got, "two") {
				t.Errorf("%s of %s: %s, %d %s", client, from, route, reply.Status, got)
			}
			reply, got, _ = through(t, c[0], c[1], one, one)
			if route := reply.Header.Get(HeaderRoute); reply.Status != 400 || !strings.HasPrefix(route, "m/t/") || !strings.Contains(got, c[2]) {
				t.Errorf("%s of %s, alone: %s, %d %s", client, from, route, reply.Status, got)
			}
		}
	}
}

// TestTheLongestAnswerIsTheTargets where the request sets no limit and the provider's dialect wants one.
func TestTheLongestAnswerIsTheTargets(t *testing.T) {
	for limit, want := range map[string]string{"": `"max_tokens":9000`, `,"max_tokens":7`: `"max_tokens":7`} {
		s, _ := awaiting(t, llm.OpenAI, "")
		s.x.Request.Body = exchange.NewBody([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}]`+limit+`}`), nil)
		var r upstream.Request
		err := s.translated(&upstream.Target{Model: "claude-sonnet-4-5", Output: 9000}, &upstream.Plan{Dialect: llm.Anthropic}, &r)
		if err != nil || !strings.Contains(string(r.Body), want) {
			t.Errorf("%s, %v, want %s", r.Body, err, want)
		}
	}
}

// TestLogprobsOfAGatheredStream: of a vendor's own form the lists are put together, and what cannot be is told.
func TestLogprobsOfAGatheredStream(t *testing.T) {
	two := func(first, second string) string {
		return chunkOf + `{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":` + first + `}]}` + "\n\n" +
			chunkOf + `{"index":0,"delta":{"content":"b"},"logprobs":` + second + `,"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	}
	for name, c := range map[string]struct{ first, second, want, dropped string }{
		"OpenAI's":     {`{"content":[{"token":"a","logprob":-1}]}`, `{"content":[{"token":"b","logprob":-2}],"refusal":null}`, `{"content":[{"token":"a","logprob":-1},{"token":"b","logprob":-2}],"refusal":null}`, ""},
		"lists":        {`{"tokens":["a"],"token_logprobs":[-1],"top_logprobs":null}`, `{"tokens":["b"],"token_logprobs":[-2.50],"top_logprobs":null}`, `{"tokens":["a","b"],"token_logprobs":[-1,-2.50],"top_logprobs":null}`, ""},
		"one piece":    {`{"sum":-1}`, `null`, `{"sum":-1}`, ""},
		"a number":     {`-1.5`, `-2`, `null`, "answer:choices[0].logprobs"},
		"a number too": {`{"tokens":["a"],"sum":-1}`, `{"tokens":["b"],"sum":-2}`, `{"tokens":["a","b"],"sum":null}`, "answer:choices[0].logprobs"},
	} {
		r, got, _ := through(t, "/v1/chat/completions", chatBody, canned{llm.OpenAI, 200, events, two(c.first, c.second)})
		if !strings.Contains(got, `"content":"ab"`) || !strings.Contains(got, `"logprobs":`+c.want+`,"finish_reason"`) || r.Header.Get(HeaderDropped) != c.dropped {
			t.Errorf("%s: %q %s", name, r.Header.Get(HeaderDropped), got)
		}
	}
}

// TestTooManyCitationsAreTold: what is beyond the bound is lost, and said so.
func TestTooManyCitationsAreTold(t *testing.T) {
	for n, dropped := range map[int]string{3: "", conversation.MaxCitations + 1: "answer:choices[0].message.content[0].annotations"} {
		one := `{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"url":"https://a.example","title":"t"}}`
		body := `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x","annotations":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]},"finish_reason":"stop"}]}`
		r, got, _ := through(t, "/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, canned{llm.OpenAI, 200, plainJSON, body})
		if r.Header.Get(HeaderDropped) != dropped || r.Status != 200 {
			t.Errorf("%d: %d %q %.200s", n, r.Status, r.Header.Get(HeaderDropped), got)
		}
	}
}
