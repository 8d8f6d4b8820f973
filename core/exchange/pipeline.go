package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// MaxHeld bounds the bytes of the events that one filter of one stream holds back.
const MaxHeld = 1 << 20

// MaxWindows bounds the channels that one stream has open at once: an upstream numbers its choices and
// blocks as it likes.
const MaxWindows = 1024

// ErrWindows is the error of a stream with more than MaxWindows.
var ErrWindows = errors.New("the answer has too many texts open at once")

// ErrHeld is the error of a filter that held back more than MaxHeld.
var ErrHeld = errors.New("filter holds back too much of the stream")

// Pipeline is an ordered list of filters. It is immutable and safe for concurrent use.
type Pipeline struct {
	Name    string
	filters []Filter
	phases  Phase // of any filter
}

// NewPipeline returns a pipeline that runs requests through the filters in order.
func NewPipeline(name string, filters ...Filter) *Pipeline {
	p := &Pipeline{Name: name, filters: filters}
	for _, f := range filters {
		p.phases |= f.Phases()
	}
	return p
}

// Phases returns the phases that at least one filter declares.
func (p *Pipeline) Phases() Phase { return p.phases }

// Flow is the way of one exchange through a pipeline. It is used by one goroutine at a time.
type Flow struct {
	// Reader reads what filters replace; without one the filters behind see no texts there. Tail is
	// the event that ends the stream: Flush shows it to those that want it, and leaves in it what
	// ends the stream then. Both may be nil.
	Reader Reader
	Tail   *Event

	pipeline *Pipeline
	x        *Exchange
	seen     int // filters that saw the request
	stages   []stage
	by       string // the filter of the last verdict that was not Continue
}

// stage is a filter's place in a stream: the events that wait until their texts are settled.
type stage struct {
	filter  Filter
	queue   []*Event
	bytes   int
	windows []*Window
	nested  bool           // the filter is nested
	framer  dialect.Cutter // of what the filter wrote, from the first event on that it replaced
}

// Flow begins an exchange's way.
func (p *Pipeline) Flow(x *Exchange) Flow { return Flow{pipeline: p, x: x} }

// SeesAnswers reports whether a filter looks at what the upstream says.
func (f *Flow) SeesAnswers() bool {
	return f.pipeline.phases&(PhaseResponseBody|PhaseDelta|PhaseEvent) != 0
}

// By returns the name of the filter whose verdict ended the exchange, or "".
func (f *Flow) By() string { return f.by }

// Request runs the request phases, each through all filters in order, until one does not go on.
func (f *Flow) Request(ctx context.Context) (Verdict, error) {
	for p := PhaseRequestHead; p <= PhaseRequestText; p <<= 1 {
		if f.pipeline.phases&p == 0 {
			continue
		}
		if p == PhaseRequestText {
			if err := f.x.Request.Body.plain(); err != nil {
				return Verdict{}, err
			}
		}
		for i, filter := range f.pipeline.filters {
			f.seen = max(f.seen, i+1)
			if v, err := f.run(ctx, filter, p); err != nil || v.Action != Continue {
				return v, err
			}
		}
	}
	f.seen = len(f.pipeline.filters)
	return Verdict{}, nil
}

// ResponseHead runs PhaseResponseHead in reverse through the filters that saw the request.
func (f *Flow) ResponseHead(ctx context.Context) (Verdict, error) {
	return f.reverse(ctx, PhaseResponseHead)
}

// Unary runs the phases of a whole answer: its body, its texts as final windows, its end.
func (f *Flow) Unary(ctx context.Context) (Verdict, error) {
	if v, err := f.Refused(ctx); err != nil || v.Action == Respond || v.Action == Close {
		return v, err
	}
	return f.reverse(ctx, PhaseEnd)
}

// Refused runs the phases of an answer that is an error: as Unary, without an end, which errors have not.
func (f *Flow) Refused(ctx context.Context) (Verdict, error) {
	if v, err := f.reverse(ctx, PhaseResponseBody); err != nil || v.Action != Continue {
		return v, err
	}
	if f.pipeline.phases&PhaseDelta != 0 {
		if err := f.x.Response.Body.plain(); err != nil {
			return Verdict{}, err
		}
	}
	for i := f.seen - 1; i >= 0; i-- {
		filter := f.pipeline.filters[i]
		if filter.Phases()&PhaseDelta == 0 {
			continue
		}
		windows := wholes(f.x.Response.Body.texts)
		for n := range windows {
			f.x.Window = &windows[n]
			v, err := f.run(ctx, filter, PhaseDelta)
			if err == nil && v.Action == Drop {
				err = f.x.Window.Edit(0, len(f.x.Window.Bytes()), nil)
			}
			f.x.Window = nil
			if err != nil || v.Action == Respond || v.Action == Close {
				return v, err
			}
		}
	}
	return Verdict{}, nil
}

