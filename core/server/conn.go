package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server/guard"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/core/spool"
)

const (
	writePiece = 64 << 10 // what is written under one deadline: progress counts, not the whole

	lingerBytes = 64 << 20 // of a refused upload that are read and thrown away

	formsAtOnce = 16 // of the largest size, that all form data together may have

	strangersShare = 8 // of the room for bodies, one part is for those of callers that are not known yet
)

// The states of a connection, as Drain sees them.
const (
	idle   int32 = iota // waits for the first byte of a request, or for the handshake
	active              // a request is being read, served or answered
	ended               // Drain took it
)

// conn is one connection as fasthttp sees it: what it reads went through the guard, what it writes
// has a deadline, and it knows the exchange at hand. But for the fields under mu and state, it
// belongs to its goroutine.
type conn struct {
	net.Conn // plain, or TLS over raw
	raw      net.Conn
	srv      *Server
	in       *guard.Reader
	remote   netip.AddrPort
	tls      bool
	watch    uint64 // 0 = the watcher cannot watch it
	ahead    lookAhead

	readBy, writeBy time.Time // the deadlines that are set
	writeErr        error     // the first
	reserved        int64     // bytes for the body at hand
	form            *spool.Form
	stranger        bool            // the body at hand has a place among those of callers that are not known
	admitted        func()          // gives it back; made once, for all exchanges
	unread          bool            // the body at hand was not read to its end
	begun           []byte          // what was read of it
	late            context.Context // of the exchange whose body is being read
	formed          int64           // bytes for the form
	now             current
	socket          chan struct{}  // not nil: the connection is a WebSocket; closed when it has ended
	frames          *socket.Frames // of the WebSocket

	state atomic.Int32

	mu    sync.Mutex
	gone  bool
	bound *exchange.Exchange // the one at hand, which ends with the connection
}

var (
	_ guard.Source = (*conn)(nil)
	_ net.Conn     = (*conn)(nil)
)

func newConn(s *Server, set *settings, nc net.Conn) *conn {
	c := &conn{Conn: nc, raw: nc, srv: s}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		c.remote = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	if set.config != nil {
		c.Conn, c.tls = tls.Server(nc, set.config), true
	}
	c.admitted = c.leave
	head := set.limits.Header
	c.in = guard.NewReader(c, func() guard.Limits { return s.guardLimits(head) })
	return c
}

// run serves the connection until it ends.
func (c *conn) run(set *settings) {
	if id, err := c.srv.watcher.Add(c.raw, c); err == nil {
		c.watch = id
		defer c.srv.watcher.Remove(id)
	}
	defer c.raw.Close()
	if t, ok := c.Conn.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), set.limits.HeaderTimeout)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.srv.log.Debug("tls handshake", "remote", c.remote, "error", err)
			return
		}
	}
	if err := set.http.ServeConn(c); err != nil {
		c.srv.log.Debug("connection", "remote", c.remote, "error", err)
	}
	if c.socket != nil {
		<-c.socket
	}
}

// connState is told by fasthttp when an answer is flushed and the connection waits for the next
// request. The guard lets nothing of a next request through before, so nothing is held back then.
func connState(nc net.Conn, state fasthttp.ConnState) {
	if c, ok := nc.(*conn); ok && state == fasthttp.StateIdle {
		c.finish()
		c.release()
	}
}

// HungUp ends the exchange at hand, and every later one: nobody reads the answers.
func (c *conn) HungUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.bound != nil {
		c.bound.Cancel(exchange.ErrClientGone)
	}
}

// abort ends the exchange at hand.
func (c *conn) abort(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound != nil {
		c.bound.Cancel(cause)
	}
}

// bind ties an exchange to the connection; nil unties it.
func (c *conn) bind(x *exchange.Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = x
	if c.gone && x != nil {
		x.Cancel(exchange.ErrClientGone)
	}
}

// Read gives fasthttp what the guard lets through, and a WebSocket what comes.
func (c *conn) Read(p []byte) (int, error) {
	if c.socket == nil {
		return c.in.Read(p)
	}
	c.ahead.stop(c)
	n, err := c.ahead.take(p)
	if n == 0 && err == nil {
		n, err = c.Conn.Read(p)
	}
	return n, cmp.Or(c.frames.Follow(p[:n]), err)
}

