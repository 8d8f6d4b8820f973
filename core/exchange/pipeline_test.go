package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// filter is a Filter from a closure.
type filter struct {
	name   string
	phases Phase
	run    func(p Phase, x *Exchange) (Verdict, error)
}

func (f filter) Name() string                { return f.name }
func (f filter) Phases() Phase               { return f.phases }
func (f filter) Close(context.Context) error { return nil }
func (f filter) Run(_ context.Context, p Phase, x *Exchange) (Verdict, error) {
	return f.run(p, x)
}

// delta is an event that carries one text in a channel.
func delta(channel dialect.Channel, rawText string) *Event {
	body := bodyOf(`{"t":"«` + rawText + `»"}`)
	body.texts[0].Channel = channel
	return &Event{Raw: []byte("data: " + string(body.Raw()) + "\n\n"), Body: body}
}

// textsOf returns the decoded text of each channel over whole events.
func textsOf(t *testing.T, stream []byte, channels []dialect.Channel) map[dialect.Channel]string {
	t.Helper()
	out := map[dialect.Channel]string{}
	var f dialect.Framer
	var fr dialect.Frame
	f.Feed(stream)
	for i := 0; ; i++ {
		ok, err := f.Next(&fr)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		var payload struct{ T string }
		if err := json.Unmarshal(fr.Payload, &payload); err != nil {
			t.Fatalf("%q: %v", fr.Payload, err)
		}
		out[channels[i]] += payload.T
	}
}

// play runs events through filters and returns what comes out.
func play(t *testing.T, events []*Event, filters ...Filter) []byte {
	t.Helper()
	ctx := context.Background()
	flow := NewPipeline("test", filters...).Flow(New(ctx))
	if _, err := flow.Request(ctx); err != nil {
		t.Fatal(err)
	}
	var out []byte
	put := func(e *Event) { out = append(out, e.Bytes()...) }
	for _, e := range events {
		if v, err := flow.Event(ctx, e, put); err != nil || v.Action == Close {
			t.Fatal(v, err)
		}
	}
	if v, err := flow.Flush(ctx, put); err != nil || v.Action == Close {
		t.Fatal(v, err)
	}
	return out
}

func randomEvents(rng *rand.Rand, n int, alphabet []string) ([]*Event, []dialect.Channel) {
	var events []*Event
	var channels []dialect.Channel
	for range n {
		text := ""
		for range rng.IntN(4) {
			text += alphabet[rng.IntN(len(alphabet))]
		}
		c := dialect.Channel{Choice: int16(rng.IntN(2)), Block: int16(rng.IntN(2))}
		events, channels = append(events, delta(c, text)), append(channels, c)
	}
	return events, channels
}

func TestAnyHoldPatternKeepsOrderAndBytes(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		events, _ := randomEvents(rng, rng.IntN(30), []string{"a", `\u00e9`, "é", `\n`, "word "})
		var want []byte
		for _, e := range events {
			want = append(want, e.Raw...)
		}
		var filters []Filter
		for i := range 1 + rng.IntN(3) {
			filters = append(filters, filter{fmt.Sprint("f", i), PhaseDelta, func(_ Phase, x *Exchange) (Verdict, error) {
				if f := x.Window.Fresh(); f < 0 || f > len(x.Window.Bytes()) {
					return Verdict{}, fmt.Errorf("fresh %d of %d", f, len(x.Window.Bytes()))
				}
				switch rng.IntN(3) {
				case 0:
					return Verdict{}, nil
				case 1:
					return Verdict{Action: Hold}, nil
				}
				return Verdict{Action: Hold, Hold: rng.IntN(12)}, nil
			}})
		}
		if got := play(t, events, filters...); !bytes.Equal(got, want) {
			t.Fatalf("seed %d:\n%q\nwant\n%q", seed, got, want)
		}
	}
}

// redact replaces a word wherever it stands and holds back what may become one.
func redact(word, with string) Filter {
	return filter{"redact " + word, PhaseDelta, func(_ Phase, x *Exchange) (Verdict, error) {
		w, from := x.Window, 0
		for {
			i := bytes.Index(w.Bytes()[from:], []byte(word))
			if i < 0 {
				break
			}
			if err := w.Edit(from+i, from+i+len(word), []byte(with)); err != nil {
				return Verdict{}, err
			}
			from += i + len(with)
		}
		for n := min(len(word)-1, len(w.Bytes())-from); n > 0; n-- {
			if bytes.HasSuffix(w.Bytes(), []byte(word[:n])) {
				return Verdict{Action: Hold, Hold: n}, nil
			}
		}
		return Verdict{}, nil
	}}
}