// wholes returns the windows of a whole answer: one for each text, but one for those that a client reads as
// one, as a stream would have it.
func wholes(texts []Text) []Window {
	all, none := make([]Window, 0, len(texts)), new(Event)
	var known map[dialect.Channel]*Window
	for i := range texts {
		t := &texts[i]
		w := known[t.Channel]
		if w == nil || t.Whole {
			all = append(all, Window{Channel: t.Channel, Role: t.Role, Key: t.Key, Final: true})
			w = &all[len(all)-1]
		}
		if !t.Whole && len(texts) > 1 {
			if known == nil {
				known = make(map[dialect.Channel]*Window)
			}
			known[t.Channel] = w
		}
		w.add(none, t)
		w.fresh = 0
	}
	return all
}

// Event runs one event of a stream through the filters in reverse and calls out with each event
// that no filter holds back any longer, in the order they came.
func (f *Flow) Event(ctx context.Context, e *Event, out func(*Event)) (Verdict, error) {
	f.open()
	return f.push(ctx, 0, e, out)
}

// Flush ends all channels: every filter sees its windows as final, and what was held comes out. The
// caller then sends the terminator, which has passed no filter, or an error event.
func (f *Flow) Flush(ctx context.Context, out func(*Event)) (Verdict, error) {
	f.open()
	for i := range f.stages {
		s := &f.stages[i]
		for len(s.windows) > 0 {
			if v, err := f.final(ctx, s, 0); err != nil || v.Action == Close {
				return v, err
			}
		}
		if v, err := f.drain(ctx, i, out); err != nil || v.Action == Close {
			return v, err
		}
		if v, err := f.last(ctx, i, out); err != nil || v.Action == Close {
			return v, err
		}
	}
	return Verdict{}, nil
}

// End runs PhaseEnd of a stream.
func (f *Flow) End(ctx context.Context) (Verdict, error) { return f.reverse(ctx, PhaseEnd) }

// Late runs PhaseEnd through all filters, of an exchange that only tells what an earlier one has used: they saw that one's
// request. Verdicts and errors have no effect.
func (f *Flow) Late(ctx context.Context) {
	f.seen = len(f.pipeline.filters)
	f.tell(ctx, PhaseEnd)
}

// Done runs PhaseDone; verdicts and errors have no effect any more.
func (f *Flow) Done(ctx context.Context) { f.tell(ctx, PhaseDone) }

// tell runs a phase in reverse through all filters that saw the request, whatever one of them says: each may have something
// to count.
func (f *Flow) tell(ctx context.Context, p Phase) {
	by := f.by
	for i := f.seen - 1; i >= 0; i-- {
		f.run(ctx, f.pipeline.filters[i], p)
	}
	f.by = by
}

func (f *Flow) reverse(ctx context.Context, p Phase) (Verdict, error) {
	if f.pipeline.phases&p == 0 {
		return Verdict{}, nil
	}
	for i := f.seen - 1; i >= 0; i-- {
		if v, err := f.run(ctx, f.pipeline.filters[i], p); err != nil || v.Action != Continue {
			return v, err
		}
	}
	return Verdict{}, nil
}

func (f *Flow) run(ctx context.Context, filter Filter, p Phase) (Verdict, error) {
	if filter.Phases()&p == 0 {
		return Verdict{}, nil
	}
	begin := time.Now()
	v, err := filter.Run(ctx, p, f.x)
	f.x.Timings.Spend(filter.Name(), time.Since(begin))
	if err != nil {
		f.by = filter.Name()
		return v, fmt.Errorf("filter %s: %s: %w", filter.Name(), p, err)
	}
	if v.Action == Respond || v.Action == Close {
		f.by = filter.Name()
	}
	if err := f.reread(p); err != nil {
		f.by = filter.Name()
		return v, fmt.Errorf("filter %s: %s: what it wrote cannot be read: %w", filter.Name(), p, err)
	}
	return v, nil
}

// open makes the stages, in reverse order, when the first event comes.
func (f *Flow) open() {
	if f.stages != nil {
		return
	}
	f.stages = []stage{}
	if f.pipeline.phases&PhaseDelta != 0 {
		f.stages = append(f.stages, stage{filter: nested{}, nested: true})
	}
	for i := f.seen - 1; i >= 0; i-- {
		if filter := f.pipeline.filters[i]; filter.Phases()&(PhaseDelta|PhaseEvent) != 0 {
			f.stages = append(f.stages, stage{filter: filter})
		}
	}
}

