package socket

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

const (
	goodbye = 2 * time.Second        // for a side to answer a close frame
	grace   = 250 * time.Millisecond // for what a client said before it left
)

// Side is who a session ended with.
type Side uint8

// The sides; Gateway is none.
const (
	Gateway Side = iota
	Client
	Upstream
)

// Session is what is relayed between. The callbacks belong to one goroutine each, and may be nil.
type Session struct {
	Client, Upstream exchange.Socket
	// Asked returns what goes on of a message of the client; an error ends the session, and a *Refusal says why.
	Asked func(text bool, message []byte) ([]byte, error)
	// Answered looks at one of the upstream's, also at those that come behind the client's goodbye. An error ends
	// the session, and a *Refusal is said to the client.
	Answered func(text bool, message []byte) error
}

// Outcome is how a session ended: who ended it and with what error, which is a *exchange.Goodbye where that side said
// so, and the context's cause where the gateway did. The counts are of messages' bytes.
type Outcome struct {
	Side    Side
	Err     error
	In, Out int64 // from the client, and to it
}

// Refusal is an error of Asked: the client's message is not what it may send.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// Panic is what a callback did.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v\n%s", p.Value, p.Stack) }

// Relay carries messages both ways until one side ends or ctx does, says so to the other, and returns when neither
// says more and the upstream's connection is closed; the client's is its server's to close. A side that takes nothing is not read for: at most one message waits in each direction.
func Relay(ctx context.Context, s *Session) Outcome {
	r := &relay{Session: s, ends: make(chan end, 4)} // each direction reports at most two
	var pumps sync.WaitGroup
	pumps.Go(func() { r.pump(s.Client, s.Upstream, Client, Upstream, r.asked, &r.in) })
	pumps.Go(func() { r.pump(s.Upstream, s.Client, Upstream, Client, r.answered, &r.out) })
	e := r.first(ctx)
	r.closing.Store(true)
	toClient, toUpstream := e.words()
	var said sync.WaitGroup // a side that takes nothing keeps its close frame waiting
	said.Go(func() { s.Client.Close(toClient.Code, toClient.Reason) })
	said.Go(func() { s.Upstream.Close(toUpstream.Code, toUpstream.Reason) })
	cut := time.AfterFunc(goodbye, func() {
		s.Client.Cut()
		s.Upstream.Cut()
	})
	pumps.Wait()
	said.Wait()
	cut.Stop()
	s.Upstream.Cut()
	return Outcome{e.side, e.err, r.in.Load(), r.out.Load()}
}

// end is what ended a session, or one direction of it.
type end struct {
	side Side
	err  error
}

type relay struct {
	*Session
	ends    chan end
	closing atomic.Bool
	in, out atomic.Int64
}

// first waits for the end.
func (r *relay) first(ctx context.Context) end {
	select {
	case e := <-r.ends:
		return e
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if !errors.Is(cause, exchange.ErrClientGone) {
		return end{Gateway, cause}
	}
	t := time.NewTimer(grace) // its last words may be read yet: a goodbye, perhaps
	defer t.Stop()
	select {
	case e := <-r.ends:
		return e
	case <-t.C:
		return end{Client, cause}
	}
}

// pump carries one direction. Once the session ends it only waits for the other side's close frame.
func (r *relay) pump(from, to exchange.Socket, source, sink Side, look func(bool, []byte) ([]byte, error), count *atomic.Int64) {
	defer func() {
		if p := recover(); p != nil {
			r.ends <- end{Gateway, &Panic{p, debug.Stack()}}
		}
	}()
	for {
		text, message, err := from.Receive()
		if err != nil {
			r.ends <- end{source, err}
			return
		}
		if r.closing.Load() {
			if source == Upstream {
				look(text, message) // what was used is used
			}
			continue
		}
		size := len(message)
		if message, err = look(text, message); err != nil {
			if refused := (*Refusal)(nil); errors.As(err, &refused) {
				source = Client
			}
			r.ends <- end{source, err}
		} else if err = to.Send(text, message); err != nil {
			r.ends <- end{sink, err}
		} else {
			count.Add(int64(size))
			continue
		}
		for err = nil; err == nil; {
			_, _, err = from.Receive()
		}
		return
	}
}

func (r *relay) asked(text bool, message []byte) ([]byte, error) {
	if r.Asked == nil {
		return message, nil
	}
	return r.Asked(text, message)
}

func (r *relay) answered(text bool, message []byte) ([]byte, error) {
	if r.Answered == nil {
		return message, nil
	}
	return message, r.Answered(text, message)
}

// words are the close frames that both sides get: the code and the reason of the one that said goodbye, in both
// directions, else what happened.
func (e end) words() (client, upstream exchange.Goodbye) {
	var bye *exchange.Goodbye
	if errors.As(e.err, &bye) {
		return *bye, *bye
	}
	away := exchange.Goodbye{Code: exchange.CloseAway}
	var broken *Panic
	if errors.As(e.err, &broken) {
		return exchange.Goodbye{Code: exchange.CloseInternal, Reason: "an internal error"}, away
	}
	if e.side == Gateway {
		away.Reason = "the gateway is going down"
		if errors.Is(e.err, ErrOver) {
			away.Reason = ErrOver.Error()
		}
		return away, away
	}
	here := exchange.Goodbye{Code: exchange.CloseAway, Reason: e.err.Error()}
	var refused *Refusal
	switch {
	case errors.As(e.err, &refused), errors.Is(e.err, ErrFlood):
		here.Code = exchange.ClosePolicy
	case errors.Is(e.err, ErrTooLarge):
		here.Code = exchange.CloseTooLarge
	case errors.Is(e.err, ErrNoRoom):
		here.Code = exchange.CloseLater
	case errors.Is(e.err, ErrIdle), errors.Is(e.err, ErrSlow), errors.Is(e.err, ErrLate):
	default:
		here.Reason = ""
	}
	if e.side == Client {
		return here, away
	}
	return exchange.Goodbye{Code: exchange.CloseInternal, Reason: upstreamWords(e.err)}, here
}

// upstreamWords tells a client how the upstream failed, without a library's words.
func upstreamWords(err error) string {
	switch {
	case errors.Is(err, ErrTooLarge):
		return "the upstream sent a message that is too large"
	case errors.Is(err, ErrNoRoom):
		return "there is no room for a large message of the upstream"
	case errors.Is(err, ErrIdle):
		return "the upstream went silent"
	case errors.Is(err, ErrSlow):
		return "the upstream takes nothing"
	case errors.Is(err, ErrFlood):
		return "the upstream sends too many pings, pongs or empty frames"
	}
	return "the upstream's connection broke off"
}
