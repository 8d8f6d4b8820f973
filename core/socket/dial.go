package socket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	maxHead  = 64 << 10 // bytes of an answer's head
	maxError = 1 << 20  // of the body of one that refuses
)

// ErrHandshake is the error of a handshake whose answer is none.
var ErrHandshake = errors.New("the answer to the upgrade is not valid")

// Call is a request for an upgrade. Its path and header were checked by who made it.
type Call struct {
	Host      string
	Path      string // with the query
	Header    llm.Header
	Protocols []string
	Timeout   time.Duration // for the whole handshake; 0 or less = no limit
	Dial      func(context.Context) (net.Conn, error)
}

// Answer is what an upstream said to a Call: Conn is nil where it refused, and Body is then what it said.
type Answer struct {
	Status   int
	Header   llm.Header
	Body     []byte
	Conn     *Conn
	Protocol string // that it chose, or ""
}

// buffers are for what is written to upstreams: none is held between two messages.
var buffers sync.Pool

// Dial asks an upstream for a session. Compression is not offered.
func Dial(ctx context.Context, call *Call, c Config) (*Answer, error) {
	shake := &handshake{}
	d := websocket.Dialer{
		NetDialContext: func(limited context.Context, _, _ string) (net.Conn, error) {
			raw, err := call.Dial(limited)
			if err != nil {
				return nil, err
			}
			shake.Conn, shake.stop = raw, context.AfterFunc(ctx, func() { raw.Close() })
			return shake, nil
		},
		HandshakeTimeout: max(call.Timeout, 0),
		ReadBufferSize:   4 << 10, WriteBufferSize: writeStep, WriteBufferPool: &buffers,
		Subprotocols: call.Protocols,
	}
	header := make(http.Header, len(call.Header))
	for _, f := range call.Header {
		header.Add(f.Name, f.Value)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "") // else the library's own is said
	}
	ws, resp, err := d.DialContext(ctx, "ws://"+call.Host+call.Path, header)
	if shake.Conn == nil {
		return nil, err
	}
	c.Cut = func() { shake.Conn.Close() }
	if err != nil {
		defer c.Cut()
		defer shake.stop()
		if errors.Is(err, websocket.ErrBadHandshake) {
			if resp.StatusCode != http.StatusSwitchingProtocols {
				return shake.refused()
			}
			err = ErrHandshake
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if !shake.stop() {
		c.Cut()
		return nil, context.Cause(ctx)
	}
	shake.seen, shake.done = nil, true
	if len(resp.Header["Sec-Websocket-Extensions"]) > 0 { // the library would compress, and its limits are of what is compressed
		c.Cut()
		return nil, fmt.Errorf("%w: it has an extension that was not offered", ErrHandshake)
	}
	if p := ws.Subprotocol(); p != "" && !slices.Contains(call.Protocols, p) {
		c.Cut()
		return nil, fmt.Errorf("%w: its subprotocol was not offered", ErrHandshake)
	}
	return &Answer{Status: resp.StatusCode, Header: fields(resp.Header), Conn: newConn(ws, c, false), Protocol: ws.Subprotocol()}, nil
}

// handshake is an upstream's connection. Until the answer to the upgrade is there it keeps what came and stays open
// when the library closes it: that reads heads of any size, and gives no more than 1 KiB of an answer that refuses.
type handshake struct {
	net.Conn
	stop func() bool // forgets the call's context
	seen []byte
	done bool
}

func (h *handshake) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if !h.done {
		if h.seen = append(h.seen, p[:n]...); len(h.seen) > maxHead {
			return 0, fmt.Errorf("%w: its head is too large", ErrHandshake)
		}
	}
	return n, err
}

func (h *handshake) Close() error {
	if !h.done {
		return nil
	}
	return h.Conn.Close()
}

// refused reads an answer that is no upgrade once more, and whole.
func (h *handshake) refused() (*Answer, error) {
	seen := h.seen
	h.done = true
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(seen), h.Conn)), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError+1))
	switch {
	case len(body) > maxError:
		return nil, fmt.Errorf("%w: %w", ErrHandshake, ErrTooLarge)
	case err != nil:
		return nil, err
	}
	return &Answer{Status: resp.StatusCode, Header: fields(resp.Header), Body: body}, nil
}

// fields returns a header in the gateway's form, in the order of the names.
func fields(h http.Header) (out llm.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			out.Add(name, value)
		}
	}
	return out
}
