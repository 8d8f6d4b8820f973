package server

import (
	"log/slog"
	"runtime/debug"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
)

// socketBuffer is the size of a client's socket's reads and writes, in bytes.
const socketBuffer = 8 << 10

// upgrade answers with the handshake of a WebSocket (RFC 6455), behind which the reply talks with the client.
// Whoever has the key may, from any site: a browser adds none by itself.
func (c *conn) upgrade(rc *fasthttp.RequestCtx, reply *exchange.Reply) {
	u := websocket.FastHTTPUpgrader{
		ReadBufferSize: socketBuffer, WriteBufferSize: socketBuffer,
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
	}
	if err := u.Upgrade(rc, func(ws *websocket.Conn) { c.talk(ws, reply.Talk) }); err != nil {
		c.srv.log.LogAttrs(c.now.ctx, slog.LevelDebug, "no handshake", slog.Any("remote", c.remote), slog.Any("error", err))
		return // it has answered
	}
	c.ahead.stop(c)
	c.early, c.upgraded = c.in.Leave(), make(chan struct{})
}

// talk serves a socket until it ends. fasthttp closes the connection then.
func (c *conn) talk(ws *websocket.Conn, talk func(exchange.Socket)) {
	defer func() {
		if v := recover(); v != nil {
			c.srv.log.Error("panic while talking", "request_id", c.now.id, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	talk(socket{ws, c})
}

// socket is the client's side. fasthttp's own connection cannot be closed under whoever reads.
type socket struct {
	*websocket.Conn
	conn *conn
}

func (s socket) Close() error { return s.conn.raw.Close() }

// readOn reads on behind the handshake: first what came with it.
func (c *conn) readOn(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	if n, err := c.ahead.take(p); n > 0 || err != nil {
		return n, err
	}
	return c.Conn.Read(p)
}
