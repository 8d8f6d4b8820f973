package exchange

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// whole makes the texts of an event complete in themselves.
func whole(e *Event) *Event {
	for i := range e.Body.texts {
		e.Body.texts[i].Whole = true
	}
	return e
}

// bare is an event without a text.
func bare() *Event { return &Event{Raw: []byte("data: {}\n\n"), Body: bodyOf(`{}`)} }

// closing makes an event end blocks.
func closing(e *Event, blocks ...dialect.Block) *Event {
	e.Closed = blocks
	return e
}

// watch counts the windows that are final and what they hold, and holds back all else.
func watch(seen *[]string) Filter {
	return filter{"watch", PhaseDelta, func(_ Phase, x *Exchange) (Verdict, error) {
		w := x.Window
		if w.Final {
			*seen = append(*seen, fmt.Sprintf("%d/%d %s", w.Channel.Choice, w.Channel.Block, w.Bytes()))
			return Verdict{}, nil
		}
		return Verdict{Action: Hold}, nil
	}}
}

// step feeds events one by one and returns how many have come out after each.
func step(t *testing.T, events []*Event, filters ...Filter) (out []int, order []*Event) {
	t.Helper()
	ctx := context.Background()
	flow := NewPipeline("test", filters...).Flow(New(ctx))
	if _, err := flow.Request(ctx); err != nil {
		t.Fatal(err)
	}
	put := func(e *Event) { order = append(order, e) }
	for _, e := range events {
		if v, err := flow.Event(ctx, e, put); err != nil || v.Action == Close {
			t.Fatal(v, err)
		}
		out = append(out, len(order))
	}
	if v, err := flow.Flush(ctx, put); err != nil || v.Action == Close {
		t.Fatal(v, err)
	}
	return append(out, len(order)), order
}

func TestAClosedBlockLetsGoOfWhatWasHeld(t *testing.T) {
	a, b := dialect.Channel{Choice: 1}, dialect.Channel{Choice: 1, Block: 1}
	reasoning := dialect.Channel{Choice: 1, Kind: dialect.KindReasoning}
	for _, c := range []struct {
		name   string
		events []*Event
		out    []int    // events that came out after each, and after the end
		seen   []string // final windows
	}{
		{"its own", []*Event{delta(a, "x"), delta(a, "y"), closing(bare(), dialect.Block{Choice: 1})}, []int{0, 0, 3, 3}, []string{"1/0 xy"}},
		{"every kind of it", []*Event{delta(a, "x"), delta(reasoning, "y"), closing(bare(), dialect.Block{Choice: 1})}, []int{0, 0, 3, 3}, []string{"1/0 x", "1/0 y"}},
		{"and no other's", []*Event{delta(a, "x"), delta(b, "y"), closing(bare(), dialect.Block{Choice: 1})}, []int{0, 0, 1, 3}, []string{"1/0 x", "1/1 y"}},
		{"what stands behind another's waits", []*Event{delta(b, "y"), delta(a, "x"), closing(bare(), dialect.Block{Choice: 1})}, []int{0, 0, 0, 3}, []string{"1/0 x", "1/1 y"}},
		{"another choice's block of that number", []*Event{delta(a, "x"), closing(bare(), dialect.Block{Choice: 2})}, []int{0, 0, 2}, []string{"1/0 x"}},
		{"several at once", []*Event{delta(a, "x"), delta(b, "y"), closing(bare(), dialect.Block{Choice: 1}, dialect.Block{Choice: 1, Block: 1})}, []int{0, 0, 3, 3}, []string{"1/0 x", "1/1 y"}},
		{"what it says itself first", []*Event{delta(a, "x"), closing(delta(a, "z"), dialect.Block{Choice: 1})}, []int{0, 2, 2}, []string{"1/0 xz"}},
		{"one that had nothing", []*Event{closing(bare(), dialect.Block{Choice: 1})}, []int{1, 1}, nil},
		{"one that begins anew", []*Event{delta(a, "x"), closing(bare(), dialect.Block{Choice: 1}), delta(a, "z")}, []int{0, 2, 2, 3}, []string{"1/0 x", "1/0 z"}},
	} {
		var seen []string
		out, order := step(t, c.events, watch(&seen))
		if !slices.Equal(out, c.out) || !slices.Equal(seen, c.seen) || !slices.Equal(order, c.events) {
			t.Errorf("%s: out %v, want %v; final %q, want %q", c.name, out, c.out, seen, c.seen)
		}
	}
}

// TestAClosedBlockLetsGoThroughTwoFilters: the second gets what the first lets go, then the end of
// the block itself.
func TestAClosedBlockLetsGoThroughTwoFilters(t *testing.T) {
	a := dialect.Channel{Choice: 1}
	var first, second []string
	events := []*Event{delta(a, "x"), delta(a, "y"), closing(whole(delta(dialect.Channel{Choice: 1, Repeat: true}, "xy")), dialect.Block{Choice: 1}), delta(dialect.Channel{Choice: 2}, "z")}
	out, order := step(t, events, watch(&second), watch(&first)) // answers pass in reverse
	if !slices.Equal(out, []int{0, 0, 3, 3, 4}) || !slices.Equal(order, events) {
		t.Errorf("out %v", out)
	}
	for name, seen := range map[string][]string{"first": first, "second": second} {
		if !slices.Equal(seen, []string{"1/0 xy", "1/0 xy", "2/0 z"}) {
			t.Errorf("%s: %q", name, seen)
		}
	}
	if s := play(t, []*Event{delta(a, "a sec"), delta(a, "ret b oth"), closing(delta(a, "er c"), dialect.Block{Choice: 1})}, redact("secret", "S"), redact("other", "O")); strings.Contains(string(s), "sec") || strings.Contains(string(s), "oth") {
		t.Errorf("%q", s)
	}
}

// TestAWholeTextBesideAnOpenWindow is read alone, is never held, and does not disturb the window.
func TestAWholeTextBesideAnOpenWindow(t *testing.T) {
	a := dialect.Channel{Choice: 1}
	again := dialect.Channel{Choice: 1, Repeat: true}
	events := []*Event{delta(a, "a sec"), whole(delta(a, "ret")), delta(a, "x"), delta(a, " sec"), whole(delta(again, "a secret sec")), delta(a, "ret b"), whole(delta(again, "secret"))}
	var got []string
	for part := range strings.SplitSeq(string(play(t, events, redact("secret", "S"))), "\n\n") {
		if text, ok := strings.CutPrefix(part, `data: {"t":"`); ok {
			got = append(got, strings.TrimSuffix(text, `"}`))
		}
	}
	if want := []string{"a sec", "ret", "x", " S", "a S sec", " b", "S"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