func TestEditAcrossEventsLeavesNoByteBehind(t *testing.T) {
	alphabet := []string{"sec", "ret", `s\u0065c`, `r\u0065t`, "s", "e", "secret", `\n`, "key"}
	replaced := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 9))
		events, channels := randomEvents(rng, 5+rng.IntN(40), alphabet)
		var raw []byte
		for _, e := range events {
			raw = append(raw, e.Raw...)
		}
		before := textsOf(t, raw, channels)
		after := textsOf(t, play(t, events, redact("retkey", "[K]"), redact("secret", "[S]")), channels)
		for c, text := range before {
			// Answers pass the filters in reverse order.
			want := strings.ReplaceAll(strings.ReplaceAll(text, "secret", "[S]"), "retkey", "[K]")
			replaced += strings.Count(want, "[S]") + strings.Count(want, "[K]")
			if after[c] != want {
				t.Fatalf("seed %d: %q became %q, want %q", seed, text, after[c], want)
			}
		}
	}
	if replaced < 500 {
		t.Errorf("only %d replacements: the test shows little", replaced)
	}
}

func TestWindowEditAtEverySpan(t *testing.T) {
	texts := []string{"abc", "", "dé", "fg"}
	whole := strings.Join(texts, "")
	for from := 0; from <= len(whole); from++ {
		for to := from; to <= len(whole); to++ {
			if from == 5 || to == 5 {
				continue // inside é
			}
			w := &Window{}
			var events []*Event
			for _, text := range texts {
				e := delta(dialect.Channel{}, text)
				events = append(events, e)
				w.add(e, e.Body.Text(0))
			}
			w.fresh = 7
			if err := w.Edit(from, to, []byte("XY")); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, e := range events {
				got += string(e.Body.Text(0).Value())
			}
			want := whole[:from] + "XY" + whole[to:]
			if got != want || string(w.Bytes()) != want {
				t.Errorf("%d-%d: %q, window %q, want %q", from, to, got, w.Bytes(), want)
			}
			wantFresh := len(want) - 1
			if to > 7 {
				wantFresh = min(from+2, len(want))
				if from >= 7 {
					wantFresh = 7
				}
			}
			if w.Fresh() != wantFresh {
				t.Errorf("%d-%d: fresh %d, want %d", from, to, w.Fresh(), wantFresh)
			}
		}
	}
	w := &Window{}
	if err := w.Edit(0, 0, []byte("x")); !errors.Is(err, ErrSpan) {
		t.Errorf("an edit of an empty window: %v", err)
	}
}

func TestPipelineOrder(t *testing.T) {
	ctx := context.Background()
	var log []string
	trace := func(name string, phases Phase, verdicts map[Phase]Verdict) Filter {
		return filter{name, phases, func(p Phase, _ *Exchange) (Verdict, error) {
			log = append(log, name+":"+p.String())
			return verdicts[p], nil
		}}
	}
	all := PhaseRequestHead | PhaseRequestText | PhaseResponseHead | PhaseEvent | PhaseEnd | PhaseDone
	x := New(ctx)
	flow := NewPipeline("p", trace("a", all, nil), trace("b", PhaseRequestText|PhaseEnd, nil), trace("c", all, nil)).Flow(x)
	flow.Request(ctx)
	flow.ResponseHead(ctx)
	flow.Event(ctx, delta(dialect.Channel{}, "x"), func(*Event) {})
	flow.Flush(ctx, func(*Event) {})
	flow.End(ctx)
	flow.Done(ctx)
	want := "a:request_head c:request_head a:request_text b:request_text c:request_text c:response_head a:response_head c:event a:event c:end b:end a:end c:done a:done"
	if got := strings.Join(log, " "); got != want {
		t.Errorf("order\n%s\nwant\n%s", got, want)
	}
	if len(x.Timings.Filters) != 3 || x.Timings.Filters[0].Calls != 6 {
		t.Errorf("timings %+v", x.Timings.Filters)
	}

	log = nil
	deny := map[Phase]Verdict{PhaseRequestHead: {Action: Respond}}
	flow = NewPipeline("p", trace("a", all, nil), trace("b", all, deny), trace("c", all, nil)).Flow(New(ctx))
	if v, err := flow.Request(ctx); v.Action != Respond || err != nil || flow.By() != "b" {
		t.Errorf("verdict %v by %q: %v", v, flow.By(), err)
	}
	flow.ResponseHead(ctx)
	if got := strings.Join(log, " "); got != "a:request_head b:request_head b:response_head a:response_head" {
		t.Errorf("filters that did not see the request ran: %s", got)
	}
}

// TestAllFiltersAreTold: of an end that only says what was used, and of what is done, each filter hears, whatever one of them
// says, and none is said to have ended the exchange.
func TestAllFiltersAreTold(t *testing.T) {
	ctx := t.Context()
	for name, answer := range map[string]struct {
		v   Verdict
		err error
	}{"fails": {err: errors.New("no state")}, "refuses": {v: Verdict{Action: Respond}}, "closes": {v: Verdict{Action: Close}}} {
		var heard []string
		hears := func(name string, v Verdict, err error) Filter {
			return filter{name, PhaseEnd | PhaseDone, func(p Phase, _ *Exchange) (Verdict, error) {
				heard = append(heard, name+":"+p.String())
				return v, err
			}}
		}
		flow := NewPipeline("p", hears("a", Verdict{}, nil), hears("b", answer.v, answer.err)).Flow(New(ctx))
		flow.Late(ctx)
		flow.Done(ctx)
		if got := strings.Join(heard, " "); got != "b:end a:end b:done a:done" || flow.By() != "" {
			t.Errorf("one %s: %s are told, and %q has ended it", name, got, flow.By())
		}
	}
}

