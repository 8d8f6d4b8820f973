package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

const (
	maxChunkLine = 1 << 10  // of a chunk's first line
	maxExcess    = 16 << 10 // of chunk lines beyond what their data allows for
)

// ErrTooLarge is the error of a body that is more than its reader wants.
var ErrTooLarge = errors.New("the body is too large")

// Body reads an answer's body as it comes. One goroutine at a time uses it.
type Body struct {
	ctx    context.Context // of the call, which lasts as long as the body
	o      *Origin
	c      *conn // nil once the connection was given back or closed
	stop   func() bool
	frame  frame
	keep   bool // the connection may serve another call
	state  chunkState
	left   int64 // of the body or the chunk
	excess int64 // chunk lines and trailers, less what their data allows for
	err    error // what every later Next returns
}

// chunkState is where in a chunked body the reader is (RFC 9112, section 7.1).
type chunkState uint8

const (
	inSize chunkState = iota
	inData
	inDataEnd
	inTrailer
	inNothing
)

// Next appends what has arrived of the body. It waits for one byte, adds what is already there and
// never waits for more. io.EOF, which may come with bytes, is the body's clean end and nothing else;
// any other error is an *Error and comes without bytes.
func (b *Body) Next(dst []byte) ([]byte, error) { return b.NextBy(dst, time.Time{}) }

// NextBy is Next that waits until by at the most; zero is for as long as Next does. Where nothing has come by then, it
// returns neither bytes nor an error, and the body goes on.
func (b *Body) NextBy(dst []byte, by time.Time) ([]byte, error) {
	if b.err != nil {
		return dst, b.err
	}
	for begin := len(dst); ; {
		var err error
		if dst, err = b.take(dst); err != nil {
			b.fail(err)
		} else if b.ended() {
			b.finish()
			return dst, io.EOF
		}
		if len(dst) > begin {
			return dst, nil
		}
		if b.err == nil && b.fill(by) {
			return dst, nil
		}
		if b.err != nil {
			return dst, b.err
		}
	}
}

// Linger is Next behind the end that the reader knows of: it waits for a moment only, and any error but
// io.EOF says no more than that nothing followed.
func (b *Body) Linger(dst []byte) ([]byte, error) {
	if b.c != nil {
		b.c.by = time.Now().Add(closeGrace)
	}
	return b.Next(dst)
}

