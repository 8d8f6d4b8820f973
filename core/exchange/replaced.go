package exchange

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// reread has a body read again that a filter replaced in phase p. An answer that the dialect cannot
// read is an error only where a filter of texts would have to pass it unseen.
func (f *Flow) reread(p Phase) error {
	switch {
	case f.Reader == nil:
	case p <= PhaseRequestText && f.x.Request.Body.unread:
		return f.Reader.ReadRequest()
	case p == PhaseResponseBody && f.x.Response.Body.unread:
		if err := f.Reader.ReadAnswer(); err != nil && f.pipeline.phases&PhaseDelta != 0 {
			return err
		}
	}
	return nil
}

// newFramer returns a framer for what follows, of which raw comes first: an array that other events
// have begun begins anew.
func newFramer(framing dialect.Framing, raw []byte) (dialect.Cutter, []byte) {
	if framing != dialect.JSONArray {
		return new(dialect.Framer), raw
	}
	at := bytes.IndexFunc(raw, func(r rune) bool { return r != ' ' && r != '\t' && r != '\r' && r != '\n' })
	if at >= 0 && raw[at] != '[' {
		raw = append([]byte{'['}, bytes.TrimPrefix(raw[at:], []byte{','})...)
	}
	return new(dialect.ArrayFramer), raw
}

// reframe cuts what stage i wrote into events. From the first event on that it replaced all its
// events pass here: the last one may have left a part of an event behind.
func (f *Flow) reframe(ctx context.Context, i int, e *Event, out func(*Event)) (Verdict, error) {
	s := &f.stages[i]
	if f.Reader == nil || i == len(f.stages)-1 && s.filter.Phases()&PhaseDelta == 0 {
		out(e) // nobody else looks
		return Verdict{}, nil
	}
	raw := e.Bytes()
	if len(raw) == 0 {
		return Verdict{}, nil
	}
	if s.framer == nil {
		s.framer, raw = newFramer(e.Framing, raw)
	}
	s.framer.Feed(raw)
	var frame dialect.Frame
	for {
		ok, err := s.framer.Next(&frame)
		if err != nil || !ok {
			return Verdict{}, f.unreadable(s, err)
		}
		if v, err := f.readmit(ctx, i, &frame, out); err != nil || v.Action == Close {
			return v, err
		}
	}
}

func (f *Flow) unreadable(s *stage, err error) error {
	if err == nil {
		return nil
	}
	f.by = s.filter.Name()
	return fmt.Errorf("filter %s: the events it wrote cannot be read: %w", s.filter.Name(), err)
}

// readmit passes on one event that stage i wrote.
func (f *Flow) readmit(ctx context.Context, i int, frame *dialect.Frame, out func(*Event)) (Verdict, error) {
	own := frame.Clone()
	e, err := f.Reader.ReadEvent(&own)
	if err != nil {
		return Verdict{}, f.unreadable(&f.stages[i], err)
	}
	if (e.End || frame.Last) && f.Tail != nil && f.Tail.Last {
		e.Last = true
		*f.Tail = *e // it waits for the other stages
		return Verdict{}, nil
	}
	return f.admit(ctx, i, e, out)
}

// last shows stage i the end of the stream, where it wants to see it, and passes on what it still
// writes.
func (f *Flow) last(ctx context.Context, i int, out func(*Event)) (Verdict, error) {
	s := &f.stages[i]
	if ender, ok := s.filter.(Ender); ok && f.Tail != nil && ender.EndOfStream() {
		f.Tail.Last, f.Tail.replaced = true, false
		f.x.Event = f.Tail
		v, err := f.run(ctx, s.filter, PhaseEvent)
		f.x.Event = nil
		if v = v.midstream(); err != nil || v.Action == Close {
			return v, err
		}
		switch {
		case v.Action == Drop:
			*f.Tail = Event{Last: true, Framing: f.Tail.Framing}
		case f.Tail.replaced:
			e := *f.Tail
			*f.Tail = Event{Last: true, Framing: f.Tail.Framing}
			if v, err := f.reframe(ctx, i, &e, out); err != nil || v.Action == Close {
				return v, err
			}
		}
	}
	var frame dialect.Frame
	if s.framer == nil || !s.framer.Tail(&frame) {
		return Verdict{}, nil
	}
	if v, err := f.readmit(ctx, i, &frame, out); err != nil || v.Action == Close {
		return v, err
	}
	return f.drain(ctx, i, out)
}