// push runs an event through stage i and what it releases through the next ones.
func (f *Flow) push(ctx context.Context, i int, e *Event, out func(*Event)) (Verdict, error) {
	if i == len(f.stages) {
		out(e)
		return Verdict{}, nil
	}
	s := &f.stages[i]
	if s.nested && len(s.queue) == 0 && !e.nests() {
		return f.push(ctx, i+1, e, out)
	}
	f.x.Event = e
	v, err := f.run(ctx, s.filter, PhaseEvent)
	f.x.Event = nil
	if v = v.midstream(); err != nil || v.Action == Close || v.Action == Drop {
		return v, err
	}
	if e.replaced || s.framer != nil {
		return f.reframe(ctx, i, e, out)
	}
	return f.admit(ctx, i, e, out)
}

// admit shows stage i the texts of an event and passes on what is settled.
func (f *Flow) admit(ctx context.Context, i int, e *Event, out func(*Event)) (Verdict, error) {
	s := &f.stages[i]
	if s.filter.Phases()&PhaseDelta != 0 {
		for t := range e.Body.texts {
			if s.nested && !e.Body.texts[t].Nested {
				continue
			}
			w := s.window(&e.Body.texts[t])
			if w == nil {
				return Verdict{}, ErrWindows
			}
			w.add(e, &e.Body.texts[t])
			if v, err := f.delta(ctx, s, w); err != nil || v.Action == Close {
				return v, err
			}
		}
		for _, b := range e.Closed {
			if v, err := f.close(ctx, s, b); err != nil || v.Action == Close {
				return v, err
			}
		}
	}
	s.queue = append(s.queue, e)
	s.bytes += len(e.Raw)
	if v, err := f.drain(ctx, i, out); err != nil || v.Action == Close {
		return v, err
	}
	if s.bytes > MaxHeld {
		f.by = s.filter.Name()
		return Verdict{}, fmt.Errorf("filter %s: %w", s.filter.Name(), ErrHeld)
	}
	return Verdict{}, nil
}

// drain passes on the events at the head of stage i's queue whose texts are settled.
func (f *Flow) drain(ctx context.Context, i int, out func(*Event)) (Verdict, error) {
	s := &f.stages[i]
	n := 0
	defer func() {
		rest := copy(s.queue, s.queue[n:])
		clear(s.queue[rest:])
		s.queue = s.queue[:rest]
	}()
	for n < len(s.queue) && s.queue[n].pending == 0 {
		e := s.queue[n]
		n++
		s.bytes -= len(e.Raw)
		if v, err := f.push(ctx, i+1, e, out); err != nil || v.Action == Close {
			return v, err
		}
	}
	return Verdict{}, nil
}

// delta shows the filter one window and settles what it does not hold.
func (f *Flow) delta(ctx context.Context, s *stage, w *Window) (Verdict, error) {
	f.x.Window = w
	var v Verdict
	var err error
	if s.nested { // which costs nobody's time
		v, err = s.filter.Run(ctx, PhaseDelta, f.x)
	} else {
		v, err = f.run(ctx, s.filter, PhaseDelta)
	}
	f.x.Window = nil
	if v = v.midstream(); err != nil || v.Action == Close {
		return v, err
	}
	hold := 0
	switch {
	case v.Action == Drop:
		if err := w.Edit(min(w.fresh, len(w.Bytes())), len(w.Bytes()), nil); err != nil {
			return v, err
		}
	case v.Action == Hold && !w.Final:
		if hold = v.Hold; hold == 0 {
			hold = len(w.Bytes())
		}
	}
	w.settle(hold)
	return Verdict{}, nil
}

// close ends the channels of one block: what was held of its texts is settled.
func (f *Flow) close(ctx context.Context, s *stage, b dialect.Block) (Verdict, error) {
	for i := 0; i < len(s.windows); {
		if c := s.windows[i].Channel; c.Choice != b.Choice || c.Block != b.Block || c.Repeat {
			i++
			continue
		}
		if v, err := f.final(ctx, s, i); err != nil || v.Action == Close {
			return v, err
		}
	}
	return Verdict{}, nil
}

// final shows the filter window i for the last time.
func (f *Flow) final(ctx context.Context, s *stage, i int) (Verdict, error) {
	w := s.windows[i]
	s.windows = append(s.windows[:i], s.windows[i+1:]...)
	w.Final, w.fresh = true, w.held()
	return f.delta(ctx, s, w)
}

// window returns the stage's window for the channel of a text: for a whole one, a window of its own; nil
// where there are too many.
func (s *stage) window(t *Text) *Window {
	if t.Whole {
		return &Window{Channel: t.Channel, Role: t.Role, Key: t.Key, Final: true}
	}
	for _, w := range s.windows {
		if w.Channel == t.Channel {
			return w
		}
	}
	if len(s.windows) >= MaxWindows {
		return nil
	}
	w := &Window{Channel: t.Channel, Role: t.Role, Key: t.Key}
	s.windows = append(s.windows, w)
	return w
}
