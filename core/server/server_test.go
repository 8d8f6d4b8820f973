package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/cert"
	"github.com/ginnel/ginnel/sdk/hangup"
	"github.com/ginnel/ginnel/sdk/llm"
)

// patience bounds every wait: machines stall.
const patience = 30 * time.Second

// handler serves exchanges with a function and counts them.
type handler struct {
	mu    sync.Mutex
	count int
	paths []string
	ends  chan exchange.Terminal
	serve func(ctx context.Context, x *exchange.Exchange) *exchange.Reply
}

func newHandler(serve func(context.Context, *exchange.Exchange) *exchange.Reply) *handler {
	return &handler{serve: serve, ends: make(chan exchange.Terminal, 1<<12)}
}

func (h *handler) Serve(ctx context.Context, x *exchange.Exchange) *exchange.Reply {
	h.mu.Lock()
	h.count++
	h.paths = append(h.paths, x.Method+" "+x.Path)
	h.mu.Unlock()
	r := &exchange.Reply{Status: 200, Body: []byte("ok")}
	var e *llm.Error
	switch {
	case h.serve != nil:
		r = h.serve(ctx, x)
	case x.Receive != nil && errors.As(x.Receive(), &e):
		r = &exchange.Reply{Status: e.Status, Body: []byte(e.Message)}
	}
	once := false
	r.Done = func(t exchange.Terminal) {
		if once {
			panic("done twice")
		}
		once = true
		h.ends <- t
	}
	return r
}

func (h *handler) seen() (int, []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count, append([]string(nil), h.paths...)
}

// end waits for the end of one exchange.
func (h *handler) end(t *testing.T, want exchange.Terminal) {
	t.Helper()
	select {
	case got := <-h.ends:
		if got != want {
			t.Errorf("ended as %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the exchange did not end, want %s", want)
	}
}

var (
	quietLog = slog.New(slog.DiscardHandler)
	watchers = sync.OnceValue(func() *hangup.Watcher {
		w, err := hangup.New()
		if err != nil {
			panic(err)
		}
		return w
	})
)

// start listens on the loopback interface and drains at the end of the test.
func start(t testing.TB, h exchange.Handler, change func(*server.Config)) *server.Server {
	t.Helper()
	c := server.Config{Name: "test", Address: "127.0.0.1:0", Handler: h, Watcher: watchers(), Logger: quietLog}
	if change != nil {
		change(&c)
	}
	s, err := server.Listen(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Drain(ctx)
	})
	return s
}

// noLeak fails the test if goroutines of this module are left at its end.
func noLeak(t *testing.T) {
	t.Helper()
	watchers()
	t.Cleanup(func() {
		var stacks []byte
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			buf := make([]byte, 1<<20)
			stacks = buf[:runtime.Stack(buf, true)]
			if bytes.Count(stacks, []byte("core/server.(*")) == 0 {
				return
			}
		}
		t.Errorf("goroutines are left:\n%s", stacks)
	})
}

func dial(t testing.TB, s *server.Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func send(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func response(t testing.TB, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// settle ends a connection and waits until the server has closed it. What a request takes is given back when its answer
// is written, which is a moment after somebody may have read that.
func settle(c *net.TCPConn, br *bufio.Reader) {
	c.CloseWrite()
	io.Copy(io.Discard, br)
}

func TestUnary(t *testing.T) {
	noLeak(t)
	var got *exchange.Exchange
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		got = x
		return &exchange.Reply{
			Status: 201,
			Header: llm.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "Server", Value: "secret"}, {Name: "Connection", Value: "close"},
				{Name: "X-Bad", Value: "a\r\nX-Evil: 1"}, {Name: "X-Twice", Value: "1"}, {Name: "X-Twice", Value: "2"}, {Name: "Transfer-Encoding", Value: "gzip"}},
			Body: []byte(`{"a":1}`),
		}
	})
	s := start(t, h, nil)
	c := dial(t, s)
	br := bufio.NewReader(c)
	for range 3 {
		send(t, c, "POST /v1/x?a=b HTTP/1.1\r\nHost: GW.Example.:8080\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1\r\nKeep-Alive: 3\r\nX-Own: yes\r\n"+
			"Connection: x-named\r\nX-Named: hop\r\nContent-Length: 5\r\n\r\nhello")
		r, body := response(t, br)
		if r.StatusCode != 201 || body != `{"a":1}` || r.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%d %v %q", r.StatusCode, r.Header, body)
		}
		if r.Header.Get("Server") != "" || r.Header.Get("X-Evil") != "" || r.Close || len(r.Header["X-Twice"]) != 2 {
			t.Errorf("header %v, close %v", r.Header, r.Close)
		}
		h.end(t, exchange.Completed)
		if r.Header.Get("X-Request-Id") != got.ID || len(got.ID) != 30 {
			t.Errorf("request id %q, the exchange's %q", r.Header.Get("X-Request-Id"), got.ID)
		}
		if got.Host != "gw.example" || got.Path != "/v1/x" || got.Query != "a=b" || string(got.Request.Body.Raw()) != "hello" || got.TLS || !got.Remote.IsValid() {
			t.Errorf("exchange %+v", got)
		}
		if want := (llm.Header{{Name: "X-Own", Value: "yes"}}); len(got.Request.Header) != 1 || got.Request.Header[0] != want[0] {
			t.Errorf("header of the exchange: %v", got.Request.Header)
		}
	}
}

