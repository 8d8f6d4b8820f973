package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
)

func TestLimits(t *testing.T) {
	noLeak(t)
	post := "POST / HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct {
		send   string
		status int
		code   string
	}{
		"slow head":            {"GET / HTTP/1.1\r\nHost: a", 408, "header_timeout"},
		"slow body":            {post + "Content-Length: 10\r\n\r\nhi", 408, "body_timeout"},
		"slow chunked body":    {post + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 408, "body_timeout"},
		"large head":           {post + "X: " + strings.Repeat("y", 5000) + "\r\n\r\n", 431, "header_too_large"},
		"large head, no end":   {post + "X: " + strings.Repeat("y", 50000), 431, "header_too_large"},
		"many fields":          {post + strings.Repeat("X: y\r\n", 200) + "\r\n", 431, "header_too_large"},
		"large body":           {post + "Content-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001), 413, "body_too_large"},
		"large chunked body":   {post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n", 413, "body_too_large"},
		"large expected body":  {post + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 413, "body_too_large"},
		"an unknown method":    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"},
		"another expectation":  {post + "Expect: tea\r\nContent-Length: 1\r\n\r\n", 417, "bad_expectation"},
		"a broken chunk":       {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_framing"},
		"the same, kept alive": {post + "Content-Length: 2\r\n\r\nhi" + post + "Content-Length: nine\r\n\r\n", 400, "bad_framing"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(nil)
			s := start(t, h, func(c *server.Config) {
				c.Limits = server.Limits{Header: 4096, Body: 1000, HeaderTimeout: 50 * time.Millisecond, BodyTimeout: 50 * time.Millisecond}
			})
			conn := dial(t, s)
			go io.WriteString(conn, c.send) // the server may stop reading before the end
			br := bufio.NewReader(conn)
			r, body := response(t, br)
			if r.StatusCode == 200 {
				r, body = response(t, br)
			}
			if r.StatusCode != c.status || !strings.Contains(body, `"code":"`+c.code+`"`) || !strings.HasPrefix(body, `{"error":{"message":"`) || !strings.Contains(body, `"param":null`) {
				t.Errorf("%d %s", r.StatusCode, body)
			}
			if id := r.Header.Get("X-Request-Id"); !strings.Contains(body, `"request_id":"`+id+`"`) {
				t.Errorf("the body does not name request %s: %s", id, body)
			}
			if !r.Close || len(r.Header.Get("X-Request-Id")) != 30 || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("header %v, close %v", r.Header, r.Close)
			}
			if _, err := br.ReadByte(); err != io.EOF {
				t.Errorf("after the refusal: %v", err)
			}
		})
	}
}

// TestRefusalSurvivesAnUpload holds that a client which is still sending gets to read why it was
// refused.
func TestRefusalSurvivesAnUpload(t *testing.T) {
	noLeak(t)
	s := start(t, newHandler(nil), func(c *server.Config) { c.Limits.Body, c.Limits.Linger = 1000, patience })
	c := dial(t, s)
	sent := make(chan error, 1)
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n")
	go func() {
		_, err := c.Write(make([]byte, 8<<20))
		sent <- err
	}()
	if err := <-sent; err != nil {
		t.Fatalf("upload was cut: %v", err)
	}
	if r, _ := response(t, bufio.NewReader(c)); r.StatusCode != 413 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestSlowButSteadyClientIsServed(t *testing.T) {
	h := newHandler(nil)
	s := start(t, h, nil)
	c := dial(t, s)
	for _, b := range []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n") {
		send(t, c, string(b))
	}
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	if line, err := br.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	send(t, c, "hi")
	if r, body := response(t, br); r.StatusCode != 200 || body != "ok" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
}

func TestIdleConnectionIsClosedSilently(t *testing.T) {
	noLeak(t)
	s := start(t, newHandler(nil), func(c *server.Config) { c.Limits.IdleTimeout = 50 * time.Millisecond })
	if all, err := io.ReadAll(dial(t, s)); err != nil || len(all) != 0 {
		t.Errorf("%q %v", all, err)
	}
}

