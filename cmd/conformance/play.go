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
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
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
	streamed := x.Response.Kind == "sse" || x.Response.Kind == "eventstream" || x.Response.Kind == "ndjson" || strings.HasPrefix(string(x.Answer()), "[")
	want, failure, err := recordedAnswer(x, streamed)
	if err != nil {
		return outcome{skipped: "the recorded answer: " + err.Error()}
	}
	if want != nil && client != x.Dialect() && !fidelity.Fits(want, client) {
		if want.Choices[0].Finish.Usable() == nil {
			return outcome{skipped: "the client's dialect has no place for such an answer"}
		}
		failure = want.Choices[0].Finish.Usable()
	}
	q.Model, q.Stream, q.IncludeUsage = name(i), streamed, true
	body, _, err := codecs.Translator(client).EncodeRequest(q, conversation.Limits{})
	if client == x.Dialect() {
		body, err = renamed(client, x.Ask(), name(i)), nil
	}
	if err != nil {
		return outcome{skipped: err.Error()}
	}
	resp, text, err := g.post(ctx, name(i), client, streamed, body)
	if err != nil {
		return outcome{failed: err.Error()}
	}
	if failure != nil {
		return expectError(client, streamed, resp.StatusCode, text)
	}
	if resp.StatusCode == 400 && bytes.Contains(text, []byte("cannot be told")) {
		return outcome{refused: string(text)}
	}
	if resp.StatusCode != 200 {
		return outcome{failed: fmt.Sprintf("status %d: %.300s", resp.StatusCode, text)}
	}
	got, err := clientAnswer(client, streamed && isStream(resp.Header.Get("Content-Type"), text), text)
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

// recordedAnswer reads what the vendor said: an answer, or an error that the client must see.
func recordedAnswer(x *recorded.Exchange, streamed bool) (*conversation.Answer, *llm.Error, error) {
	if x.Response.Status != 200 {
		return nil, &llm.Error{Status: x.Response.Status}, nil
	}
	text, err := x.Events()
	if err != nil {
		return nil, nil, err
	}
	a, err := clientAnswer(x.Dialect(), streamed, text)
	var failure *llm.Error
	if errors.As(err, &failure) && failure.Code != llm.CodeInvalid {
		return nil, failure, nil
	}
	return a, nil, err
}

// clientAnswer reads an answer as a client of a dialect does.
func clientAnswer(d llm.Dialect, streamed bool, text []byte) (*conversation.Answer, error) {
	t := codecs.UpstreamTranslator(d)
	if !streamed {
		return t.DecodeAnswer(text)
	}
	var c conversation.Collector
	decoder := t.Decoder()
	err := events(text, func(payload []byte) error {
		deltas, err := decoder.Event(payload, nil)
		if err != nil {
			return err
		}
		return c.Add(deltas...)
	})
	if err == nil {
		err = c.Add(decoder.End(nil)...)
	}
	switch {
	case err != nil:
		return nil, err
	case c.Failed != nil:
		return nil, c.Failed
	}
	return &c.Answer, c.Whole()
}

// events calls yield with the payload of each event of a stream, in any framing.
func events(stream []byte, yield func([]byte) error) error {
	var frame dialect.Frame
	framing := dialect.ServerSent
	switch {
	case bytes.HasPrefix(stream, []byte("[")):
		framing = dialect.JSONArray
	case bytes.HasPrefix(stream, []byte("{")):
		framing = dialect.JSONLines
	}
	cut := dialect.NewCutter(framing)
	cut.Feed(stream)
	for {
		ok, err := cut.Next(&frame)
		if err != nil {
			return err
		}
		if !ok && !cut.Tail(&frame) {
			return nil
		}
		if frame.Payload != nil {
			if err := yield(frame.Payload); err != nil {
				return err
			}
		}
	}
}

// wellFormed says what is wrong with a stream by its dialect's own codec, or "".
func wellFormed(d llm.Dialect, stream []byte) string {
	codec := codecs.Of(d)
	ended, finish := false, ""
	err := events(stream, func(payload []byte) error {
		var e dialect.Event
		if err := codec.Event(llm.OpChat, payload, &e); err != nil {
			return err
		}
		ended = ended || e.End
		if e.Finish != "" {
			finish = e.Finish
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	if !codec.Complete(ended, finish) {
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
	if _, err := clientAnswer(d, streamed, text); errors.As(err, &e) {
		return outcome{kept: map[fidelity.Feature]bool{failure: true}}
	}
	return outcome{lost: map[fidelity.Feature]string{failure: fmt.Sprintf("success where the vendor reported an error: %.300s", text)}, kept: map[fidelity.Feature]bool{failure: true}}
}

// failure is the feature of an error that stays one.
const failure fidelity.Feature = "error"
