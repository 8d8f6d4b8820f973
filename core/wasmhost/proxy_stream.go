package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ exchange.Ender = (*Filter)(nil)

// EndOfStream reports whether the guest wants to see the end of a stream: one of proxy-wasm is told
// with the last chunk of a body that it is the last.
func (f *Filter) EndOfStream() bool { return f.vms != nil }

// proxyStream is the context of one exchange in a VM. It belongs to whoever has the VM's turn; x only
// to the exchange's own goroutine, or to others while that waits.
type proxyStream struct {
	vm    *proxyVM
	id    uint32
	x     *exchange.Exchange // nil once the exchange is over
	phase exchange.Phase
	wake  chan struct{}
	lost  bool // the exchange goes on without the filter; its own goroutine's

	waiting   bool    // the exchange waits until the guest continues it
	resumed   [2]bool // by proxy_continue_stream: the request, the response
	closed    bool
	finishing bool // on_done said that it is not over
	answer    *exchange.Answer
	calls     int         // under way that it began
	began     int         // in all
	deadline  *time.Timer // of what on_done put off

	body     []byte // of the callback
	dirty    bool   // body is not the exchange's own
	held     []byte // of the stream, kept back by the guest
	released []byte // of it, to be sent before what comes next
	pseudo   llm.Header
}

// open makes a context of an exchange's.
func (v *proxyVM) open(ctx context.Context, x *exchange.Exchange) (*proxyStream, error) {
	if err := v.enter(ctx); err != nil {
		return nil, err
	}
	defer v.exit()
	for v.next <= proxywasm.RootContext || v.streams[v.next] != nil {
		v.next++
	}
	s := &proxyStream{vm: v, id: v.next, x: x, phase: exchange.PhaseRequestHead, wake: make(chan struct{}, 1)}
	v.next++
	v.streams[s.id] = s
	if err := v.plain(s, "proxy_on_context_create", uint64(s.id), proxywasm.RootContext); err != nil {
		return nil, err
	}
	return s, v.settle()
}

// signal wakes the exchange, if it waits.
func (s *proxyStream) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it has not seen the last one yet
	}
}

// run is one phase of the exchange.
func (s *proxyStream) run(ctx context.Context, p exchange.Phase) (exchange.Verdict, error) {
	if err := s.vm.enter(ctx); err != nil {
		return exchange.Verdict{}, err
	}
	defer s.vm.exit()
	s.phase = p
	s.resumed[side(p)] = s.resumed[side(p)] && p == exchange.PhaseEvent
	switch p {
	case exchange.PhaseRequestHead, exchange.PhaseResponseHead:
		return s.headers(ctx, p)
	case exchange.PhaseRequestBody:
		return s.message(ctx, &s.x.Request.Body, proxywasm.OnRequestBody)
	case exchange.PhaseResponseBody:
		return s.message(ctx, &s.x.Response.Body, proxywasm.OnResponseBody)
	case exchange.PhaseEvent:
		return s.event(ctx, s.x.Event)
	}
	return exchange.Verdict{}, nil
}

// side is the stream of proxy-wasm that a phase belongs to.
func side(p exchange.Phase) int {
	if p < exchange.PhaseResponseHead {
		return proxywasm.RequestStream
	}
	return proxywasm.ResponseStream
}

// headers shows the guest a head. One that stops there is asked again with the body, unless it waits
// for something first.
func (s *proxyStream) headers(ctx context.Context, p exchange.Phase) (exchange.Verdict, error) {
	v := s.vm
	name, body, follows, end := proxywasm.OnRequestHeaders, proxywasm.OnRequestBody, len(s.x.Request.Body.Raw()) > 0, uint64(0)
	if p == exchange.PhaseResponseHead {
		name, body, follows = proxywasm.OnResponseHeaders, proxywasm.OnResponseBody, true
	} else if !follows {
		end = 1
	}
	if !v.has(name) {
		return exchange.Verdict{}, nil
	}
	action, err := v.callback(s, 0, name, uint64(s.id), uint64(s.fieldCount()), end)
	if err != nil {
		return exchange.Verdict{}, err
	}
	higress := v.version == proxywasm.Higress
	stops := uint32(action) != proxywasm.Continue && !(higress && uint32(action) == proxywasm.HeadersContinueAndEnd)
	all := !higress || uint32(action) >= proxywasm.HeadersStopAndBuffer
	if stops && (!follows || !v.has(body) || all && s.calls > 0) {
		err = s.wait(ctx, side(p))
	}
	return s.verdict(), err
}

// verdict is what the guest decided besides its edits.
func (s *proxyStream) verdict() exchange.Verdict {
	switch {
	case s.answer != nil:
		return exchange.Verdict{Action: exchange.Respond, Reply: s.answer}
	case s.closed:
		return exchange.Verdict{Action: exchange.Respond, Reply: &exchange.Answer{Error: &llm.Error{Code: llm.CodeDenied, Message: "the exchange was ended"}}}
	}
	return exchange.Verdict{}
}

// decided reports whether the guest has ended the exchange.
func (s *proxyStream) decided() bool { return s.answer != nil || s.closed }

