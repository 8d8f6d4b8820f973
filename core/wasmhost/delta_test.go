package wasmhost

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
)

const wordRules = `{"rules":"rule word\n  class test\n  pattern secret[0-9]{4}\n"}`

// stream runs texts as the events of one channel through a filter and returns what comes out.
func stream(t *testing.T, f *Filter, x *exchange.Exchange, texts []string) (string, exchange.Verdict) {
	t.Helper()
	query := x.Query
	x.Stream, x.Query = true, ""
	flow := exchange.NewPipeline("p", f).Flow(x)
	if _, err := flow.Request(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.Query = query
	var out strings.Builder
	emit := func(e *exchange.Event) { out.Write(e.Body.Bytes()) }
	for _, text := range texts {
		e := &exchange.Event{Raw: []byte("data: " + text + "\n\n"), Body: exchange.NewBody([]byte(text), []dialect.Text{{Span: dialect.Span{Start: 0, End: len(text)}}})}
		if v, err := flow.Event(t.Context(), e, emit); err != nil || v.Action == exchange.Close {
			if err != nil {
				t.Fatal(err)
			}
			return out.String(), v
		}
	}
	v, err := flow.Flush(t.Context(), emit)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), v
}

func TestAStreamIsRedactedHoweverItIsCut(t *testing.T) {
	f := newGuest(t, Spec{Config: []byte(wordRules)})
	text := "one secret1234 two secret99 three secret0000secret1111 four secre"
	want := "one [x] two secret99 three [x][x] four secre"
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var pieces []string
		for rest := text; rest != ""; {
			n := 1 + rng.IntN(min(len(rest), 1+int(seed)))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got, _ := stream(t, f, newExchange("redact"), pieces); got != want {
			t.Fatalf("%q: %q, want %q", pieces, got, want)
		}
	}
}

func TestAWholeAnswerIsRedacted(t *testing.T) {
	f := newGuest(t, Spec{Config: []byte(wordRules)})
	x := newExchange("redact")
	x.Response.Body = bodyOf(`{"a":"«my secret1234»","b":"«none»"}`)
	flow := exchange.NewPipeline("p", f).Flow(x)
	flow.Request(t.Context())
	if _, err := flow.Unary(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(x.Response.Body.Bytes()); got != `{"a":"my [x]","b":"none"}` {
		t.Errorf("%s", got)
	}
}

func TestDeltaActions(t *testing.T) {
	f := newGuest(t, Spec{})
	for _, c := range []struct{ query, want, said string }{
		{"upper", "HELLO WORLD", ""},
		{"drop", "", ""},
		{"info", "hello world", "0 0 0 0 false 0 6|0 0 0 0 false 0 5|0 0 0 0 true 0 0"},
	} {
		x := newExchange(c.query)
		got, _ := stream(t, f, x, []string{"hello ", "world"})
		if got != c.want || c.said != "" && said(x) != c.said {
			t.Errorf("%s: %q, said %q", c.query, got, said(x))
		}
	}
}

func TestADenialInsideAStreamClosesIt(t *testing.T) {
	f := newGuest(t, Spec{})
	x := newExchange("")
	flow := exchange.NewPipeline("p", f).Flow(x)
	flow.Request(t.Context())
	x.Query, x.Stream = "deny", true
	e := &exchange.Event{Body: exchange.NewBody([]byte("hello"), []dialect.Text{{Span: dialect.Span{Start: 0, End: 5}}})}
	v, err := flow.Event(t.Context(), e, func(*exchange.Event) { t.Error("the event goes out") })
	if err != nil || v.Action != exchange.Close || v.Reply == nil || v.Reply.Class != "test" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestHoldingMoreThanDeclaredFails(t *testing.T) {
	f := newGuest(t, Spec{})
	x := newExchange("hold too much")
	flow := exchange.NewPipeline("p", f).Flow(x)
	flow.Request(t.Context())
	text := strings.Repeat("x", 300)
	e := &exchange.Event{Body: exchange.NewBody([]byte(text), []dialect.Text{{Span: dialect.Span{Start: 0, End: 300}}})}
	if _, err := flow.Event(t.Context(), e, func(*exchange.Event) {}); err == nil || !strings.Contains(err.Error(), "look_ahead") {
		t.Errorf("%v", err)
	}
}
