package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/hangup"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
)

// ErrorHeader is the field that marks an answer as an error of the plugin; its value is the
// llm.Code. The status is the code's, Retry-After and retry-after-ms tell when to try again, and the
// body is an error in the shape of the call's dialect, so that it can be passed on as it is.
const ErrorHeader = "ginnel-error"

// OnceHeader is the field that marks a call which is not to be sent a second time. What the host sends of it is not part of
// the call's header.
const OnceHeader = "ginnel-once"

// The limits of a request. The host has limits of its own, which are lower.
const (
	maxHeader = 64 << 10
	maxBody   = 1 << 30
	chunkSize = 4 << 10 // what Recv is offered to append to
)

// acceptPause is how long no connection is accepted when there are too many files.
const acceptPause = 20 * time.Millisecond

// errHungUp is why a call's context ended.
var errHungUp = errors.New("the caller hung up")

// Server answers an Invoker's calls over HTTP/1.1: POST /<dialect>/<op>/<model>, percent-encoded,
// with ?stream=1 for a stream, the call's id in x-request-id and OnceHeader where it is to be sent once. It is safe for concurrent use.
type Server struct {
	invoker Invoker
	http    fasthttp.Server
	watch   *hangup.Watcher // nil where connections cannot be watched

	mu       sync.Mutex // protects what follows
	open     int
	draining bool
	idle     chan struct{} // closed when it drains and nothing is open
}

// NewServer returns a server for an invoker.
func NewServer(i Invoker) (*Server, error) {
	s := &Server{invoker: i, idle: make(chan struct{})}
	if hangup.Supported {
		w, err := hangup.New()
		if err != nil {
			return nil, err
		}
		s.watch = w
	}
	s.http = fasthttp.Server{
		Handler:                       s.handle,
		Logger:                        quiet{},
		ReadBufferSize:                maxHeader,
		MaxRequestBodySize:            maxBody,
		NoDefaultServerHeader:         true,
		NoDefaultDate:                 true,
		NoDefaultContentType:          true,
		DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm:  true,
	}
	return s, nil
}

// Serve accepts connections, from the process peer only unless it is 0, until the server is closed.
func (s *Server) Serve(l net.Listener, peer int) error {
	return s.http.Serve(&listener{Listener: l, watch: s.watch, peer: peer})
}

// Drain refuses new calls and waits until the open ones have ended.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		if s.open == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close closes the listener and the idle connections, and waits for the rest until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.ShutdownWithContext(ctx)
	if s.watch != nil {
		err = errors.Join(err, s.watch.Close())
	}
	return err
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.open++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open--; s.open == 0 && s.draining {
		close(s.idle)
	}
}

// handle answers one request. What it starts is ended by the answer: at once for a unary one, by
// fasthttp's Close for a stream.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	call, err := readCall(ctx)
	if err != nil {
		s.fail(ctx, call, err)
		return
	}
	if !s.enter() {
		ctx.SetConnectionClose()
		s.fail(ctx, call, &llm.Error{Code: llm.CodeUnavailable, Message: "the provider is shutting down"})
		return
	}
	c, cancel := context.WithCancelCause(context.Background())
	a := &answer{server: s, cancel: cancel, conn: ctx.Conn().(*conn), buf: make([]byte, 0, chunkSize)}
	a.conn.watch(cancel)
	resp, err := s.invoke(c, call)
	if err != nil {
		a.Close()
		s.fail(ctx, call, err)
		return
	}
	a.recv = resp.Recv
	err = a.fill()
	if err != nil && err != io.EOF {
		a.Close()
		s.fail(ctx, call, err)
		return
	}
	ctx.SetStatusCode(resp.Status)
	writeHeader(ctx, resp.Header)
	if call.Stream && err == nil {
		ctx.SetBodyStream(a, -1)
		return
	}
	defer a.Close()
	body := append([]byte(nil), a.rest...)
	for err == nil {
		if err = a.fill(); err == nil {
			body = append(body, a.rest...)
		}
	}
	if err != io.EOF {
		ctx.Response.Reset()
		s.fail(ctx, call, err)
		return
	}
	ctx.Response.SetBodyRaw(body)
}

// invoke calls the invoker. A panic fails its own call only.
func (s *Server) invoke(ctx context.Context, call *llm.Call) (resp *llm.Response, err error) {
	defer caught(&err)
	resp, err = s.invoker.Invoke(ctx, call)
	if err == nil && (resp == nil || resp.Recv == nil || resp.Status < 200 || resp.Status > 599) {
		err = errors.New("the invoker returned no answer")
	}
	return resp, err
}

