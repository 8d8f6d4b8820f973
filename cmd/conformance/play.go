package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

var dialects = []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}

// outcome is what became of one recording with one client.
type outcome struct {
	skipped string // the client cannot express the request: nothing was played
	refused string // the gateway said which field it cannot say to the provider
	failed  string // something else than an answer came
	grammar string // what is wrong with the form of the answer; "" = nothing
	kept    map[fidelity.Feature]bool
	lost    map[fidelity.Feature]string
	dropped string // what the answer's header lists
}

// play calls recording i as a client of a dialect.
func (g *process) play(ctx context.Context, i int, x *recorded.Exchange, client llm.Dialect) (o outcome) {
	q, err := codecs.UpstreamTranslator(x.Dialect()).DecodeRequest(x.Ask())
	if err != nil {
		return outcome{skipped: "the recorded request: " + err.Error()}
	}
	streamed := replay.Streamed(x)
	want, failure, err := replay.Said(x)
	if err != nil {
		return outcome{skipped: "the recorded answer: " + err.Error()}
	}
	if want != nil && client != x.Dialect() && !fidelity.Fits(want, client) {
		if want.Choices[0].Finish.Usable() == nil {
			return outcome{skipped: "the client's dialect has no place for such an answer"}
		}
		failure = want.Choices[0].Finish.Usable()
	}
	q.Model, q.Stream, q.IncludeUsage = replay.Name(i), streamed, true
	body, _, err := codecs.Translator(client).EncodeRequest(q, conversation.Limits{})
	if client == x.Dialect() {
		body, err = renamed(client, x.Ask(), replay.Name(i)), nil
	}
	if err != nil {
		return outcome{skipped: err.Error()}
	}
	resp, text, err := g.post(ctx, replay.Name(i), client, streamed, body)
	if err != nil {
		return outcome{failed: err.Error()}
	}
	if failure != nil {
		return expectError(client, streamed, resp.StatusCode, text)
	}
	if _, reason, refused := strings.Cut(string(text), "the provider of this model cannot be told "); refused && resp.StatusCode == 400 {
		reason, _, _ = strings.Cut(reason, `"`)
		return outcome{refused: "the provider cannot be told " + reason}
	}
	if resp.StatusCode != 200 {
		return outcome{failed: fmt.Sprintf("status %d: %.300s", resp.StatusCode, text)}
	}
	got, err := replay.Read(client, streamed && isStream(resp.Header.Get("Content-Type"), text), text)
	if err != nil {
		return outcome{failed: err.Error()}
	}
	o = outcome{kept: map[fidelity.Feature]bool{}, dropped: resp.Header.Get(gateway.HeaderDropped)}
	before, after := fidelity.Said(want), fidelity.Said(got)
	for f := range before {
		o.kept[f] = true
	}
	o.lost = before.Lost(after)
	if streamed {
		o.grammar = wellFormed(client, text)
	}
	if streamed && o.grammar == "" && client != x.Dialect() { // what a server of the client's dialect says is its own
		if err := grammar.Check(client, text); err != nil {
			o.grammar = err.Error()
		}
	}
	return o
}

// renamed returns a recorded request for another model.
func renamed(d llm.Dialect, body []byte, model string) []byte {
	var read dialect.Request
	codec := codecs.Of(d)
	if codec.Request(llm.OpChat, body, &read) != nil {
		return body
	}
	span, with := codec.SetModel(body, &read, model)
	return append(append(append([]byte{}, body[:span.Start]...), with...), body[span.End:]...)
}

func isStream(kind string, text []byte) bool {
	return strings.HasPrefix(kind, "text/event-stream") || bytes.HasPrefix(text, []byte("["))
}

// wellFormed says what is wrong with a stream by its dialect's own codec, or "".
func wellFormed(d llm.Dialect, stream []byte) string {
	codec := codecs.Of(d)
	var ending dialect.Ending
	err := replay.Events(stream, func(payload []byte) error {
		var e dialect.Event
		if err := codec.Event(llm.OpChat, payload, &e); err != nil {
			return err
		}
		ending.Add(&e)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	if !codec.Complete(ending) {
		return "it is not complete"
	}
	return ""
}

// expectError holds an exchange that failed upstream to an error for the client.
func expectError(d llm.Dialect, streamed bool, status int, text []byte) (o outcome) {
	if status >= 400 {
		var found dialect.Answer
		body := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]"))
		if err := codecs.Of(d).Answer(llm.OpChat, body, &found); err != nil || found.Error == nil {
			return outcome{failed: fmt.Sprintf("status %d without an error in the client's dialect: %.300s", status, text)}
		}
		return outcome{kept: map[fidelity.Feature]bool{failure: true}}
	}
	var e *llm.Error
	if _, err := replay.Read(d, streamed, text); errors.As(err, &e) {
		return outcome{kept: map[fidelity.Feature]bool{failure: true}}
	}
	return outcome{lost: map[fidelity.Feature]string{failure: fmt.Sprintf("success where the vendor reported an error: %.300s", text)}, kept: map[fidelity.Feature]bool{failure: true}}
}

// failure is the feature of an error that stays one.
const failure fidelity.Feature = "error"
