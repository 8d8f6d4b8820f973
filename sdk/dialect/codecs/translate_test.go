package codecs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// conversations returns the recorded conversations, or skips the test.
func conversations(t *testing.T) (all []*recorded.Exchange) {
	t.Helper()
	for _, x := range recorded.Of(t, "../../..", "*.json") {
		if x.Dialect() != "" && len(x.Ask()) > 0 {
			all = append(all, x)
		}
	}
	return all
}

// dialects are those of clients, upstreams those of providers.
var (
	dialects  = []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}
	upstreams = append(slices.Clone(dialects), llm.Bedrock, llm.Cohere, llm.Ollama, llm.Mistral)
)

// read holds what was encoded for a provider to the provider's own codec, where it reads requests.
func read(target llm.Dialect, body []byte) error {
	var into dialect.Request
	if c := Of(target); c != nil && Translator(target) != nil {
		return c.Request(llm.OpChat, body, &into)
	}
	_, err := UpstreamTranslator(target).DecodeRequest(body)
	return err
}

// TestRequestsAcross decodes every recorded request, encodes it in every dialect, and decodes that: the
// words, calls and results of the conversation are the same, or the request is refused with the field's
// name, or what was left out is listed.
func TestRequestsAcross(t *testing.T) {
	kept, refused := map[string]int{}, map[string]int{}
	for _, r := range conversations(t) {
		if r.Response.Status >= 400 {
			continue
		}
		q, err := UpstreamTranslator(r.Dialect()).DecodeRequest(r.Ask())
		if err != nil {
			refused[fmt.Sprint(r.Dialect(), ": ", err)]++
			continue
		}
		for _, target := range upstreams {
			copied := *q
			if copied.Model == "" {
				copied.Model = r.Model // it stands in the path
			}
			body, lost, err := UpstreamTranslator(target).EncodeRequest(&copied, conversation.Limits{})
			if err != nil {
				refused[fmt.Sprint(r.Dialect(), " to ", target, ": ", err)]++
				continue
			}
			pair := fmt.Sprint(r.Dialect(), " to ", target)
			if err := read(target, body); err != nil {
				t.Errorf("%s: %s: what was encoded cannot be read: %v\n%.400s", r.Name, pair, err, body)
				continue
			}
			again, err := UpstreamTranslator(target).DecodeRequest(body)
			if err != nil {
				t.Errorf("%s: %s: %v\n%.400s", r.Name, pair, err, body)
				continue
			}
			if target == llm.Bedrock && len(q.Tools) == 0 { // which wants those that were called
				again.Tools = nil
			}
			if a, b := fidelity.Asked(q, lost), fidelity.Asked(again, lost); a != b {
				t.Errorf("%s: %s: %s", r.Name, pair, fidelity.Difference(a, b))
				continue
			}
			kept[pair]++
		}
	}
	for pair, n := range kept {
		t.Logf("%s: %d requests kept", pair, n)
	}
	for why, n := range refused {
		t.Logf("refused: %d %s", n, why)
	}
}

// TestAnswersAcross does the same with answers, whole and streamed: words, thoughts, calls with their ids
// and arguments, the finish reason and the usage are kept in every dialect, and every stream is whole in
// its grammar.
func TestAnswersAcross(t *testing.T) {
	kept := map[string]int{}
	for _, r := range conversations(t) {
		if r.Response.Status != 200 {
			continue
		}
		if r.Response.Kind == "json" && !strings.HasPrefix(string(r.Answer()), "[") {
			a, err := UpstreamTranslator(r.Dialect()).DecodeAnswer(r.Answer())
			if err != nil {
				t.Errorf("%s: %v", r.Name, err)
				continue
			}
			for _, client := range dialects {
				if !fidelity.Fits(a, client) {
					continue
				}
				body := Translator(client).EncodeAnswer(a)
				var read dialect.Answer
				if err := Of(client).Answer(llm.OpChat, body, &read); err != nil {
					t.Errorf("%s to %s: %v\n%.400s", r.Name, client, err, body)
					continue
				}
				again, err := Translator(client).DecodeAnswer(body)
				if err != nil {
					t.Errorf("%s to %s: %v\n%.400s", r.Name, client, err, body)
					continue
				}
				if lost := fidelity.Said(a).Lost(fidelity.Said(again)); len(lost) > 0 {
					t.Errorf("%s to %s: %v", r.Name, client, lost)
					continue
				}
				kept[fmt.Sprint(r.Dialect(), " to ", client, ", whole")]++
			}
			played(t, r, a.Deltas(nil), ", whole as a stream", kept)
			continue
		}
		across(t, r, kept)
	}
	for pair, n := range kept {
		t.Logf("%s: %d answers kept", pair, n)
	}
}