func caught(err *error) {
	if p := recover(); p != nil {
		slog.Error("a call panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = errors.New("panic")
	}
}

// readCall takes a call out of a request and owns all of it: fasthttp's memory must not outlive the
// handler.
func readCall(ctx *fasthttp.RequestCtx) (*llm.Call, error) {
	call := &llm.Call{}
	path, query, _ := strings.Cut(string(ctx.Request.Header.RequestURI()), "?")
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	if !ctx.IsPost() || len(parts) != 3 {
		return call, &llm.Error{Code: llm.CodeNotFound, Message: "calls are POST /<dialect>/<op>/<model>"}
	}
	model, err := url.PathUnescape(parts[2])
	if err != nil {
		return call, &llm.Error{Code: llm.CodeNotFound, Message: "the model's name is not percent-encoded"}
	}
	call.Dialect, call.Op, call.Model = llm.Dialect(parts[0]), llm.Op(parts[1]), model
	if query == streamMark || strings.HasPrefix(query, streamMark+"&") {
		call.Stream, query = true, strings.TrimPrefix(query[len(streamMark):], "&")
	}
	call.Query = query
	for name, value := range ctx.Request.Header.All() {
		switch {
		case framing(string(name)):
		case llm.EqualFold(string(name), OnceHeader):
			call.Once = true
		default:
			call.Header.Add(string(name), string(value))
		}
	}
	call.ID = call.Header.Get("x-request-id")
	call.Body = ctx.Request.SwapBody(nil)
	return call, nil
}

// framing reports whether a field belongs to the connection and not to the call.
func framing(name string) bool {
	for _, f := range [...]string{"connection", "content-length", "transfer-encoding", "keep-alive", "te", "trailer", "upgrade", "host"} {
		if llm.EqualFold(name, f) {
			return true
		}
	}
	return false
}

func writeHeader(ctx *fasthttp.RequestCtx, h llm.Header) {
	for _, f := range h {
		switch {
		case framing(f.Name):
		case llm.EqualFold(f.Name, "content-type"):
			ctx.Response.Header.SetContentType(f.Value)
		default:
			ctx.Response.Header.Add(f.Name, f.Value)
		}
	}
}

// fail answers with an error.
func (s *Server) fail(ctx *fasthttp.RequestCtx, call *llm.Call, err error) {
	var e *llm.Error
	var unanswered *egress.Error
	if errors.As(err, &unanswered) {
		if !errors.Is(err, egress.ErrAddress) { // the transport says it once, and not for each call
			slog.Warn("a call failed", "request_id", call.ID, "error", unanswered)
		}
		e = unanswered.Public()
	} else if !errors.As(err, &e) {
		slog.Error("a call failed", "request_id", call.ID, "error", err)
		e = &llm.Error{Code: llm.CodeUpstream, Message: "the provider could not answer"}
	}
	codec := codecs.Of(call.Dialect)
	if codec == nil {
		codec = codecs.Of(llm.OpenAI)
	}
	ctx.SetStatusCode(e.HTTPStatus())
	ctx.Response.Header.Set(ErrorHeader, string(e.Code))
	ctx.Response.Header.SetContentType("application/json")
	if e.RetryAfter > 0 {
		ctx.Response.Header.Set("retry-after", fmt.Sprint(int64((e.RetryAfter+time.Second-1)/time.Second)))
		ctx.Response.Header.Set("retry-after-ms", fmt.Sprint(e.RetryAfter.Milliseconds()))
	}
	ctx.Response.SetBodyRaw(codec.AppendError(nil, e, call.ID))
}

// answer is the body of a stream as fasthttp reads it. An error of Recv is an error of Read, upon
// which fasthttp closes the connection without the last chunk: the host sees a cut, never an end.
type answer struct {
	server *Server
	conn   *conn
	cancel context.CancelCauseFunc
	recv   func(*llm.Chunk) error
	chunk  llm.Chunk
	buf    []byte
	rest   []byte // received and not read yet
	once   sync.Once
}

var _ io.ReadCloser = (*answer)(nil)

// fill receives the next piece that is not empty.
func (a *answer) fill() (err error) {
	defer caught(&err)
	for {
		a.chunk.Data = a.buf[:0] // never what Recv returned: that may be its own
		if err := a.recv(&a.chunk); err != nil {
			return err
		}
		if a.rest = a.chunk.Data; len(a.rest) > 0 {
			return nil
		}
	}
}

// Read gives what has been received, and waits for more only where there is nothing.
func (a *answer) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if err := a.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the call.
func (a *answer) Close() error {
	a.once.Do(func() {
		a.conn.watch(nil)
		a.cancel(context.Canceled)
		a.server.leave()
	})
	return nil
}

// listener admits the connections of one process and has them watched.
type listener struct {
	net.Listener
	watch *hangup.Watcher
	peer  int
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if passing(err) {
			time.Sleep(acceptPause)
			continue
		}
		if err != nil {
			return nil, err
		}
		if l.peer != 0 {
			if pid, err := plugin.PeerPID(nc); err != nil || pid != l.peer {
				slog.Warn("a connection was refused: it is not the host's", "pid", pid, "error", err)
				nc.Close()
				continue
			}
		}
		c := &conn{Conn: nc, watcher: l.watch}
		if l.watch != nil {
			if c.id, err = l.watch.Add(nc, c); err != nil {
				slog.Warn("a connection is not watched", "error", err)
			}
		}
		return c, nil
	}
}

// passing reports whether connections may be accepted again in a while: the process has too many files open, which its
// calls give back, or who connected is gone.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

// conn is a connection with the call that is open on it.
type conn struct {
	net.Conn
	watcher *hangup.Watcher
	id      uint64

	mu     sync.Mutex // protects what follows
	cancel context.CancelCauseFunc
	gone   bool
}

var _ hangup.Peer = (*conn)(nil)

// watch has cancel called when the peer leaves; nil = no call is open.
func (c *conn) watch(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	c.cancel = cancel
	gone := c.gone
	c.mu.Unlock()
	if gone && cancel != nil {
		cancel(errHungUp)
	}
}

// HungUp ends the open call.
func (c *conn) HungUp() {
	c.mu.Lock()
	c.gone = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(errHungUp)
	}
}

// Close has the watcher forget the connection first.
func (c *conn) Close() error {
	if c.watcher != nil && c.id != 0 {
		c.watcher.Remove(c.id)
	}
	return c.Conn.Close()
}

// quiet keeps fasthttp's own log lines, which come with every broken connection, off the log.
type quiet struct{}

func (quiet) Printf(format string, args ...any) {
	if !bytes.Contains([]byte(format), []byte("error when serving connection")) {
		slog.Debug(fmt.Sprintf(format, args...))
	}
}