func TestStreamVerdicts(t *testing.T) {
	ctx := context.Background()
	on := func(phase Phase, v Verdict, err error) *Flow {
		flow := NewPipeline("p", filter{"f", phase, func(Phase, *Exchange) (Verdict, error) { return v, err }}).Flow(New(ctx))
		flow.Request(ctx)
		return &flow
	}
	out := 0
	put := func(*Event) { out++ }
	for _, action := range []Action{Close, Respond} {
		for _, phase := range []Phase{PhaseDelta, PhaseEvent} {
			flow := on(phase, Verdict{Action: action, Reply: &Answer{Class: "c"}}, nil)
			if v, err := flow.Event(ctx, delta(dialect.Channel{}, "x"), put); v.Action != Close || v.Reply == nil || err != nil || out != 0 || flow.By() != "f" {
				t.Errorf("%v in %v: %v %v, %d events", action, phase, v, err, out)
			}
		}
	}
	if _, err := on(PhaseEvent, Verdict{Action: Drop}, nil).Event(ctx, delta(dialect.Channel{}, "x"), put); err != nil || out != 0 {
		t.Errorf("a dropped event came out: %v", err)
	}
	cause := errors.New("broken")
	if _, err := on(PhaseDelta, Verdict{}, cause).Event(ctx, delta(dialect.Channel{}, "x"), put); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	flow := on(PhaseDelta, Verdict{Action: Drop}, nil)
	var sent []byte
	flow.Event(ctx, delta(dialect.Channel{}, "gone"), func(e *Event) { sent = e.Bytes() })
	if string(sent) != "data: {\"t\":\"\"}\n\n" {
		t.Errorf("a dropped delta is %q", sent)
	}
}

func TestHeldBytesAreBounded(t *testing.T) {
	ctx := context.Background()
	flow := NewPipeline("p", filter{"greedy", PhaseDelta, func(Phase, *Exchange) (Verdict, error) { return Verdict{Action: Hold}, nil }}).Flow(New(ctx))
	flow.Request(ctx)
	big := strings.Repeat("x", 64<<10)
	for range MaxHeld / (64 << 10) {
		if _, err := flow.Event(ctx, delta(dialect.Channel{}, big), func(*Event) { t.Error("a held event came out") }); err != nil {
			if !errors.Is(err, ErrHeld) || flow.By() != "greedy" {
				t.Errorf("%v by %q", err, flow.By())
			}
			return
		}
	}
	t.Error("no bound")
}

// TestUnaryTextsAreFinalWindows: texts of one channel, which a client reads as one, are one window; whole
// ones are windows of their own.
func TestUnaryTextsAreFinalWindows(t *testing.T) {
	for want, whole := range map[string]bool{`{"a":"my [S]","b":"sec","c":"ret"}`: true, `{"a":"my [S]","b":"[S]","c":""}`: false} {
		ctx := context.Background()
		x := New(ctx)
		x.Response.Body = bodyOf(`{"a":"«my secret»","b":"«sec»","c":"«ret»"}`)
		for i := range x.Response.Body.texts {
			x.Response.Body.texts[i].Whole = whole
		}
		flow := NewPipeline("p", redact("secret", "[S]"), filter{"final", PhaseDelta, func(_ Phase, x *Exchange) (Verdict, error) {
			if !x.Window.Final || x.Window.Fresh() != 0 {
				return Verdict{}, errors.New("not final")
			}
			return Verdict{}, nil
		}}).Flow(x)
		flow.Request(ctx)
		if _, err := flow.Unary(ctx); err != nil {
			t.Fatal(err)
		}
		if got := string(x.Response.Body.Bytes()); got != want {
			t.Errorf("whole %t: %s", whole, got)
		}
	}
}

// TestOpenTextsAreBounded: an upstream that begins texts without end is stopped.
func TestOpenTextsAreBounded(t *testing.T) {
	ctx := context.Background()
	flow := NewPipeline("p", filter{"patient", PhaseDelta, func(Phase, *Exchange) (Verdict, error) { return Verdict{Action: Hold}, nil }}).Flow(New(ctx))
	flow.Request(ctx)
	for i := range MaxWindows + 1 {
		_, err := flow.Event(ctx, delta(dialect.Channel{Block: int16(i)}, "x"), func(*Event) { t.Error("a held event came out") })
		if last := i == MaxWindows; last != errors.Is(err, ErrWindows) || !last && err != nil {
			t.Fatalf("text %d: %v", i, err)
		}
	}
}

// TestTheLimitOfWhichLeastIsLeftIsTold, whoever tells it and in whatever order.
func TestTheLimitOfWhichLeastIsLeftIsTold(t *testing.T) {
	all := []Limit{{Of: 10, Remaining: 5}, {Of: 1000, Remaining: 20}, {Of: 3, Remaining: 3}}
	for i := range all {
		x := New(context.Background())
		for j := range all {
			x.TellLimit(all[(i+j)%len(all)])
		}
		if x.Limit() != all[1] {
			t.Errorf("%+v", x.Limit())
		}
	}
}
