// Package socket is WebSocket (RFC 6455): a client's connection after its upgrade, the one that is dialled to an
// upstream, and the relay of messages between the two.
//
// It reads no message and knows no dialect, no route and no address: who is let in, where a session leads and what
// it used is decided in package gateway; where connections may lead, in package egress.
package socket

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
)

const (
	small     = 64 << 10 // a buffer that stays with its connection
	writeStep = 64 << 10 // progress in writing is watched in such steps
	control   = time.Second
)

// The errors of a connection that ends without a close frame.
var (
	ErrTooLarge = errors.New("a message is too large")
	ErrNoRoom   = errors.New("there is no room for a large message")
	ErrIdle     = errors.New("nothing came, not even the answer to a ping")
	ErrLate     = errors.New("a message is not whole in time")
	ErrSlow     = errors.New("a message is not taken in time")
	ErrFrame    = errors.New("a frame is not valid")
	ErrFlood    = errors.New("too many pings, pongs or empty frames")
	ErrOver     = errors.New("the session lasted as long as one may")
)

// Config bounds one side of a session.
type Config struct {
	Message int64         // bytes of a message that is received
	Idle    time.Duration // without a frame, and three pings unanswered; 0 or less = no limit
	Whole   time.Duration // for a message, from its first frame on: it holds room; 0 or less = no limit
	Write   time.Duration // without progress in writing; 0 or less = no limit
	// Reserve reports whether there is room for n more bytes of the message at hand; Release gives all of it
	// back. Both belong to the goroutine that receives, and may be nil.
	Reserve func(n int64) bool
	Release func()
	// Cut closes the connection under whoever reads or writes, from any goroutine.
	Cut func()
}

// Conn is one side of a session. One goroutine receives, one sends; Close and Cut come from any.
type Conn struct {
	Config
	ws     *websocket.Conn
	whole  bool // a message is sent in one frame, and the connection has deadlines of its own
	buf    []byte
	due    time.Time // when the message at hand must be whole; zero = there is none, or no limit
	pinger *time.Timer
	once   sync.Once

	controls, pieces pace // of what is received

	pinging sync.Mutex  // held while a ping is written
	ended   atomic.Bool // no more pings
}

var _ exchange.Socket = (*Conn)(nil)

// Accepted returns the side of a client whose connection was upgraded. It writes under deadlines of its own.
func Accepted(ws *websocket.Conn, c Config) *Conn { return newConn(ws, c, true) }

func newConn(ws *websocket.Conn, c Config, whole bool) *Conn {
	s := &Conn{Config: c, ws: ws, whole: whole, controls: controls, pieces: pieces}
	ws.SetReadLimit(c.Message)
	ws.SetCloseHandler(func(int, string) error { return nil }) // who relays answers it
	ws.SetPingHandler(s.pong)
	ws.SetPongHandler(func(string) error { return cmp.Or(s.flood(), s.await()) })
	if c.Idle > 0 {
		s.pinger = time.AfterFunc(c.Idle/4, s.ping)
	}
	return s
}

// ping asks for a sign of life; what is being written is one, too.
func (c *Conn) ping() {
	c.pinging.Lock()
	defer c.pinging.Unlock()
	if !c.ended.Load() {
		c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(control)) // who is gone is noticed by the reader
		c.pinger.Reset(c.Idle / 4)
	}
}

// pong answers a ping.
func (c *Conn) pong(said string) error {
	if err := c.flood(); err != nil {
		return err
	}
	c.ws.WriteControl(websocket.PongMessage, []byte(said), time.Now().Add(control)) // who is gone is noticed by the reader
	return nil
}

// flood counts a ping or a pong, and returns an error where there are too many.
func (c *Conn) flood() error {
	if c.controls.count(time.Now()) > 0 {
		return ErrFlood
	}
	return nil
}

// await bounds the reads that follow.
func (c *Conn) await() error {
	due := c.due
	if c.Idle > 0 {
		if idle := time.Now().Add(c.Idle); due.IsZero() || idle.Before(due) {
			due = idle
		}
	} else if c.Whole <= 0 {
		return nil
	}
	return c.ws.SetReadDeadline(due)
}

