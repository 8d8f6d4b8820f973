package socket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	maxHead    = 64 << 10 // bytes of an answer's head, with those of the interim ones before it
	maxError   = 1 << 20  // of the body of one that refuses
	maxInterim = 8        // answers before the real one
)

// The errors of a handshake: its answer is none, or it ended before it was whole.
var (
	ErrHandshake = errors.New("the answer to the upgrade is not valid")
	ErrBroken    = errors.New("the answer to the upgrade broke off")
)

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
		if err = shake.sorted(err); ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if !shake.stop() {
		c.Cut()
		return nil, context.Cause(ctx)
	}
	if err := shake.over(); err != nil {
		c.Cut()
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
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
// when the library closes it: that reads heads of any size, takes an interim answer for the answer, and gives no more
// than 1 KiB of one that refuses.
type handshake struct {
	net.Conn
	stop    func() bool // forgets the call's context
	seen    []byte      // of the answer and what is behind it
	given   int         // bytes of it that the library has
	total   int         // bytes that came
	interim int         // answers that were passed over
	err     error       // of reading, which a reader of heads may take for one of the head
	frames  *Frames     // of what comes behind the answer
	done    bool
}

func (h *handshake) Read(p []byte) (int, error) {
	if h.done && h.given == len(h.seen) {
		h.seen, h.given = nil, 0
		n, err := h.Conn.Read(p)
		return n, cmp.Or(h.frames.Follow(p[:n]), err)
	}
	if h.given == len(h.seen) {
		if err := h.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, h.seen[h.given:])
	h.given += n
	return n, nil
}

// over is called when the library has read the answer, behind which the frames begin; some may have come.
func (h *handshake) over() error {
	h.done, h.frames = true, NewFrames()
	for line, rest, more := bytes.Cut(h.seen, []byte("\n")); more; line, rest, more = bytes.Cut(rest, []byte("\n")) {
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return h.frames.Follow(rest)
		}
	}
	return nil
}

// more reads on until there is something of an answer that is not interim.
func (h *handshake) more() error {
	buf := make([]byte, 4<<10)
	for ready := false; !ready; {
		n, err := h.Conn.Read(buf)
		h.seen = append(h.seen, buf[:n]...)
		if h.total += n; h.total > maxHead {
			return fmt.Errorf("%w: its head is too large", ErrHandshake)
		}
		if n == 0 && err != nil {
			h.err = err
			return err
		}
		if ready, err = h.final(); err != nil {
			return err
		}
	}
	return nil
}

// final cuts off the interim answers that have come, of which there may be any (RFC 9110, section 15.2), and reports
// whether something of another one has.
func (h *handshake) final() (bool, error) {
	const line, code = "HTTP/1.1 1", len("HTTP/1.1 100")
	for h.given == 0 {
		n := min(len(h.seen), len(line))
		if string(h.seen[:n]) != line[:n] || len(h.seen) >= code && string(h.seen[len(line):code]) == "01" {
			return true, nil
		}
		at := bytes.Index(h.seen, []byte("\r\n\r\n"))
		if at < 0 {
			return false, nil
		}
		if h.interim++; h.interim > maxInterim {
			return false, fmt.Errorf("%w: too many interim answers", ErrHandshake)
		}
		if h.seen = h.seen[at+4:]; len(h.seen) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// sorted tells an answer that is none from one that did not come, or not to its end.
func (h *handshake) sorted(err error) error {
	var network net.Error
	if h.err != nil {
		err = h.err
	}
	switch {
	case h.total == 0 || errors.Is(err, ErrHandshake):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: %w", ErrBroken, err)
	case !errors.As(err, &network) && !errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return err
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
		return nil, h.sorted(err)
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