// SetDeadline is called by those that would write under deadlines of their own: only reads have them.
func (c *conn) SetDeadline(t time.Time) error {
	c.readBy = t
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline changes nothing: Write has its own.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// Fill gives the guard what arrives, under the limit of the phase.
func (c *conn) Fill(p []byte, phase guard.Phase, fresh bool) (int, error) {
	c.ahead.stop(c)
	if fresh {
		l := &c.srv.set.Load().limits
		limit := l.IdleTimeout
		switch phase {
		case guard.InHead:
			limit = l.HeaderTimeout
		case guard.InBody:
			limit = l.BodyTimeout
		}
		if due := time.Now().Add(limit); !near(c.readBy, due, limit) {
			c.readBy = due
			if err := c.Conn.SetReadDeadline(due); err != nil {
				return 0, err
			}
		}
	}
	if c.late != nil && c.late.Err() != nil {
		return 0, os.ErrDeadlineExceeded // the deadline that ended it may have been moved
	}
	if phase == guard.Idle {
		c.state.Store(idle)
		if c.srv.draining.Load() {
			return 0, io.EOF
		}
	}
	n, err := c.ahead.take(p)
	if n == 0 && err == nil {
		n, err = c.Conn.Read(p)
	}
	if n == 0 {
		return 0, err
	}
	if phase == guard.Idle && !c.state.CompareAndSwap(idle, active) {
		return 0, io.EOF // Drain was faster
	}
	return n, nil
}

// Reserve makes room for n bytes of the body at hand, if all bodies together may be that large. Form data has room of
// its own, which is the disk's.
func (c *conn) Reserve(n int64) bool {
	limits := &c.srv.set.Load().limits
	if c.in.Head().Boundary != "" {
		return take(&c.srv.forms, &c.formed, n, formsAtOnce*limits.Form)
	}
	return take(&c.srv.bodies, &c.reserved, n, limits.Bodies)
}

// room takes n bytes of the room for all bodies, or gives -n back.
func (s *Server) room(n int64) bool {
	var own int64
	return take(&s.bodies, &own, n, s.set.Load().limits.Bodies)
}

// take makes room for n more of what all connections have, if there is any.
func take(all *atomic.Int64, own *int64, n, limit int64) bool {
	if all.Add(n) > limit && n > 0 {
		all.Add(-n)
		return false
	}
	*own += n
	return true
}

// enter takes a place among the short bodies that are read before anybody knows whose they are, if there is one.
func (c *conn) enter() bool {
	places := max(c.srv.set.Load().limits.Bodies/strangersShare/firstKnown, 1)
	if c.srv.strangers.Add(1) > places {
		c.srv.strangers.Add(-1)
		return false
	}
	c.stranger = true
	return true
}

// leave gives the place back.
func (c *conn) leave() {
	if c.stranger {
		c.stranger = false
		c.srv.strangers.Add(-1)
	}
}

// release gives the room back.
func (c *conn) release() {
	c.leave()
	if c.form != nil {
		c.form.Close() // it is of nobody's interest any more
		c.form = nil
	}
	c.srv.bodies.Add(-c.reserved)
	c.srv.forms.Add(-c.formed)
	c.reserved, c.formed, c.begun = 0, 0, nil
}

// near reports whether a deadline that is set is as good as the one that is due: setting one costs
// as much as a small read.
func near(set, due time.Time, limit time.Duration) bool {
	d := due.Sub(set)
	return d >= 0 && d < limit/16
}

// Write writes in pieces, each with its own deadline, so that a slow reader may take its time and
// one that reads nothing may not.
func (c *conn) Write(p []byte) (int, error) {
	if c.writeErr != nil {
		return 0, c.writeErr
	}
	limit := c.srv.set.Load().limits.WriteTimeout
	for total := 0; ; {
		if due := time.Now().Add(limit); !near(c.writeBy, due, limit) {
			c.writeBy = due
			if err := c.Conn.SetWriteDeadline(due); err != nil {
				c.writeErr = err
				return total, err
			}
		}
		n, err := c.Conn.Write(p[:min(len(p), writePiece)])
		if total += n; err != nil {
			c.writeErr = err
			return total, err
		}
		if p = p[n:]; len(p) == 0 {
			return total, nil
		}
	}
}

// Close is called by fasthttp when it is done with the connection.
func (c *conn) Close() error {
	if c.socket != nil {
		defer close(c.socket)
	}
	c.ahead.stop(c)
	c.finish()
	c.release()
	if c.writeErr == nil && (c.in.Refusal() != nil || c.in.Buffered() > 0 || c.unread || c.socket != nil) {
		c.linger()
	}
	return c.Conn.Close()
}

// linger lets a client that is still sending read the answer: bytes that arrive at a closed socket
// make its system discard what it has not read yet. A client that takes longer than the limit for
// 64 KiB, or six times as long for all, is not waited for.
func (c *conn) linger() {
	if t, ok := c.Conn.(*tls.Conn); ok && t.CloseWrite() != nil {
		return
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	limit := c.srv.set.Load().limits.Linger
	last := time.Now().Add(6 * limit)
	for left := lingerBytes; left > 0; {
		now := time.Now()
		if now.After(last) || c.raw.SetReadDeadline(now.Add(limit)) != nil {
			return
		}
		n, err := io.CopyN(io.Discard, c.raw, writePiece)
		if left -= int(n); err != nil {
			return
		}
	}
}

// lookAhead notices a hang-up by reading where the watcher cannot help: one byte, on a goroutine,
// while an exchange is served.
type lookAhead struct {
	done  chan struct{} // nil = nothing is being read
	b     [1]byte
	n     int
	err   error
	ended atomic.Bool // stop was called
}

// start begins to read; it must be stopped before anyone else reads.
func (a *lookAhead) start(c *conn) {
	if c.watch != 0 || a.n > 0 || a.err != nil || c.in.Buffered() > 0 {
		return
	}
	c.Conn.SetReadDeadline(time.Time{})
	c.readBy = time.Time{}
	a.ended.Store(false)
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		if a.n, a.err = c.Conn.Read(a.b[:]); a.err != nil && !a.ended.Load() {
			c.HungUp()
		}
	}()
}

// stop ends the reading and waits for it.
func (a *lookAhead) stop(c *conn) {
	if a.done == nil {
		return
	}
	a.ended.Store(true)
	c.Conn.SetReadDeadline(time.Unix(1, 0))
	<-a.done
	a.done = nil
	if errors.Is(a.err, os.ErrDeadlineExceeded) {
		a.err = nil
	}
}

// take returns what was read ahead.
func (a *lookAhead) take(p []byte) (int, error) {
	n := copy(p, a.b[:a.n])
	a.n = 0
	return n, a.err
}