// Receive implements exchange.Socket.
func (c *Conn) Receive() (text bool, message []byte, err error) {
	if cap(c.buf) > small {
		c.buf = nil
		if c.Release != nil {
			c.Release()
		}
	}
	c.due = time.Time{}
	if err := c.await(); err != nil {
		return false, nil, err
	}
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return false, nil, c.said(err)
	}
	if c.Whole > 0 {
		c.due = time.Now().Add(c.Whole)
		if err := c.await(); err != nil {
			return false, nil, err
		}
	}
	c.buf = c.buf[:0]
	for {
		if len(c.buf) == cap(c.buf) && !c.grow() {
			return false, nil, ErrNoRoom
		}
		n, err := r.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if n < few && (err == nil || len(c.buf) == 0) {
			time.Sleep(c.pieces.count(time.Now())) // no more than a step, so that a Cut is noticed
		}
		if err == io.EOF {
			return kind == websocket.TextMessage, c.buf, nil
		}
		if err == nil {
			err = c.await()
		}
		if err != nil {
			return false, nil, c.said(err)
		}
	}
}

// grow makes the buffer larger. What a message claims to be takes no memory; what came of it does.
func (c *Conn) grow() bool {
	size := int(min(max(2*int64(cap(c.buf)), 4<<10), max(c.Message, 4<<10)+1))
	if size > small && c.Reserve != nil && !c.Reserve(int64(size)) {
		return false
	}
	c.buf = append(make([]byte, 0, size), c.buf...)
	return true
}

// said sorts an error of the library.
func (c *Conn) said(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure: // the library's name for it
		return io.ErrUnexpectedEOF
	case errors.As(err, &closed):
		return &exchange.Goodbye{Code: closed.Code, Reason: closed.Text}
	case errors.Is(err, websocket.ErrReadLimit):
		return ErrTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.due.IsZero() && !time.Now().Before(c.due):
		return ErrLate
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	case strings.HasPrefix(err.Error(), "websocket: "): // the library has said 1002
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return err
}

// Send implements exchange.Socket.
func (c *Conn) Send(text bool, message []byte) error {
	kind := websocket.BinaryMessage
	if text {
		kind = websocket.TextMessage
	}
	err := c.send(kind, message)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrSlow
	}
	return err
}

func (c *Conn) send(kind int, message []byte) error {
	if c.whole {
		return c.ws.WriteMessage(kind, message)
	}
	w, err := c.ws.NextWriter(kind)
	if err != nil {
		return err
	}
	for first := true; first || len(message) > 0; first = false {
		if c.Write > 0 {
			c.ws.SetWriteDeadline(time.Now().Add(c.Write))
		}
		n, err := w.Write(message[:min(len(message), writeStep)])
		if err != nil {
			return err
		}
		message = message[n:]
	}
	return w.Close()
}

// Close implements exchange.Socket.
func (c *Conn) Close(code int, reason string) {
	c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, clip(reason)), time.Now().Add(control))
}

// clip shortens a reason to what a close frame holds.
func clip(reason string) string {
	const most = 123
	for len(reason) > most {
		cut := most
		for cut > 0 && reason[cut]&0xC0 == 0x80 {
			cut--
		}
		reason = reason[:cut]
	}
	return reason
}

// Cut implements exchange.Socket.
func (c *Conn) Cut() {
	c.ended.Store(true)
	if c.pinger != nil {
		c.pinger.Stop()
	}
	c.once.Do(c.Config.Cut)
}

// Stop ends the pings and waits for one that is being written, which an open connection does not survive: whose it
// is may do with it what it likes afterwards.
func (c *Conn) Stop() {
	c.ended.Store(true)
	if c.pinger != nil {
		c.pinger.Stop()
	}
	if !c.pinging.TryLock() {
		c.Cut()
		c.pinging.Lock()
	}
	c.pinging.Unlock()
}
