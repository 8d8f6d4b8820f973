package server

import (
	"encoding/base64"
	"runtime/debug"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server/guard"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/sdk/llm"
)

// An upgrade's connection stays what it was: counted, watched, and under the limits of its listener. It is no longer
// read by way of the guard, which sees to it that nothing came before the answer; one that is refused is closed, so
// that nobody behind or before it can be of another opinion about what follows.

// handshake reports whether a request that asks for a WebSocket does so rightly (RFC 6455, section 4.2.1).
func handshake(h llm.Header) bool {
	if h.Count("sec-websocket-version") != 1 || h.Get("sec-websocket-version") != "13" || h.Count("sec-websocket-key") != 1 {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(h.Get("sec-websocket-key"))
	return err == nil && len(nonce) == 16
}

// refuseHandshake answers a handshake that is none, or one of another version.
func (s *Server) refuseHandshake(rc *fasthttp.RequestCtx) {
	s.refuse(rc, guard.ErrUpgrade)
	rc.Response.Header.Set("Sec-WebSocket-Version", "13")
}

// upgrade has the connection become a WebSocket when the head was written. Compression is not negotiated, and an
// Origin does not count: what lets a client in is its key, which no browser adds by itself.
func (c *conn) upgrade(rc *fasthttp.RequestCtx, session func(exchange.Socket)) bool {
	c.ahead.stop(c)
	u := websocket.FastHTTPUpgrader{
		CheckOrigin:    func(*fasthttp.RequestCtx) bool { return true },
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &c.srv.buffers,
		Error: func(*fasthttp.RequestCtx, int, error) {},
	}
	id := c.now.x.ID
	err := u.Upgrade(rc, func(ws *websocket.Conn) { c.session(ws, id, session) })
	if err != nil {
		c.srv.log.Error("upgrade", "request_id", id, "error", err)
		return false
	}
	c.socket, c.frames = make(chan struct{}), socket.NewFrames()
	return true
}

// session serves the WebSocket of an exchange on a goroutine of fasthttp's, which closes the connection afterwards.
func (c *conn) session(ws *websocket.Conn, id string, serve func(exchange.Socket)) {
	l := &c.srv.set.Load().limits
	side := socket.Accepted(ws, socket.Config{
		Message: l.Body, Idle: l.IdleTimeout, Whole: l.BodyTimeout, Reserve: c.Reserve, Release: c.release, Cut: func() { c.raw.Close() },
	})
	defer func() {
		side.Stop()
		if p := recover(); p != nil {
			c.srv.log.Error("panic in a session", "request_id", id, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	serve(side)
}
