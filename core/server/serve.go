package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server/guard"
	"github.com/ginnel/ginnel/sdk/llm"
)

// maxGathered is the largest stream that is gathered for a client of HTTP/1.0, which cannot tell
// where a chunk ends.
const maxGathered = 16 << 20

// current is the exchange at hand.
type current struct {
	x     *exchange.Exchange // nil = there is none
	ctx   context.Context    // its own
	done  func(exchange.Terminal)
	cause error // of the context, when the answer was complete
	body  streamBody
}

// serve is fasthttp's handler: it is called when the head of a request was read, and its answer is written
// after it returned. Nothing of rc may be kept.
func (s *Server) serve(rc *fasthttp.RequestCtx) {
	c := rc.Conn().(*conn)
	h := c.in.Head()
	var body exchange.Body
	same := true
	if c.unread = c.later(h); !c.unread {
		var refusal *guard.Refusal
		if body, refusal = c.receive(bodyReader{c.in}, h, firstKnown); !c.unread {
			same = c.in.Begin()
		}
		if refusal != nil {
			s.refuse(rc, refusal)
			return
		}
	}
	if !same || string(rc.Method()) != h.Method || string(rc.RequestURI()) != h.Target {
		s.log.Error("the guard and the parser disagree about a request", "remote", c.remote)
		s.refuse(rc, guard.ErrDesync)
		return
	}
	if h.WebSocket && !handshake(h.Header) {
		s.refuseHandshake(rc)
		return
	}
	set := s.set.Load()
	if s.live.Add(1) > int64(set.limits.Exchanges) {
		s.live.Add(-1)
		s.shedOne(rc, set.limits.RetryAfter)
		return
	}
	s.served.Add(1)
	x := c.begin(h, body)
	if c.unread {
		x.Receive, x.Long = func() error { return c.receiveLate(x, h) }, c.long(h)
	} else {
		c.ahead.start(c)
	}
	reply := s.call(set.handler, x)
	c.answer(rc, reply, h)
}

// begin makes an exchange, which owns all it says.
func (c *conn) begin(h *guard.Head, body exchange.Body) *exchange.Exchange {
	x := exchange.New(context.Background())
	x.ID = newID(x.Start)
	x.Listener = c.srv.name
	x.Method, x.Path, x.Query = h.Method, h.Path, h.Query
	x.Host = guard.NormalHost(h.Host)
	x.Remote, x.TLS, x.Upgrade = c.remote, c.tls, h.WebSocket
	x.Request.Header = append(make(llm.Header, 0, len(h.Header)), h.Header...)
	x.Request.Body, x.Admitted = body, c.admitted
	if h.WebSocket {
		x.Room = c.srv.room
	}
	c.now.x, c.now.ctx = x, x.Context()
	c.bind(x)
	return x
}

// call has the exchange served, whatever the handler does.
func (s *Server) call(h exchange.Handler, x *exchange.Exchange) (reply *exchange.Reply) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic while serving", "request_id", x.ID, "panic", p, "stack", string(debug.Stack()))
			reply = nil
		}
		if reply == nil {
			reply = &exchange.Reply{
				Status: 500, Header: llm.Header{{Name: "Content-Type", Value: "application/json"}},
				Body: appendError(nil, 500, "internal", "an internal error", x.ID),
			}
		}
	}()
	return h.Serve(x.Context(), x)
}

// answer hands the reply to fasthttp, which writes it when the handler has returned.
func (c *conn) answer(rc *fasthttp.RequestCtx, reply *exchange.Reply, h *guard.Head) {
	c.now.done = reply.Done
	resp := &rc.Response
	resp.SetStatusCode(reply.Status)
	for i := range reply.Header {
		if f := &reply.Header[i]; mayAnswer(f.Name, f.Value) {
			resp.Header.Add(f.Name, f.Value)
		}
	}
	resp.Header.Set("X-Request-Id", c.now.x.ID)
	if reply.Session != nil && h.WebSocket {
		if c.upgrade(rc, reply.Session) {
			return
		}
		resp.SetStatusCode(500)
	}
	if h.WebSocket || c.unread || c.srv.draining.Load() {
		resp.SetConnectionClose()
	}
	if reply.Status == 426 { // RFC 9110, section 15.5.22
		resp.Header.Set("Upgrade", "websocket")
	}
	switch {
	case reply.Stream == nil || rc.IsHead():
		resp.SetBodyRaw(reply.Body)
		c.now.cause = context.Cause(c.now.ctx)
	case h.HTTP10:
		all, err := c.gather(reply.Stream)
		if err != nil && !bytes.HasPrefix(resp.Header.ContentType(), []byte("text/event-stream")) { // it cannot be told from a whole one
			resp.Header.Reset()
			resp.SetStatusCode(502)
			resp.Header.SetContentType("application/json")
			resp.Header.Set("X-Request-Id", c.now.x.ID)
			resp.SetConnectionClose()
			all = appendError(nil, 502, "incomplete", "the answer is too long for HTTP/1.0, or did not come whole", c.now.x.ID)
		}
		resp.SetBodyRaw(all)
		c.now.cause = context.Cause(c.now.ctx)
	default:
		c.now.body = streamBody{conn: c, stream: reply.Stream}
		resp.SetBodyStream(&c.now.body, -1)
	}
}

