package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	readSize  = 4 << 10  // of a connection's buffer, when it is made
	readLimit = 64 << 10 // it grows to, where reads fill it
	keepSize  = 16 << 10 // a larger one is not kept in the pool
	writeStep = 64 << 10 // progress in writing is watched in such steps, and what is in a file read in them
)

// conn is a connection with its buffer. One call uses it at a time; only abort comes from elsewhere.
type conn struct {
	net.Conn          // what is written and read: TLS or raw
	raw      net.Conn // closed at once by abort: a TLS connection takes its time to say goodbye
	sys      syscall.RawConn
	peer     int           // the pid of the process that answers, where it is asked for
	open     *atomic.Int64 // counts this connection until it is closed
	closed   atomic.Bool
	abort    func() // closes the connection under whoever reads or writes

	buf  []byte // buf[r:w] was read and not used; between two calls the request is built in it
	r, w int
	full bool // the last read filled the buffer: more is coming than it takes
	eof  bool // the other side ended in good order

	used    int
	born    time.Time
	since   time.Time // when it was pooled
	by      time.Time // when the call's total time ends; zero = never
	readBy  time.Time // the deadlines that are set
	writeBy time.Time
}

// conn takes a connection out of the pool, or makes one where there is none or fresh says so.
func (o *Origin) conn(ctx context.Context, by time.Time, fresh bool) (*conn, error) {
	for !fresh {
		c := o.take()
		if c == nil {
			break
		}
		same := o.socket == "" || o.peerPID == nil || c.peer == o.peerPID() // another process may answer by now
		if age := time.Since(c.since); same && age < idleExpiry && (o.replay && age < checkAfter || c.alive()) {
			return c, nil
		}
		c.close()
	}
	return o.connect(ctx, by)
}

func (o *Origin) take() *conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.idle)
	if n == 0 {
		return nil
	}
	c := o.idle[n-1]
	o.idle[n-1] = nil
	o.idle = o.idle[:n-1]
	return c
}

// put pools a connection on which nothing is under way, or closes it.
func (o *Origin) put(c *conn) {
	if c.r < c.w { // nobody asked for these bytes
		c.close()
		return
	}
	if cap(c.buf) > keepSize {
		c.buf = make([]byte, readSize)
	}
	c.since = time.Now()
	if o.name != nil && o.name.fixed == nil && c.since.Sub(c.born) > longestUse {
		c.close()
		return
	}
	o.mu.Lock()
	full := o.closed || len(o.idle) >= o.maxIdle
	if !full {
		o.idle = append(o.idle, c)
		if o.sweep == nil {
			o.sweep = time.AfterFunc(idleExpiry, o.expire)
		} else if len(o.idle) == 1 {
			o.sweep.Reset(idleExpiry)
		}
	}
	o.mu.Unlock()
	if full {
		c.close()
	}
}

// expire closes the connections that were unused for too long, and comes back while there are any.
func (o *Origin) expire() {
	o.mu.Lock()
	n := 0
	for n < len(o.idle) && time.Since(o.idle[n].since) >= idleExpiry {
		n++
	}
	old := append([]*conn(nil), o.idle[:n]...)
	rest := copy(o.idle, o.idle[n:])
	clear(o.idle[rest:])
	if o.idle = o.idle[:rest]; rest > 0 && !o.closed {
		o.sweep.Reset(max(idleExpiry-time.Since(o.idle[0].since), time.Second))
	}
	o.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// connect makes a connection.
func (o *Origin) connect(ctx context.Context, by time.Time) (*conn, error) {
	o.mu.Lock()
	closed := o.closed
	o.mu.Unlock()
	if closed {
		return nil, &Error{Kind: Connect, Err: fmt.Errorf("origin %s: %w", o.label, ErrClosed)}
	}
	dialCtx, cancel := ctx, context.CancelFunc(func() {})
	if limit := o.timeouts.Connect; limit > 0 {
		dialCtx, cancel = context.WithTimeout(ctx, limit)
	} else if !by.IsZero() {
		dialCtx, cancel = context.WithDeadline(ctx, by)
	}
	defer cancel()
	c, err := o.open(dialCtx)
	if errors.Is(err, ErrPeer) { // another process may have taken its place in between
		c, err = o.open(dialCtx)
	}
	if err != nil {
		if by, ok := ctx.Deadline(); ok && !time.Now().Before(by) {
			<-ctx.Done() // a dialer looks at the clock itself, and may be a moment ahead of the context's timer
		}
		if ctx.Err() != nil {
			return nil, cancelled(ctx)
		}
		return nil, &Error{Kind: Connect, Err: fmt.Errorf("origin %s: %w", o.label, err)}
	}
	return c, nil
}

// Dial opens a connection that is not pooled, for another protocol than HTTP. What judges where the origin
// may be, and what encrypts, are the same. The caller closes it.
func (o *Origin) Dial(ctx context.Context) (net.Conn, error) {
	if o.proxy != nil && o.tls == nil {
		return nil, &Error{Kind: Connect, Err: fmt.Errorf("origin %s: its proxy takes requests of HTTP only, where nothing is encrypted", o.label)}
	}
	c, err := o.connect(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	return plainConn{c.Conn, c}, nil
}

// plainConn is a connection that is somebody else's, and counted.
type plainConn struct {
	net.Conn
	c *conn
}

func (p plainConn) Close() error {
	p.c.close()
	return nil
}

func (o *Origin) open(ctx context.Context) (*conn, error) {
	raw, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, born: time.Now(), buf: make([]byte, readSize), open: &o.stats.open}
	c.abort = c.close
	if s, ok := raw.(syscall.Conn); ok {
		if c.sys, err = s.SyscallConn(); err != nil {
			raw.Close()
			return nil, err
		}
	}
	if o.socket != "" && o.peerPID != nil {
		c.peer = o.peerPID()
		if err := checkPeer(c.sys, c.peer); err != nil {
			raw.Close()
			return nil, err
		}
	}
	if o.proxy != nil && o.tls != nil {
		if err := o.tunnel(ctx, c); err != nil {
			raw.Close()
			return nil, err
		}
	}
	if o.tls != nil {
		secure := tls.Client(raw, o.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		c.Conn = secure
	}
	o.stats.dials.Add(1)
	o.stats.open.Add(1)
	return c, nil
}

func tlsConfig(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = []string{"http/1.1"}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	return c
}

// close is safe to call more than once, and beside a read or a write.
func (c *conn) close() {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1) // first: who sees the close sees the number
		c.raw.Close()
	}
}

