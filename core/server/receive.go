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

// The refusals of form data beyond what the guard refuses.
var (
	errUnawaited = &guard.Refusal{Status: 503, Code: "cancelled", Message: "the request was cancelled"}

	errForm  = &guard.Refusal{Status: 400, Code: "bad_form", Message: "the form data cannot be read: its boundary stands inside a part"}
	errSpool = &guard.Refusal{Status: 507, Code: "no_storage", Message: "the upload cannot be kept: the gateway's disk is full or out of order"}
)

// receive reads the body of the request at hand to its end, or says why it is not served. What can be read, the guard
// has approved.
func (c *conn) receive(from io.Reader, h *guard.Head) (body exchange.Body, refusal *guard.Refusal) {
	if r := c.in.Refusal(); r != nil || h.Length == 0 {
		return body, r
	}
	if from == nil {
		return body, guard.ErrDesync
	}
	var err error
	if h.Boundary != "" {
		body, err = c.receiveForm(from, h.Boundary)
	} else {
		var raw []byte
		raw, err = whole(from, h.Length)
		body = exchange.NewBody(raw, nil)
	}
	switch {
	case c.in.Refusal() != nil:
		return body, c.in.Refusal()
	case err == nil:
		return body, nil
	}
	var r *guard.Refusal
	if errors.As(err, &r) {
		return body, r
	}
	c.srv.log.Error("the guard and the parser disagree about a body", "remote", c.remote, "error", err)
	return body, guard.ErrDesync
}

// later reports whether the body at hand is read only when the exchange asks for it.
func (c *conn) later(h *guard.Head) bool {
	return c.in.Refusal() == nil && h.Boundary != "" && (h.Length == guard.Chunked || h.Length > spool.Whole)
}

// receiveLate reads the body of an exchange.
func (c *conn) receiveLate(from io.Reader, x *exchange.Exchange, h *guard.Head) error {
	c.late = c.now.ctx
	stop := context.AfterFunc(c.now.ctx, func() { c.raw.SetReadDeadline(time.Unix(1, 0)) })
	body, refusal := c.receive(awaited{from, c.now.ctx}, h)
	if c.late = nil; !stop() {
		refusal = errUnawaited
	}
	if refusal == nil && !c.in.Begin() {
		refusal = guard.ErrDesync
	}
	if refusal == nil {
		c.unread, x.Request.Body = false, body
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
	case guard.ErrNoRoom:
		c.srv.shed.Add(1)
		e.Code, e.RetryAfter = llm.CodeOverloaded, c.srv.set.Load().limits.RetryAfter
	case errSpool:
		e.Code = llm.CodeOverloaded
	}
	return e
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

// whole reads a body into memory, of which as much is taken as has come, and a bit.
func whole(from io.Reader, length int64) ([]byte, error) {
	most, first := length, min(length, firstKnown)
	if length == guard.Chunked {
		most, first = math.MaxInt64, firstPiece
	}
	raw := make([]byte, 0, first)
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