// All appends the rest of the body, at most max bytes of it; more is an error.
func (b *Body) All(dst []byte, max int) ([]byte, error) {
	for begin := len(dst); ; {
		var err error
		dst, err = b.Next(dst)
		if len(dst)-begin > max {
			err = &Error{Kind: Protocol, Began: true, Err: ErrTooLarge}
			b.fail(err)
			return dst[:begin+max], err
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// Close gives the connection back where the body was read to its end or is about to end: what ends a
// stream for its reader often comes just before what ends it on the wire. Otherwise it closes the
// connection, which cancels the call at the other side. It may be called more than once.
func (b *Body) Close() error {
	if b.c == nil {
		return nil
	}
	var rest [readSize]byte
	if _, err := b.take(rest[:0]); err == nil && !b.ended() && b.last() && b.keep {
		b.c.by = time.Now().Add(closeGrace)
		b.fill(time.Time{})
		if b.c != nil {
			b.take(rest[:0])
		}
	}
	if b.c != nil && b.ended() {
		b.finish()
		return nil
	}
	b.fail(&Error{Kind: Cancelled, Began: true, Err: context.Canceled})
	return nil
}

// ended reports whether nothing of the body is left.
func (b *Body) ended() bool {
	switch b.frame {
	case empty:
		return true
	case byLength:
		return b.left == 0
	case chunked:
		return b.state == inNothing
	}
	return false
}

// last reports whether the next bytes may be the end of a chunked body.
func (b *Body) last() bool { return b.frame == chunked && b.state != inData }

// finish gives the connection back after the body's last byte.
func (b *Body) finish() {
	b.err = io.EOF
	if b.c == nil {
		return
	}
	c := b.c
	b.c = nil
	if b.stop() && b.keep {
		b.o.put(c)
	} else {
		c.close()
	}
}

// fail ends the body with an error; the connection is of no use any more.
func (b *Body) fail(err error) {
	if b.err == nil {
		b.err = err
	}
	if b.c == nil {
		return
	}
	b.stop()
	b.c.close()
	b.c = nil
}

// fill waits for more bytes, until by at the most, and reports whether that is over.
func (b *Body) fill(by time.Time) (over bool) {
	c, end := b.c, b.c.by
	if !by.IsZero() && (end.IsZero() || by.Before(end)) {
		c.by = by
	}
	err := c.readWithin(b.o.timeouts.Idle)
	if err == nil {
		err = c.fill(Idle, true)
	}
	over = err != nil && c.by != end && timedOut(err) && !time.Now().Before(by)
	c.by = end
	var e *Error
	switch {
	case err == nil || over && b.ctx.Err() == nil:
	case b.ctx.Err() != nil:
		b.fail(cancelled(b.ctx))
	case b.frame == untilClose && errors.As(err, &e) && e.Kind == Cut && b.c.eof:
		b.frame = empty
	default:
		b.fail(err)
	}
	return over
}

// take appends the part of the body that is in the connection's buffer.
func (b *Body) take(dst []byte) ([]byte, error) {
	c := b.c
	switch b.frame {
	case untilClose:
		dst = append(dst, c.buf[c.r:c.w]...)
		c.r = c.w
	case byLength:
		n := int(min(int64(c.w-c.r), b.left))
		dst = append(dst, c.buf[c.r:c.r+n]...)
		c.r += n
		b.left -= int64(n)
	case chunked:
		return b.takeChunks(dst)
	}
	return dst, nil
}

func (b *Body) takeChunks(dst []byte) ([]byte, error) {
	c := b.c
	for c.r < c.w && b.state != inNothing {
		if b.state == inData {
			n := int(min(int64(c.w-c.r), b.left))
			dst = append(dst, c.buf[c.r:c.r+n]...)
			c.r += n
			if b.left -= int64(n); b.left == 0 {
				b.state = inDataEnd
			}
			continue
		}
		line, err := b.line()
		if line == nil || err != nil {
			return dst, err
		}
		if b.excess += int64(len(line)); b.excess > maxExcess {
			return dst, protocol("the framing is out of proportion to the body")
		}
		switch b.state {
		case inDataEnd:
			if len(line) > 0 {
				return dst, protocol("a chunk is longer than it says")
			}
			b.state = inSize
		case inSize:
			if !chunkSize(line, &b.left) {
				return dst, protocol("the size of a chunk is malformed")
			}
			b.excess = max(b.excess-16-b.left, 0)
			if b.state = inData; b.left == 0 {
				b.state, b.excess = inTrailer, 0
			}
		case inTrailer:
			if len(line) == 0 {
				b.state = inNothing
			} else if colon := bytes.IndexByte(line, ':'); colon < 1 || !token(string(line[:colon])) || !fieldValue(string(line)) {
				return dst, protocol("a trailer is malformed")
			}
		}
	}
	return dst, nil
}

// line returns the next line of the framing without its end, or nil where it has not come whole.
func (b *Body) line() ([]byte, error) {
	c := b.c
	have := c.buf[c.r:c.w]
	end := bytes.IndexByte(have, '\n')
	if b.state == inDataEnd && have[0] != '\r' {
		return nil, protocol("a chunk is longer than it says")
	}
	if end < 0 && len(have) <= maxChunkLine {
		return nil, nil
	}
	if end < 1 || end > maxChunkLine || have[end-1] != '\r' {
		return nil, protocol("a line of the chunked framing is malformed")
	}
	c.r += end + 1
	return have[: end-1 : end-1], nil
}

// chunkSize reads `1*HEXDIG *( ";" extension )`; what an extension says is nobody's business here.
func chunkSize(line []byte, size *int64) bool {
	n, v := 0, int64(0)
	for ; n < len(line); n++ {
		d, ok := hexDigit(line[n])
		if !ok {
			break
		}
		v = v<<4 | int64(d)
	}
	*size = v
	if n == 0 || n > 15 {
		return false
	}
	return n == len(line) || line[n] == ';' && fieldValue(string(line[n:]))
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