// mayAnswer reports whether a field of a reply goes to the client: the framing is the server's own,
// and what the upstream is called is nobody's business.
func mayAnswer(name, value string) bool {
	if !guard.EndToEnd(name) || !guard.ValidField(name, value) {
		return false
	}
	switch len(name) {
	case 4:
		return !llm.EqualFold(name, "date")
	case 6:
		return !llm.EqualFold(name, "server")
	case 12:
		return !llm.EqualFold(name, "x-request-id")
	}
	return true
}

// gather reads a whole stream.
func (c *conn) gather(s exchange.Stream) (all []byte, err error) {
	for len(all) < maxGathered {
		if all, err = s.Next(all); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
	}
	c.now.x.Cancel(exchange.ErrWriteTimeout)
	return all, exchange.ErrWriteTimeout
}

// finish ends the exchange at hand, if there is one: its answer was written or could not be.
func (c *conn) finish() {
	x := c.now.x
	if x == nil {
		return
	}
	done, end := c.now.done, c.outcome()
	c.now = current{}
	c.bind(nil)
	c.srv.live.Add(-1)
	if done != nil {
		done(end)
	}
	x.Cancel(nil)
}

// outcome says how the exchange ended from the server's view.
func (c *conn) outcome() exchange.Terminal {
	cause := c.now.cause
	if c.now.body.stream != nil {
		cause = c.now.body.cause
	}
	switch {
	case errors.Is(c.writeErr, os.ErrDeadlineExceeded):
		return exchange.TimedOut
	case errors.Is(cause, exchange.ErrDraining), c.writeErr != nil && errors.Is(context.Cause(c.now.ctx), exchange.ErrDraining):
		return exchange.Drained
	case errors.Is(cause, exchange.ErrClientGone), c.writeErr != nil:
		return exchange.ClientCancelled
	case errors.Is(cause, exchange.ErrWriteTimeout):
		return exchange.TimedOut
	case c.now.body.stream != nil && !c.now.body.ended:
		return exchange.Internal
	}
	return exchange.Completed
}

// streamBody is a streamed answer as fasthttp reads it: each Read is one chunk, flushed at once, and
// holds what the stream had complete at that moment. It needs no goroutine and no pipe.
type streamBody struct {
	conn   *conn
	stream exchange.Stream
	rest   []byte // of events larger than fasthttp's buffer
	ended  bool
	cause  error // of the context, when the stream ended
}

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			b.conn.srv.log.Error("panic while streaming", "request_id", b.conn.now.x.ID, "panic", v, "stack", string(debug.Stack()))
			n, err = 0, errStreamPanic
		}
	}()
	for len(b.rest) == 0 {
		if b.ended {
			return 0, io.EOF
		}
		out, err := b.stream.Next(p[:0])
		if err != nil {
			if err != io.EOF {
				return 0, err
			}
			b.ended = true
			b.cause = context.Cause(b.conn.now.ctx)
		}
		if len(out) > 0 && &out[0] == &p[0] {
			return len(out), nil
		}
		b.rest = out
	}
	n = copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

var errStreamPanic = errors.New("panic while streaming")

// serveError answers requests that could not be read.
func (s *Server) serveError(rc *fasthttp.RequestCtx, err error) {
	r := guard.ErrRequestLine
	if c, ok := rc.Conn().(*conn); ok && c.in.Refusal() != nil {
		r = c.in.Refusal()
	} else if _, ok := err.(*fasthttp.ErrSmallBuffer); ok {
		r = guard.ErrHeadTooLarge
	}
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "request not read", slog.Any("error", err))
	s.refuse(rc, r)
}
