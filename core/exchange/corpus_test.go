package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// recorded returns the bodies of the recorded chat answers of a kind, by file.
func recorded(t *testing.T, kind string) map[string][]byte {
	dir := os.Getenv("GINNEL_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "providers", "dev", "*__chat-completions__*.json"))
	out := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Response struct {
				Kind, Raw string
				Body      json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if r.Response.Kind == kind {
			out[filepath.Base(file)] = append([]byte(r.Response.Raw), r.Response.Body...)
		}
	}
	if len(out) == 0 {
		t.Skip("no recordings: set GINNEL_CORPUS to the corpus")
	}
	return out
}

// eventsOf frames and reads a recorded stream as the gateway does.
func eventsOf(t *testing.T, name string, raw []byte) (events []*Event) {
	var f dialect.Framer
	var fr dialect.Frame
	f.Feed(raw)
	for {
		ok, err := f.Next(&fr)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return events
		}
		own := fr.Clone()
		e := &Event{Raw: own.Raw}
		if own.Payload != nil {
			if err := (openai.Codec{}).Event(llm.OpChat, own.Payload, &e.Event); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e.Body = NewBody(own.Payload, e.Texts)
		}
		events = append(events, e)
	}
}

func TestRecordedStreamsPassHoldingFiltersUnchanged(t *testing.T) {
	for name, raw := range recorded(t, "sse") {
		rng := rand.New(rand.NewPCG(3, uint64(len(raw))))
		hold := func(n string) Filter {
			return filter{n, PhaseDelta | PhaseEvent, func(p Phase, x *Exchange) (Verdict, error) {
				return Verdict{Action: []Action{Continue, Hold}[rng.IntN(2)], Hold: rng.IntN(40)}, nil
			}}
		}
		if got := play(t, eventsOf(t, name, raw), hold("a"), hold("b")); !bytes.Equal(got, raw) {
			t.Errorf("%s: %d bytes became %d", name, len(raw), len(got))
		}
	}
}

func TestWordIsRedactedInRecordedStreams(t *testing.T) {
	const word, with = "the ", "[X]"
	found := 0
	for name, raw := range recorded(t, "sse") {
		before := channelTexts(eventsOf(t, name, raw))
		after := channelTexts(eventsOf(t, name, play(t, eventsOf(t, name, raw), redact(word, with))))
		for c, text := range before {
			found += strings.Count(text, word)
			if want := strings.ReplaceAll(text, word, with); after[c] != want {
				t.Errorf("%s: %q, want %q", name, after[c], want)
			}
		}
	}
	if found == 0 {
		t.Error("the word stands nowhere: the test shows nothing")
	}
}

func channelTexts(events []*Event) map[dialect.Channel]string {
	out := map[dialect.Channel]string{}
	for _, e := range events {
		for x := range e.Body.Texts {
			out[x.Channel] += string(x.Value())
		}
	}
	return out
}

func TestRecordedAnswersAreRebuiltAroundEdits(t *testing.T) {
	for name, raw := range recorded(t, "json") {
		var found dialect.Answer
		if err := (openai.Codec{}).Answer(llm.OpChat, raw, &found); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		x := New(context.Background())
		x.Response.Body = NewBody(raw, found.Texts)
		if !bytes.Equal(x.Response.Body.Bytes(), raw) {
			t.Errorf("%s: changed without an edit", name)
		}
		flow := NewPipeline("p", redact("the ", "\"\n")).Flow(x)
		flow.Request(context.Background())
		if _, err := flow.Unary(context.Background()); err != nil {
			t.Fatal(err)
		}
		edited := x.Response.Body.Bytes()
		var again dialect.Answer
		if err := (openai.Codec{}).Answer(llm.OpChat, edited, &again); err != nil || !json.Valid(edited) || len(again.Texts) != len(found.Texts) {
			t.Fatalf("%s: %v: %s", name, err, edited)
		}
		for i, s := range found.Texts {
			before := string(dialect.AppendUnquoted(nil, raw[s.Span.Start:s.Span.End]))
			s = again.Texts[i]
			if got, want := string(dialect.AppendUnquoted(nil, edited[s.Span.Start:s.Span.End])), strings.ReplaceAll(before, "the ", "\"\n"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