// chanStream yields what is sent to it, and coalesces what is already there.
type chanStream struct {
	ctx    context.Context
	events chan string
}

func (s *chanStream) Next(dst []byte) ([]byte, error) {
	select {
	case <-s.ctx.Done():
		return append(dst, "data: error "+context.Cause(s.ctx).Error()+"\n\n"...), io.EOF
	case e, ok := <-s.events:
		if !ok {
			return dst, io.EOF
		}
		dst = append(dst, e...)
	}
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				return dst, nil
			}
			dst = append(dst, e...)
		default:
			return dst, nil
		}
	}
}

func sse(s exchange.Stream) *exchange.Reply {
	return &exchange.Reply{Status: 200, Header: llm.Header{{Name: "Content-Type", Value: "text/event-stream"}}, Stream: s}
}

func TestStreamFlushesEachEvent(t *testing.T) {
	noLeak(t)
	events := make(chan string)
	h := newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply {
		return sse(&chanStream{ctx, events})
	})
	s := start(t, h, nil)
	c := dial(t, s)
	br := bufio.NewReader(c)
	for range 2 { // the connection survives a stream that ended cleanly
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		events <- "data: first\n\n"
		r, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Header.Get("Content-Type") != "text/event-stream" || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("header %v", r.Header)
		}
		body := bufio.NewReader(r.Body)
		expect := func(want string) {
			t.Helper()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
				t.Fatalf("%.80q, %v, want %.80q", got, err, want)
			}
		}
		expect("data: first\n\n")
		events <- "data: second\n\n" // is sent only after the first one arrived
		expect("data: second\n\n")
		large := "data: " + strings.Repeat("x", 50<<10) + "\n\n"
		events <- large
		expect(large)
		close(events)
		if rest, err := io.ReadAll(body); err != nil || len(rest) != 0 {
			t.Fatalf("%q %v", rest, err)
		}
		h.end(t, exchange.Completed)
		events = make(chan string)
	}
}

func TestStreamForHTTP10IsGathered(t *testing.T) {
	h := newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply {
		events := make(chan string, 2)
		events <- "data: 1\n\n"
		events <- "data: 2\n\n"
		close(events)
		return sse(&chanStream{ctx, events})
	})
	s := start(t, h, nil)
	c := dial(t, s)
	send(t, c, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(all), "\r\n\r\ndata: 1\n\ndata: 2\n\n") || strings.Contains(string(all), "chunked") {
		t.Fatalf("%q %v", all, err)
	}
	h.end(t, exchange.Completed)
}

func TestPanicIsAnError(t *testing.T) {
	noLeak(t)
	h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply { panic("on purpose") })
	s := start(t, h, nil)
	c := dial(t, s)
	br := bufio.NewReader(c)
	for range 2 {
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if r, body := response(t, br); r.StatusCode != 500 || !strings.Contains(body, `"code":"internal"`) {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
	}
	if n := s.Stats().Exchanges; n != 0 {
		// The answer is on the wire a moment before the exchange ends.
		for end := time.Now().Add(patience); s.Stats().Exchanges != 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%d exchanges are live", n)
			}
		}
	}
}

func TestInternalTLS(t *testing.T) {
	noLeak(t)
	dir := t.TempDir()
	h := newHandler(nil)
	ca := filepath.Join(dir, "ca.pem")
	s := start(t, h, func(c *server.Config) {
		c.TLS = cert.Config{Mode: cert.Internal, Storage: &certmagic.FileStorage{Path: dir}, CAFile: ca}
	})
	root, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		t.Fatal("no root in ca.pem")
	}
	_, port, _ := net.SplitHostPort(s.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost"} { // the first sends no SNI
		client := &http.Client{Timeout: patience, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}}, DisableKeepAlives: true,
		}}
		r, err := client.Get("https://" + host + ":" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 || r.Proto != "HTTP/1.1" || r.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s: %d %s %x", host, r.StatusCode, r.Proto, r.TLS.Version)
		}
		h.end(t, exchange.Completed)
	}
	if _, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}
