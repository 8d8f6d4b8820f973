package gateway

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// stream is the way of a streamed answer from the upstream's bytes to the client's: framed, read
// once by the dialect, through the filters, out again. It ends cleanly only where the upstream did.
type stream struct {
	s      *serving
	source source
	framer dialect.Cutter
	frame  dialect.Frame
	array  bool // the events are items of a JSON array
	begun  bool // of which one was sent
	event  dialect.Event
	buf    []byte
	plain  bool // no filter looks at events: they pass uncopied
	over   bool
	ending dialect.Ending
	number int64 // of the next event, where the dialect numbers them
	torn   bool  // the last event came without the blank line that ends it
	failed bool  // the upstream said an error, which went to the client as it was
	trail  int   // events that may still follow the terminator; 0 before it
}

// maxTrail bounds the events behind a stream's terminator.
const maxTrail = 8

// source gives the bytes of a stream in the client's dialect: it waits for some and appends them. io.EOF
// ends it. Linger is Next behind the stream's terminator, where it waits only as long as for the end.
type source interface {
	Next(dst []byte) ([]byte, error)
	Linger(dst []byte) ([]byte, error)
}

// upstreamBytes is a source that gives the upstream's own bytes.
type upstreamBytes struct{ *upstream.Answer }

func (u upstreamBytes) Next(dst []byte) ([]byte, error) {
	switch {
	case len(u.First) > 0:
		dst = append(dst, u.First...)
		u.First = nil
		return dst, nil
	case u.Ended:
		return dst, io.EOF
	}
	return u.Body.Next(dst)
}

func (u upstreamBytes) Linger(dst []byte) ([]byte, error) {
	if u.Ended {
		return dst, io.EOF
	}
	return u.Body.Linger(dst)
}

// stream returns a reply whose events are read as the client takes them; framing is the upstream's.
func (s *serving) stream(framing dialect.Framing) *exchange.Reply {
	if s.foreign() {
		return s.streamFrom(s.translation(framing))
	}
	return s.streamFrom(upstreamBytes{s.answer})
}

// streamFrom returns a reply whose events are a source's.
func (s *serving) streamFrom(from source) *exchange.Reply {
	st := &stream{s: s, source: from, array: s.endpoint.Framing == dialect.JSONArray}
	st.framer = dialect.NewCutter(s.endpoint.Framing)
	s.opening = opening{} // which still has what it cut, where it was held back for long enough
	st.plain = s.route.Pipeline.Phases()&(exchange.PhaseDelta|exchange.PhaseEvent) == 0
	s.status = s.answer.Status
	s.replied = exchange.Reply{Status: s.answer.Status, Header: s.stamp(s.x.Response.Header), Stream: st, Done: s.done}
	return &s.replied
}

// Next appends the next events.
func (st *stream) Next(dst []byte) ([]byte, error) {
	before := len(dst)
	dst, err := st.next(dst)
	st.s.out += int64(len(dst) - before)
	return dst, err
}

func (st *stream) next(dst []byte) ([]byte, error) {
	st.s.delivered = st.trail > 0 // the client has the terminator
	for begin := len(dst); !st.over; {
		if len(st.buf) == 0 {
			if len(dst) > begin {
				return dst, nil
			}
			var err error
			if st.trail > 0 {
				st.buf, err = st.source.Linger(st.buf)
			} else {
				st.buf, err = st.source.Next(st.buf)
			}
			if err != nil && len(st.buf) == 0 {
				dst = st.finish(dst, err)
				break
			}
		}
		st.framer.Feed(st.buf)
		st.buf = st.buf[:0]
		dst = st.frames(dst)
	}
	if st.over {
		return dst, io.EOF
	}
	return dst, nil
}

// frames passes on the complete events that the framer has.
func (st *stream) frames(dst []byte) []byte {
	for !st.over {
		ok, err := st.framer.Next(&st.frame)
		if err != nil && st.trail > 0 {
			st.over = true
			return dst
		}
		if err != nil {
			return st.fail(dst, exchange.UpstreamCut, &llm.Error{Code: llm.CodeCut, Message: "the upstream's stream could not be read"}, err)
		}
		if !ok {
			return dst
		}
		if st.trail > 0 {
			dst = st.follow(dst)
		} else {
			dst = st.pass(dst)
		}
	}
	return dst
}