// message shows the guest a whole body.
func (s *proxyStream) message(ctx context.Context, body *exchange.Body, name string) (exchange.Verdict, error) {
	raw := body.Bytes()
	if len(raw) == 0 && name == proxywasm.OnRequestBody || !s.vm.has(name) {
		return exchange.Verdict{}, nil
	}
	s.body, s.dirty = raw, false
	action, err := s.vm.callback(s, len(raw), name, uint64(s.id), uint64(len(raw)), 1)
	if err == nil && uint32(action) != proxywasm.Continue {
		err = s.wait(ctx, side(s.phase))
	}
	if err == nil && s.dirty && !s.decided() {
		body.Replace(s.body)
	}
	s.body = nil
	return s.verdict(), err
}

// event shows the guest an event of a stream as a chunk of its body, with those before it that it
// kept back.
func (s *proxyStream) event(ctx context.Context, e *exchange.Event) (exchange.Verdict, error) {
	if !s.vm.has(proxywasm.OnResponseBody) {
		return exchange.Verdict{}, nil
	}
	if s.resumed[proxywasm.ResponseStream] { // meanwhile: what was held goes without another look
		s.released, s.held = append(s.released, s.held...), nil
		s.resumed[proxywasm.ResponseStream] = false
	}
	s.body, s.dirty = e.Bytes(), false
	if len(s.held) > 0 {
		s.body, s.dirty, s.held = append(s.held, s.body...), true, nil
	}
	end := uint64(0)
	if e.Last {
		end = 1
	}
	action, err := s.vm.callback(s, len(s.body), proxywasm.OnResponseBody, uint64(s.id), uint64(len(s.body)), end)
	if err != nil {
		return exchange.Verdict{}, err
	}
	stops := uint32(action) != proxywasm.Continue && !s.resumed[proxywasm.ResponseStream]
	drops := s.vm.version == proxywasm.Higress && uint32(action) == proxywasm.DataStopNoBuffer
	if stops && e.Last && !drops {
		if err := s.wait(ctx, proxywasm.ResponseStream); err != nil {
			return exchange.Verdict{}, err
		}
		stops = false
	}
	return s.emit(e, stops, drops)
}

// emit puts in an event's place what the guest lets out.
func (s *proxyStream) emit(e *exchange.Event, stops, drops bool) (exchange.Verdict, error) {
	body, dirty, out := s.body, s.dirty, s.released
	s.body, s.released = nil, nil
	s.resumed[proxywasm.ResponseStream] = false
	switch {
	case s.decided():
		return s.verdict(), nil
	case stops && !drops:
		if s.held = append([]byte(nil), body...); len(s.held) > exchange.MaxHeld {
			return exchange.Verdict{}, exchange.ErrHeld
		}
	case !stops && !dirty && len(out) == 0:
		return exchange.Verdict{}, nil // as it came
	case !stops:
		out = append(out, body...)
	}
	e.Replace(out)
	return exchange.Verdict{}, nil
}

var (
	errStuck  = errors.New("it pauses, and nothing is under way that could continue it")
	errPaused = errors.New("it paused for longer")
)

// wait gives the turn away until the guest continues the side, or ends the exchange. It takes the
// turn again before it returns.
func (s *proxyStream) wait(ctx context.Context, side int) error {
	v := s.vm
	most := v.in.filter.limits.Pause
	limit := time.NewTimer(most)
	defer limit.Stop()
	for !s.resumed[side] && !s.decided() {
		if v.calls == 0 && v.period == 0 {
			return errStuck
		}
		s.waiting = true
		v.in.filter.tally.pausing.Add(1)
		v.exit()
		var err error
		select {
		case <-s.wake:
		case <-limit.C:
			err = fmt.Errorf("%w than %s", errPaused, most)
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-s.x.Context().Done():
			err = context.Cause(s.x.Context())
		}
		v.turn <- struct{}{}
		v.in.filter.tally.pausing.Add(-1)
		s.waiting = false
		switch {
		case v.dead:
			return errLost
		case err != nil:
			return err
		}
	}
	return nil
}

// done ends the exchange's context: at once, or when the guest says so.
func (s *proxyStream) done() error {
	v := s.vm
	if v.enter(context.Background()) != nil {
		return nil // it is gone with its VM
	}
	defer v.exit()
	s.phase = exchange.PhaseDone
	ok, err := uint64(1), error(nil)
	if v.has("proxy_on_done") {
		ok, err = v.callback(s, 0, "proxy_on_done", uint64(s.id))
	}
	if err == nil && uint32(ok) == 0 && v.streams[s.id] == s {
		v.linger(s)
	} else if err == nil {
		err = v.release(s)
	}
	s.x = nil
	if err != nil {
		v.set.broke(v, "done", err)
	}
	return nil
}

// linger keeps a context whose guest says that it is not done, until proxy_done or limits.pause. The
// caller has the turn.
func (v *proxyVM) linger(s *proxyStream) {
	s.finishing = true
	v.pending = append(v.pending, s)
	s.deadline = time.AfterFunc(v.in.filter.limits.Pause, func() {
		if !v.set.enter() {
			return
		}
		defer v.set.work.Done()
		if v.enter(v.ctx) != nil {
			return
		}
		defer v.exit()
		if err := v.release(s); err != nil {
			v.set.broke(v, "done", err)
		}
	})
}