func TestTooManyExchangesAreShed(t *testing.T) {
	noLeak(t)
	hold, in := make(chan struct{}), make(chan struct{}, 2)
	h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
		in <- struct{}{}
		<-hold
		return &exchange.Reply{Status: 200, Body: []byte("ok")}
	})
	s := start(t, h, func(c *server.Config) { c.Limits.Exchanges, c.Limits.RetryAfter = 1, 1500*time.Millisecond })
	const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	first, second := dial(t, s), dial(t, s)
	send(t, first, request)
	<-in
	br := bufio.NewReader(second)
	send(t, second, request)
	r, body := response(t, br)
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "2" || !strings.Contains(body, `"type":"server_error"`) || r.Close {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
	}
	close(hold)
	if r, _ := response(t, bufio.NewReader(first)); r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
	h.end(t, exchange.Completed)
	send(t, second, request) // the connection that was told to wait is still good
	if r, _ := response(t, br); r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
	if got := s.Stats(); got.Shed != 1 || got.Served != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestBodiesTogetherAreBounded(t *testing.T) {
	noLeak(t)
	s := start(t, newHandler(nil), func(c *server.Config) { c.Limits.Bodies = 1000 })
	claim := func() (*net.TCPConn, chan bool) { // of all, which takes no room as long as nothing is sent
		c := dial(t, s)
		br := bufio.NewReader(c)
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
		if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		closed := make(chan bool)
		go func() {
			io.Copy(io.Discard, br)
			close(closed)
		}()
		return c, closed
	}
	claims, refused := claim()
	post := func(framed string) (*http.Response, string) {
		late := dial(t, s)
		send(t, late, "POST / HTTP/1.1\r\nHost: a\r\n"+framed)
		br := bufio.NewReader(late)
		r, body := response(t, br)
		settle(late, br)
		return r, body
	}
	if r, _ := post("Content-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000)); r.StatusCode != 200 {
		t.Fatalf("status %d", r.StatusCode)
	}
	send(t, claims, "x") // now it takes all
	taken := func() bool {
		r, _ := post("Content-Length: 101\r\n\r\n" + strings.Repeat("x", 101))
		return r.StatusCode == 503
	}
	for begin := time.Now(); !taken(); {
		if time.Since(begin) > patience {
			t.Fatal("it takes no room")
		}
		select {
		case <-refused: // it came when somebody had a bit of the room
			claims, refused = claim()
			send(t, claims, "x")
		default:
		}
	}
	for _, framing := range []string{"Content-Length: 101\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n65\r\nx"} {
		r, body := post(framing)
		if r.StatusCode != 503 || r.Header.Get("Retry-After") != "1" || !strings.Contains(body, `"code":"overloaded"`) {
			t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
		}
	}
	claims.Close()
	for begin := time.Now(); taken(); {
		if time.Since(begin) > patience {
			t.Fatal("it keeps its room")
		}
	}
	c := dial(t, s)
	br := bufio.NewReader(c)
	for range 30 { // what was reserved is given back each time
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100))
		if r, _ := response(t, br); r.StatusCode != 200 {
			t.Fatalf("status %d", r.StatusCode)
		}
	}
}

func TestTooManyConnectionsAreClosed(t *testing.T) {
	s := start(t, newHandler(nil), func(c *server.Config) { c.Limits.Connections = 1 })
	first := dial(t, s)
	send(t, first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	response(t, bufio.NewReader(first))
	if all, err := io.ReadAll(dial(t, s)); len(all) != 0 {
		t.Errorf("%q %v", all, err)
	}
}

// deadlines records the write deadlines that the server sets, and sets none.
type deadlines struct {
	net.Listener
	last atomic.Int64
}

func (l *deadlines) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return deadlineConn{c, l}, err
}

type deadlineConn struct {
	net.Conn
	of *deadlines
}

func (c deadlineConn) SetWriteDeadline(at time.Time) error {
	c.of.last.Store(at.UnixNano())
	return nil
}

// TestWriteDeadlineIsEachWritesOwn holds that a stream may last longer than the write limit.
func TestWriteDeadlineIsEachWritesOwn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deadlines{Listener: ln}
	const n = 4
	events := make(chan string)
	h := newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply { return sse(&chanStream{ctx, events}) })
	s := start(t, h, func(c *server.Config) { c.Listener, c.Limits.WriteTimeout = d, 20*time.Millisecond })
	c := dial(t, s)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	br := bufio.NewReader(c)
	for i := range n {
		events <- "data: x\n\n"
		if i == 0 {
			r, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			br = bufio.NewReader(r.Body)
		}
		if _, err := io.ReadFull(br, make([]byte, len("data: x\n\n"))); err != nil {
			t.Fatal(err)
		}
		at := d.last.Load()
		for time.Now().UnixNano() <= at { // until the deadline has passed
			time.Sleep(time.Millisecond)
		}
		if i > 0 && at <= 0 {
			t.Fatal("no deadline")
		}
		if !d.last.CompareAndSwap(at, 0) {
			t.Fatal("a deadline was set without a write")
		}
	}
	close(events)
	h.end(t, exchange.Completed)
}
