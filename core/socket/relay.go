// Package socket relays the messages of a WebSocket (RFC 6455) from one side to the other and back: whole, in
// order, with the codes and reasons with which a side closes, in bounded memory, and no faster than they are taken.
//
// It is not how a socket comes to be (package server accepts the client's, package egress makes the connection to
// the upstream's) and knows no dialect.
package socket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
)

// The codes that a close has on the wire where a side ends without one (RFC 6455, section 7.4, and its registry).
const (
	codeAway   = websocket.CloseGoingAway
	codeFailed = websocket.CloseInternalServerErr // there is 1014 for a gateway, which clients take for no code

	CodeTooLarge = websocket.CloseMessageTooBig // of a message that is longer than it may be
)

// Failed reports whether a side that closes with a code says that it could not go on.
func Failed(code int) bool {
	return code >= websocket.CloseInternalServerErr && code <= websocket.CloseTryAgainLater
}

// Limits bounds a relay. Every field is required.
type Limits struct {
	Message  int64         // bytes of one
	Observed int           // bytes of a message of text, for it to be shown
	Ping     time.Duration // between two questions whether a side is there
	Silence  time.Duration // without a byte from a side, after which it is gone
	Write    time.Duration // without a side taking anything
	Farewell time.Duration // for a side to close when the other one has
}

// Side is one end of a relay.
type Side uint8

// The sides. Neither is who ended a relay that its context ended.
const (
	Neither Side = iota
	Client
	Upstream
)

// End is how a relay ended.
type End struct {
	By    Side
	Code  int   // with which that side closed; 1006 = without a word
	Err   error // nil where it closed in good order
	Bytes int64 // of the messages to the client

	writing bool // it took nothing more; what it said last is for its reader to tell
}

// side is one socket with what the other one is told when it ends.
type side struct {
	exchange.Socket
	who    Side
	silent time.Duration
	alone  string // why the other side is closed where this one is gone without a word
	lost   int    // and with which code
}

func (s *side) heard() { s.SetReadDeadline(time.Now().Add(s.silent)) }

// Relay passes messages on until a side closes or ctx ends, and tells the other one. The caller closes both. heard is shown each message of
// text from the upstream that is not longer than it may be, before the client has all of it; it keeps nothing of it.
func Relay(ctx context.Context, client, upstream exchange.Socket, l Limits, heard func(message []byte)) End {
	a := &side{client, Client, l.Silence, "the client is gone", codeAway}
	b := &side{upstream, Upstream, l.Silence, "the upstream's connection broke off", codeFailed}
	for _, s := range []*side{a, b} {
		s.SetReadLimit(l.Message)
		s.SetPongHandler(func(string) error { s.heard(); return nil })
	}
	ends := make(chan End, 2)
	var bytes int64
	go func() { ends <- pump(a, b, l, nil, new(int64)) }()
	go func() { ends <- pump(b, a, l, heard, &bytes) }()
	end, left := End{}, 2
	ping := time.NewTicker(l.Ping)
	for waiting := true; waiting; {
		select {
		case end = <-ends:
			waiting, left = false, 1
		case <-ctx.Done():
			end, waiting = End{Err: context.Cause(ctx)}, false
			if errors.Is(end.Err, exchange.ErrClientGone) { // what it said last is still to be read
				end, left = last(ends, end, l.Farewell)
			}
		case <-ping.C:
			for _, s := range []*side{a, b} {
				s.WriteControl(websocket.PingMessage, nil, time.Now().Add(l.Write))
			}
		}
	}
	ping.Stop()
	if end.writing {
		if said, n := last(ends, end, l.Farewell); n == 1 {
			left = 0
			if said.By == end.By {
				end = said
			}
		}
	}
	farewell(&end, a, b, l)
	over := time.AfterFunc(l.Farewell, func() { a.Close(); b.Close() })
	for range left {
		<-ends
	}
	over.Stop()
	end.Bytes = bytes
	return end
}

// last waits a moment for how a side ended, and returns end where it does not say.
func last(ends <-chan End, end End, within time.Duration) (End, int) {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case end = <-ends:
		return end, 1
	case <-late.C:
		return end, 2
	}
}

// farewell tells the sides that are still there that it is over.
func farewell(end *End, a, b *side, l Limits) {
	tell := func(s *side, code int, reason string) {
		s.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(l.Farewell))
	}
	from, to := a, b
	switch end.By {
	case Neither:
		reason := "the gateway is going down"
		if !errors.Is(end.Err, exchange.ErrDraining) {
			reason = "the other side is gone"
		}
		tell(a, codeAway, reason)
		tell(b, codeAway, reason)
		return
	case Upstream:
		from, to = b, a
	}
	var closed *websocket.CloseError
	switch {
	case errors.Is(end.Err, websocket.ErrReadLimit): // which the library has told that side
		end.Code = CodeTooLarge
		tell(to, CodeTooLarge, "a message is too large for the gateway")
	case errors.As(end.Err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		end.Code, end.Err = closed.Code, nil
		tell(to, closed.Code, closed.Text)
	default:
		end.Code = websocket.CloseAbnormalClosure
		tell(to, from.lost, from.alone)
		from.Close()
	}
}

// pump passes on what one side says until one of both ends.
func pump(from, to *side, l Limits, heard func([]byte), bytes *int64) End {
	buf := make([]byte, bufferSize)
	var seen []byte
	for {
		from.heard()
		kind, r, err := from.NextReader()
		if err != nil {
			return End{By: from.who, Err: err}
		}
		w, err := to.NextWriter(kind)
		if err != nil {
			return End{By: to.who, Err: err, writing: true}
		}
		shown := heard != nil && kind == websocket.TextMessage
		seen = seen[:0]
		for {
			n, err := r.Read(buf)
			if n > 0 {
				from.heard()
				*bytes += int64(n)
				if shown = shown && len(seen)+n <= l.Observed; shown {
					seen = append(seen, buf[:n]...)
				}
				to.SetWriteDeadline(time.Now().Add(l.Write))
				if _, err := w.Write(buf[:n]); err != nil {
					return End{By: to.who, Err: err, writing: true}
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return End{By: from.who, Err: err}
			}
		}
		if shown {
			heard(seen)
		}
		to.SetWriteDeadline(time.Now().Add(l.Write))
		if err := w.Close(); err != nil {
			return End{By: to.who, Err: err, writing: true}
		}
	}
}