// follow passes on what an upstream sends behind its terminator: a comment, or one terminator more, as
// some compatible servers send [DONE] behind the last event of Responses. Anything else is dropped,
// with all behind it: no filter would see it.
func (st *stream) follow(dst []byte) []byte {
	st.trail--
	st.over = st.trail == 0
	if len(st.frame.Payload) > 0 {
		st.event = dialect.Event{Texts: st.event.Texts[:0], Closed: st.event.Closed[:0]}
		err := st.s.codec.Event(st.s.x.Op, st.frame.Payload, &st.event)
		st.over = st.over || !st.event.More
		if err != nil || !st.event.End || len(st.event.Texts)+len(st.event.Faults) > 0 || st.event.Error != nil {
			st.over = true
			return dst
		}
	}
	return st.put(dst, st.frame.Raw)
}

// pass takes one event through the dialect and the filters.
func (st *stream) pass(dst []byte) []byte {
	s := st.s
	if st.frame.Last {
		return st.terminate(dst)
	}
	if len(st.frame.Payload) == 0 {
		return st.filter(dst) // a comment, or an event without data, which no client gets: it keeps its place
	}
	st.event = dialect.Event{Texts: st.event.Texts[:0], Closed: st.event.Closed[:0], Left: st.event.Left[:0]}
	if err := s.codec.Event(s.x.Op, st.frame.Payload, &st.event); err != nil {
		return st.fail(dst, exchange.UpstreamCut, &llm.Error{Code: llm.CodeCut, Message: "the upstream's stream could not be read"}, err)
	}
	st.event.Texts, st.event.Faults = dialect.MergeTexts(st.event.Texts, st.event.Faults), nil
	st.number = max(st.number, st.event.Next)
	if u := st.event.Usage; u != nil && s.x.Usage == nil {
		s.x.Usage = u
	} else if u != nil {
		s.x.Usage.Merge(u)
	}
	if st.ending.Add(&st.event); st.event.Finish != "" {
		s.x.Finish = st.event.Finish
	}
	if st.event.First && s.x.Timings.First == 0 {
		s.x.Timings.First = time.Since(s.x.Start)
	}
	s.leave(st.frame.Payload, st.event.ID, st.event.Left, st.event.Unstored)
	s.announced()
	if st.event.Error != nil && credentials(st.event.Error) {
		return st.refused(dst)
	}
	if st.event.Error != nil && !st.failed {
		if st.failed = true; !s.describes() {
			s.end, s.err = exchange.UpstreamError, st.event.Error
		}
	}
	if st.event.End {
		return st.terminate(dst)
	}
	return st.filter(dst)
}

// refused ends the stream where an event is about the gateway's keys: neither its words nor what may follow is the client's.
func (st *stream) refused(dst []byte) []byte {
	s := st.s
	end, cause := exchange.UpstreamError, error(st.event.Error)
	if s.describes() { // it ended what was kept, and not this call
		end, cause = s.end, s.err
	}
	s.settled()
	return st.fail(dst, end, errCredentials, cause)
}

// terminate takes the terminator, which comes after all that filters hold back. Only where it carries
// texts do they see it.
func (st *stream) terminate(dst []byte) []byte {
	st.ending.Terminated = true
	if !st.failed && !st.s.codec.Complete(st.ending) {
		return st.fail(dst, exchange.UpstreamCut, &llm.Error{Code: llm.CodeCut, Message: "the upstream's answer broke off"}, io.ErrUnexpectedEOF)
	}
	st.s.settled()
	end := &exchange.Event{Raw: st.frame.Raw}
	if st.frame.Payload != nil && len(st.event.Texts) > 0 {
		if dst = st.settle(dst, nil); st.over {
			return dst
		}
		if dst = st.filter(dst); st.over {
			return dst
		}
		end.Raw = nil
	}
	if dst = st.settle(dst, end); !st.over {
		dst = st.end(dst)
	}
	if !st.over && st.frame.Payload != nil && st.event.More {
		st.trail = maxTrail
		return dst
	}
	st.over = true
	return dst
}

// filter runs the event at hand through the filters.
func (st *stream) filter(dst []byte) []byte {
	if st.plain {
		return st.put(dst, st.frame.Raw)
	}
	own := st.frame.Clone()
	e := &exchange.Event{Raw: own.Raw, Event: st.event}
	e.Texts, e.Left, e.Closed = nil, nil, slices.Clone(st.event.Closed)
	if st.array {
		e.Framing = dialect.JSONArray
	}
	if len(own.Payload) > 0 {
		e.Body = exchange.NewBody(own.Payload, st.event.Texts)
	}
	v, err := st.s.flow.Event(st.s.ctx, e, func(e *exchange.Event) { dst = st.put(dst, e.Bytes()) })
	return st.verdict(dst, v, err)
}

