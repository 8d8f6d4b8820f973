package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// bufferSize is that of a socket's reads and writes, in bytes.
const bufferSize = 8 << 10

// Handshake is what an upstream is asked with.
type Handshake struct {
	Host      string // with a port where it is not the usual one
	Path      string // with the query
	Header    llm.Header
	Protocols []string      // subprotocols, the best first
	Within    time.Duration // for the answer
}

// Answer is what the other side of a connection says to a handshake: a socket, or why there is none.
type Answer struct {
	Status   int
	Header   llm.Header
	Socket   exchange.Socket // nil unless Status is 101
	Protocol string          // the subprotocol that was chosen
	Body     []byte          // of a refusal, its first KiB
}

// Dial makes the handshake on a connection, which is closed unless there is a socket. An error says that there
// was no answer, or none of HTTP.
func Dial(ctx context.Context, conn net.Conn, h Handshake) (*Answer, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	header := make(http.Header, len(h.Header))
	for _, f := range h.Header {
		if !Own(f.Name) {
			header.Add(f.Name, f.Value)
		}
	}
	d := websocket.Dialer{
		NetDialContext:   func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		HandshakeTimeout: h.Within, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, Subprotocols: h.Protocols,
	}
	ws, resp, err := d.DialContext(ctx, "ws://"+h.Host+h.Path, header) // the connection has its TLS
	if err != nil && (resp == nil || !errors.Is(err, websocket.ErrBadHandshake)) {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	a := &Answer{Status: resp.StatusCode}
	for name, values := range resp.Header {
		for _, v := range values {
			a.Header.Add(name, v)
		}
	}
	if err != nil {
		a.Body, _ = io.ReadAll(resp.Body) // what the handshake has read of it
		conn.Close()
		if a.Status == http.StatusSwitchingProtocols {
			return nil, err // to something else
		}
		return a, nil
	}
	a.Socket, a.Protocol = ws, ws.Subprotocol()
	return a, nil
}

// Own reports whether a header field belongs to the handshake, and so to one side of a relay only.
func Own(name string) bool {
	const prefix = "sec-websocket-"
	return len(name) > len(prefix) && llm.EqualFold(name[:len(prefix)], prefix)
}