// alive reports whether an unused connection is still open and silent.
func (c *conn) alive() bool {
	if c.sys == nil {
		return true
	}
	alive := false
	err := c.sys.Read(func(fd uintptr) bool {
		alive = silent(fd)
		return true
	})
	return err == nil && alive
}

// write sends the request. Its head is built in the buffer, which is empty between two calls.
func (c *conn) write(o *Origin, r *Request) error {
	c.r, c.w = 0, 0
	head := r.append(c.buf[:0], o)
	rest := r.Body
	if len(head)+len(rest) <= keepSize && len(r.Held.Holes) == 0 { // one packet where it can be one
		head, rest = append(head, rest...), nil
	}
	c.buf = head[:cap(head)]
	if err := c.send(head, o.timeouts.Write); err != nil {
		return err
	}
	last := 0
	for _, hole := range r.Held.Holes {
		if err := c.sendAll(rest[last:hole.At], o.timeouts.Write); err != nil {
			return err
		}
		last = hole.At
		if err := c.sendHeld(r.Held.File, hole, o.timeouts.Write); err != nil {
			return err
		}
	}
	if err := c.sendAll(rest[last:], o.timeouts.Write); err != nil {
		return err
	}
	return c.readWithin(o.timeouts.FirstByte)
}

func (c *conn) sendAll(b []byte, limit time.Duration) error {
	for len(b) > 0 {
		n := min(len(b), writeStep)
		if err := c.send(b[:n], limit); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sendHeld sends what is in a file.
func (c *conn) sendHeld(file io.ReaderAt, hole Hole, limit time.Duration) error {
	buf := make([]byte, min(hole.Len, writeStep))
	for at, left := hole.Off, hole.Len; left > 0; {
		n, err := file.ReadAt(buf[:min(left, int64(len(buf)))], at)
		if n == 0 {
			return &Error{Kind: Local, Err: fmt.Errorf("the request's file: %w", err)}
		}
		if err := c.send(buf[:n], limit); err != nil {
			return err
		}
		at, left = at+int64(n), left-int64(n)
	}
	return nil
}

func (c *conn) send(b []byte, limit time.Duration) error {
	if err := c.deadline(&c.writeBy, limit, c.Conn.SetWriteDeadline); err != nil {
		return broken(err, false)
	}
	if _, err := c.Conn.Write(b); err != nil {
		return c.failed(err, Write, false)
	}
	return nil
}

// readWithin bounds the reads that follow.
func (c *conn) readWithin(limit time.Duration) error {
	if err := c.deadline(&c.readBy, limit, c.Conn.SetReadDeadline); err != nil {
		return broken(err, false)
	}
	return nil
}

// deadline moves a deadline to limit from now or to the end of the call, whichever is first. One
// that is late by an eighth stays: moving it costs more than a small read.
func (c *conn) deadline(set *time.Time, limit time.Duration, move func(time.Time) error) error {
	var low, high time.Time
	if limit > 0 {
		now := time.Now()
		low, high = now.Add(limit), now.Add(limit+limit/8)
	}
	if !c.by.IsZero() && (limit <= 0 || c.by.Before(high)) {
		high = c.by
		if limit <= 0 || c.by.Before(low) {
			low = c.by
		}
	}
	if set.IsZero() && high.IsZero() || !set.IsZero() && !high.IsZero() && !set.Before(low) && !set.After(high) {
		return nil
	}
	*set = high
	return move(high)
}

// fill reads once, behind what is in the buffer.
func (c *conn) fill(kind Kind, began bool) error {
	if c.r == c.w {
		if c.r, c.w = 0, 0; c.full && len(c.buf) < readLimit {
			c.buf = make([]byte, 2*len(c.buf))
		}
	}
	if c.w == len(c.buf) && c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		grown := make([]byte, min(max(2*len(c.buf), readSize), readLimit+MaxHead))
		c.w = copy(grown, c.buf[c.r:c.w])
		c.r, c.buf = 0, grown
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	if c.full = c.w == len(c.buf); n > 0 {
		return nil // an error stays for the next read
	}
	c.eof = err == io.EOF
	if err == nil {
		err = io.ErrNoProgress
	}
	return c.failed(err, kind, began)
}

// failed sorts an error by whether it is a timeout, of the call or of its part.
func (c *conn) failed(err error, part Kind, began bool) error {
	if !timedOut(err) {
		return broken(err, began)
	}
	if !c.by.IsZero() && !time.Now().Before(c.by) {
		part = Total
	}
	return &Error{Kind: part, Began: began, Err: err}
}