// across plays a recorded stream to clients of all dialects.
func across(t *testing.T, r *recorded.Exchange, kept map[string]int) {
	events, err := r.Events()
	if err != nil {
		t.Errorf("%s: %v", r.Name, err)
		return
	}
	deltas, err := decode(r.Dialect(), events)
	if err != nil {
		t.Errorf("%s: %v", r.Name, err)
		return
	}
	played(t, r, deltas, ", streamed", kept)
}

// played gives deltas to clients of all dialects.
func played(t *testing.T, r *recorded.Exchange, deltas []conversation.Delta, form string, kept map[string]int) {
	var c conversation.Collector
	if err := c.Add(deltas...); err != nil {
		t.Errorf("%s: %v", r.Name, err)
		return
	}
	if c.Failed != nil {
		return
	}
	if err := c.Whole(); err != nil {
		t.Errorf("%s: %v", r.Name, err)
		return
	}
	if begin := &deltas[0]; begin.Kind == conversation.Begin { // as the gateway says what a vendor leaves out
		begin.ID, begin.Model = cmp.Or(begin.ID, "id"), cmp.Or(begin.Model, "model")
	}
	for _, client := range dialects {
		if !fidelity.Fits(&c.Answer, client) {
			continue
		}
		e := Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
		var raw []byte
		for i := range deltas {
			raw = e.Append(raw, &deltas[i])
		}
		raw = e.End(raw)
		again, err := decode(client, raw)
		if err != nil {
			t.Errorf("%s to %s: %v", r.Name, client, err)
			continue
		}
		var d conversation.Collector
		if err := d.Add(again...); err != nil {
			t.Errorf("%s to %s: %v", r.Name, client, err)
			continue
		}
		if err := d.Whole(); err != nil {
			t.Errorf("%s to %s: %v", r.Name, client, err)
		}
		if lost := fidelity.Said(&c.Answer).Lost(fidelity.Said(&d.Answer)); len(lost) > 0 {
			t.Errorf("%s to %s: %v", r.Name, client, lost)
			continue
		}
		if !complete(client, raw) {
			t.Errorf("%s to %s: the stream is not complete", r.Name, client)
		}
		if err := grammar.Check(client, raw); err != nil {
			t.Errorf("%s to %s: %v", r.Name, client, err)
		}
		kept[fmt.Sprint(r.Dialect(), " to ", client, form)]++
	}
}

// payloads calls yield with each event's payload of a stream in any framing.
func payloads(raw []byte, yield func([]byte) error) error {
	framing := dialect.ServerSent
	switch {
	case strings.HasPrefix(string(raw), "["):
		framing = dialect.JSONArray
	case strings.HasPrefix(string(raw), "{"):
		framing = dialect.JSONLines
	}
	f := dialect.NewCutter(framing)
	f.Feed(raw)
	var frame dialect.Frame
	for {
		ok, err := f.Next(&frame)
		if err != nil {
			return err
		}
		if !ok && !f.Tail(&frame) {
			return nil
		}
		if frame.Payload != nil {
			if err := yield(frame.Payload); err != nil {
				return fmt.Errorf("%w: %.200s", err, frame.Payload)
			}
		}
	}
}

func decode(name llm.Dialect, raw []byte) (deltas []conversation.Delta, err error) {
	d := UpstreamTranslator(name).Decoder()
	err = payloads(raw, func(p []byte) (err error) {
		deltas, err = d.Event(p, deltas)
		return err
	})
	return d.End(deltas), err
}

// complete holds a stream to its dialect's own codec.
func complete(name llm.Dialect, raw []byte) bool {
	var ending dialect.Ending
	err := payloads(raw, func(p []byte) error {
		var e dialect.Event
		if err := Of(name).Event(llm.OpChat, p, &e); err != nil {
			return err
		}
		ending.Add(&e)
		return nil
	})
	return err == nil && Of(name).Complete(ending)
}