// put appends an event to what the client gets.
func (st *stream) put(dst, raw []byte) []byte {
	if !st.array || len(raw) == 0 {
		return append(dst, raw...)
	}
	dst = dialect.AppendSeparated(dst, raw, st.begun)
	st.begun = true
	return dst
}

// settle lets out what filters hold back, and then what ends the stream, as they leave it: the event
// end, empty where there is none, or nil where something is still to come.
func (st *stream) settle(dst []byte, end *exchange.Event) []byte {
	if !st.plain {
		if st.s.flow.Tail = end; end != nil && st.array {
			end.Framing = dialect.JSONArray
		}
		v, err := st.s.flow.Flush(st.s.ctx, func(e *exchange.Event) { dst = st.put(dst, e.Bytes()) })
		if dst = st.verdict(dst, v, err); st.over {
			return dst
		}
	}
	if end != nil {
		dst = st.put(dst, end.Bytes())
	}
	return dst
}

// end tells the filters that usage and finish reason are known.
func (st *stream) end(dst []byte) []byte {
	v, err := st.s.flow.End(st.s.ctx)
	return st.verdict(dst, v, err)
}

func (st *stream) verdict(dst []byte, v exchange.Verdict, err error) []byte {
	if err != nil {
		if end, e := st.s.stopped(); e != nil {
			return st.fail(dst, end, e, err)
		}
		return st.fail(dst, exchange.Internal, &llm.Error{Code: llm.CodeInternal, Message: "the answer could not be checked"}, err)
	}
	if v.Action != exchange.Close && v.Action != exchange.Respond {
		return dst
	}
	e := &llm.Error{Code: llm.CodeDenied, Message: "the answer was stopped"}
	if v.Reply != nil {
		st.s.class = v.Reply.Class
		if v.Reply.Error != nil {
			e = v.Reply.Error
		}
	}
	return st.fail(dst, exchange.Denied, e, errors.New("stopped by filter "+st.s.flow.By()))
}

// finish ends a stream whose bytes have ended: cleanly only where the dialect says it was whole.
func (st *stream) finish(dst []byte, err error) []byte {
	if st.trail > 0 {
		if st.framer.Tail(&st.frame) && errors.Is(err, io.EOF) {
			dst = st.follow(dst)
		}
		st.over = true
		return dst
	}
	if end, e := st.s.stopped(); e != nil {
		return st.fail(dst, end, e, err)
	}
	if !errors.Is(err, io.EOF) {
		err = upstream.Error(err)
		end, e := upstreamEnd(err)
		if end == exchange.UpstreamError {
			end = exchange.UpstreamCut // its first byte had come
		}
		return st.fail(dst, end, e, err)
	}
	whole := st.ending.Terminated // of an item that was cut, nothing has been read: it goes nowhere
	if !st.array {
		if st.torn = st.framer.Tail(&st.frame); st.torn {
			if dst = st.pass(dst); st.over {
				return dst
			}
		}
		whole = st.s.codec.Complete(st.ending)
	}
	if !whole && !st.failed {
		return st.fail(dst, exchange.UpstreamCut, &llm.Error{Code: llm.CodeCut, Message: "the upstream's answer broke off"}, io.ErrUnexpectedEOF)
	}
	if dst = st.settle(dst, new(exchange.Event)); !st.over {
		dst = st.end(dst)
	}
	if !whole && st.array && !st.over {
		dst = append(dst, ']') // the upstream's error is its last item
	}
	st.over = true
	return dst
}

// fail ends the stream with an error event. What filters hold back stays back: it was not settled.
func (st *stream) fail(dst []byte, end exchange.Terminal, e *llm.Error, cause error) []byte {
	st.over = true
	st.s.end, st.s.err = end, cause
	if st.torn {
		dst = append(dst, "\n\n"...)
	}
	if numbered, ok := st.s.codec.(dialect.Numbered); ok {
		return numbered.AppendErrorNumbered(dst, e, st.s.x.ID, st.number)
	}
	if !st.array {
		return st.s.codec.AppendErrorEvent(dst, e, st.s.x.ID)
	}
	item := st.s.codec.AppendError([]byte(`,`), e, st.s.x.ID)
	return append(st.put(dst, item), ']')
}
