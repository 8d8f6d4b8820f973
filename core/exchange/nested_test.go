package exchange

import (
	"context"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// nestedEvent is an event with a piece of a JSON text in a string.
func nestedEvent(piece string) *Event {
	raw := string(dialect.AppendQuoted([]byte(`{"a":"`), []byte(piece))) + `"}`
	text := dialect.Text{Span: Span{Start: 6, End: len(raw) - 2}, Nested: true, Channel: dialect.Channel{Kind: dialect.KindArguments}}
	return &Event{Raw: []byte("data: " + raw + "\n\n"), Body: NewBody([]byte(raw), []dialect.Text{text})}
}

// TestNestedEscapes: a filter sees what a reader of the arguments will, however they come in pieces, and
// what must be escaped stays so.
func TestNestedEscapes(t *testing.T) {
	const arguments, want = `{"k":"\u0061\\u0062\u0022\u003c\u00e9\n\u006B\u00zz\ud83d\ude00\u005c\u0064"}`, `{"k":"a\\u0062\u0022\u003c\u00e9\nk\u00zz\ud83d\ude00\u005cd"}`
	for size := 1; size <= len(arguments); size++ {
		var seen, out strings.Builder
		look := filter{"look", PhaseDelta, func(_ Phase, x *Exchange) (Verdict, error) {
			seen.Write(x.Window.Bytes()[x.Window.Fresh():])
			return Verdict{}, nil
		}}
		ctx := context.Background()
		flow := NewPipeline("p", look).Flow(New(ctx))
		flow.Request(ctx)
		put := func(e *Event) { out.Write(e.Body.Text(0).Value()) }
		for rest := arguments; rest != ""; {
			n := min(size, len(rest))
			if _, err := flow.Event(ctx, nestedEvent(rest[:n]), put); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if _, err := flow.Flush(ctx, put); err != nil {
			t.Fatal(err)
		}
		if seen.String() != want || out.String() != want {
			t.Errorf("in pieces of %d: seen %s, out %s", size, seen.String(), out.String())
		}
	}
}

// TestManyNestedEscapes are one edit: one for each would copy the text a quarter of a million times.
func TestManyNestedEscapes(t *testing.T) {
	e := nestedEvent(strings.Repeat(`\u0061`, 1<<18))
	if err := e.Body.plain(); err != nil {
		t.Fatal(err)
	}
	if got := e.Body.Text(0).Value(); string(got) != strings.Repeat("a", 1<<18) {
		t.Errorf("%d bytes", len(got))
	}
}
