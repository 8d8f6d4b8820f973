package server

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server/guard"
	"github.com/ginnel/ginnel/core/spool"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The first sizes of the buffer of a body: of one whose length nobody says, and of another. A length is only claimed.
const (
	firstPiece = 4 << 10
	firstKnown = 64 << 10
)

// The refusals of bodies beyond what the guard refuses.
var (
	errBusy = &guard.Refusal{Status: 503, Code: "overloaded", Message: "too many requests are being served, try again shortly"}

	errUnawaited = &guard.Refusal{Status: 503, Code: "cancelled", Message: "the request was cancelled"}

	errForm  = &guard.Refusal{Status: 400, Code: "bad_form", Message: "the form data cannot be read: its boundary stands inside a part"}
	errSpool = &guard.Refusal{Status: 507, Code: "no_storage", Message: "the upload cannot be kept: the gateway's disk is full or out of order"}
)

// bodyReader reads the body at hand.
type bodyReader struct{ *guard.Reader }

func (b bodyReader) Read(p []byte) (int, error) { return b.Body(p) }

// receive reads the body of the request at hand to its end, or says why it is not served. Of one in chunks no more is
// read than most: what is left then is unread.
func (c *conn) receive(from io.Reader, h *guard.Head, most int64) (body exchange.Body, refusal *guard.Refusal) {
	if r := c.in.Refusal(); r != nil || h.Length == 0 {
		return body, r
	}
	if h.Expect && c.in.Buffered() == 0 {
		if _, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return body, guard.ErrIncomplete
		}
	}
	var err error
	if h.Boundary != "" {
		body, err = c.receiveForm(from, h.Boundary)
	} else {
		var raw []byte
		raw, err = whole(c.begun, from, h.Length, most)
		body = exchange.NewBody(raw, nil)
	}
	switch {
	case err == errLonger:
		c.begun, c.unread = body.Raw(), true
		return exchange.Body{}, nil
	case c.in.Refusal() != nil:
		return body, c.in.Refusal()
	case err == nil:
		return body, nil
	}
	var r *guard.Refusal
	if errors.As(err, &r) {
		return body, r
	}
	c.srv.log.Error("a body cannot be read", "remote", c.remote, "error", err)
	return body, guard.ErrIncomplete
}

// later reports whether the body at hand is read only when the exchange asks for it, which it does of a caller that it
// knows: others are not told to go on, and do not fill the room for bodies. Short ones come in before, as long as there
// are not too many whose callers are not known.
func (c *conn) later(h *guard.Head) bool {
	if c.in.Refusal() != nil || h.Length == 0 {
		return false
	}
	return h.Length > firstKnown || h.Expect || h.Length == guard.Chunked && h.Boundary != "" || !c.enter()
}

// long returns how many bytes the body at hand has or may have, or 0 where they are few.
func (c *conn) long(h *guard.Head) int64 {
	set := c.srv.set.Load()
	switch {
	case h.Length == guard.Chunked && h.Boundary != "":
		return set.limits.Form
	case h.Length == guard.Chunked:
		return set.limits.Body
	case h.Length > firstKnown:
		return h.Length
	}
	return 0
}

// receiveLate reads the body of an exchange.
func (c *conn) receiveLate(x *exchange.Exchange, h *guard.Head) error {
	c.late = c.now.ctx
	stop := context.AfterFunc(c.now.ctx, func() { c.raw.SetReadDeadline(time.Unix(1, 0)) })
	body, refusal := c.receiveAside(awaited{bodyReader{c.in}, c.now.ctx}, h)
	if c.late = nil; !stop() || c.now.ctx.Err() != nil { // which is noticed before its functions are called
		refusal = errUnawaited
	}
	if refusal == nil && !c.in.Begin() {
		refusal = guard.ErrDesync
	}
	limits := &c.srv.set.Load().limits
	if refusal == nil {
		if c.unread = false; c.srv.live.Load() > int64(limits.Exchanges) {
			refusal = errBusy
		}
	}
	if refusal == nil {
		x.Request.Body = body
		c.ahead.start(c)
		return nil
	}
	if refusal == guard.ErrIncomplete {
		c.HungUp() // whoever noticed it first
	}
	e := &llm.Error{Code: llm.CodeInvalid, Status: refusal.Status, Message: refusal.Message}
	switch refusal {
	case guard.ErrBodyTooLarge:
		e.Code = llm.CodeTooLarge
	case guard.ErrBodyTimeout:
		e.Code = llm.CodeTimeout
	case guard.ErrNoRoom, errBusy:
		c.srv.shed.Add(1)
		e.Code, e.RetryAfter = llm.CodeOverloaded, limits.RetryAfter
	case errSpool:
		e.Code = llm.CodeOverloaded
	}
	return e
}

// receiveAside reads a body. Who is slow to send it takes no place of those that are served meanwhile.
func (c *conn) receiveAside(from io.Reader, h *guard.Head) (exchange.Body, *guard.Refusal) {
	c.srv.live.Add(-1)
	defer c.srv.live.Add(1)
	return c.receive(from, h, math.MaxInt64)
}

// awaited is a body that is read as long as somebody waits for its exchange.
type awaited struct {
	io.Reader
	ctx context.Context
}

func (a awaited) Read(b []byte) (int, error) {
	if a.ctx.Err() != nil {
		return 0, errUnawaited
	}
	return a.Reader.Read(b)
}

// errLonger says that a body is longer than what was to be read of it.
var errLonger = errors.New("the body is longer")

// whole reads a body into memory behind what was read of it, of which as much is taken as has come, and a bit. Of one
// in chunks no more is read than most.
func whole(raw []byte, from io.Reader, length, most int64) ([]byte, error) {
	first := int64(firstPiece)
	if length != guard.Chunked {
		most, first = length, min(length, firstKnown)
	}
	if raw == nil {
		raw = make([]byte, 0, first)
	}
	for int64(len(raw)) < most {
		if len(raw) == cap(raw) {
			raw = append(make([]byte, 0, min(most, 2*int64(cap(raw)))), raw...)
		}
		n, err := from.Read(raw[len(raw):cap(raw)])
		switch raw = raw[:len(raw)+n]; {
		case err == nil || int64(len(raw)) == most:
		case err == io.EOF && length == guard.Chunked:
			return raw, nil
		case err == io.EOF:
			return raw, io.ErrUnexpectedEOF
		default:
			return raw, err
		}
	}
	if length == guard.Chunked {
		return raw, errLonger
	}
	return raw, nil
}

// receiveForm reads form data, of which a file takes what is long.
func (c *conn) receiveForm(from io.Reader, boundary string) (body exchange.Body, err error) {
	set := c.srv.set.Load()
	long := false // what is in memory alone
	c.form = spool.New(boundary, set.spool, func(n int64) bool {
		if long = c.reserved+n > 2*set.limits.Body; long { // twice, because it grows by doubling
			return false
		}
		return take(&c.srv.bodies, &c.reserved, n, set.limits.Bodies)
	})
	err = c.form.Receive(from)
	switch {
	case err == nil:
		return c.form.Body(), nil
	case errors.Is(err, spool.ErrRoom) && long:
		return body, guard.ErrBodyTooLarge
	case errors.Is(err, spool.ErrRoom):
		return body, guard.ErrNoRoom
	case errors.Is(err, spool.ErrForm):
		return body, errForm
	case errors.Is(err, spool.ErrFile):
		c.srv.log.Error("an upload cannot be kept", "error", err)
		return body, errSpool
	}
	return body, err
}
