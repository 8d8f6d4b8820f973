package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestStrangersBodiesAreNotReceived: nobody is told to go on with a body, and none that is long takes room, before the
// handler wants it.
func TestStrangersBodiesAreNotReceived(t *testing.T) {
	noLeak(t)
	known := func(x *exchange.Exchange) bool { return x.Path == "/known" }
	held, let := make(chan bool), make(chan bool)
	h := newHandler(func(ctx context.Context, x *exchange.Exchange) *exchange.Reply {
		if !known(x) {
			held <- x.Receive != nil
			select {
			case <-let:
			case <-ctx.Done():
			}
			return &exchange.Reply{Status: 401, Body: []byte("who?")}
		}
		var e *llm.Error
		if x.Receive != nil && errors.As(x.Receive(), &e) {
			return &exchange.Reply{Status: e.Status}
		}
		return &exchange.Reply{Status: 200, Body: fmt.Append(nil, len(x.Request.Body.Raw()))}
	})
	const room = 200 << 10
	s := start(t, h, func(c *server.Config) { c.Limits.Bodies = room })
	var strangers []*bufio.Reader
	for _, body := range []string{
		"Content-Length: 150000\r\n\r\n" + strings.Repeat("x", 149_999),
		"Content-Length: 150000\r\n\r\n" + strings.Repeat("x", 149_999),
		"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
		"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n" + strings.TrimSuffix(chunks(strings.Repeat("x", 150_000), 999), "0\r\n\r\n"),
	} {
		c := dial(t, s)
		strangers = append(strangers, bufio.NewReader(c))
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		if !<-held {
			t.Error("a body was received that nobody has asked for")
		}
	}
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 130_000} { // half of the room, and more
		c := dial(t, s)
		br := bufio.NewReader(c)
		text := strings.Repeat("y", size)
		for _, body := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, text), "Transfer-Encoding: chunked\r\n\r\n" + chunks(text, 7000)} {
			send(t, c, "POST /known HTTP/1.1\r\nHost: a\r\n"+body)
			if r, got := response(t, br); r.StatusCode != 200 || got != fmt.Sprint(size) {
				t.Errorf("%d bytes: %d %s", size, r.StatusCode, got)
			}
		}
		settle(c, br)
		if size == 0 {
			continue
		}
		asks := dial(t, s)
		answer := bufio.NewReader(asks)
		send(t, asks, fmt.Sprintf("POST /known HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size))
		if line, err := answer.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		answer.ReadString('\n')
		send(t, asks, text)
		if r, got := response(t, answer); r.StatusCode != 200 || got != fmt.Sprint(size) {
			t.Errorf("asked for %d bytes: %d %s", size, r.StatusCode, got)
		}
		settle(asks, answer)
	}
	for range strangers {
		let <- true
	}
	for i, br := range strangers {
		if r, err := http.ReadResponse(br, nil); err != nil || r.StatusCode != 401 || !r.Close {
			t.Errorf("stranger %d: %+v %v", i, r, err)
		}
	}
}

// TestABodyThatHasComeIsNotAskedFor: who does not wait for 100 Continue gets none.
func TestABodyThatHasComeIsNotAskedFor(t *testing.T) {
	s := start(t, newHandler(nil), nil)
	c := dial(t, s)
	br := bufio.NewReader(c)
	for range 2 {
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
		if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		for line := "x"; line != "\r\n"; {
			line, _ = br.ReadString('\n')
		}
		br.Discard(2)
	}
}

// TestClientsLeaveLateBodies: who goes away while its body is received, or behind it, is missed.
func TestClientsLeaveLateBodies(t *testing.T) {
	noLeak(t)
	certs := &certmagic.FileStorage{Path: t.TempDir()}
	for _, sent := range []int{1, 100_000} { // of so many
		for _, l := range leaves() {
			if l.kind != "unary" || l.pipelined {
				continue
			}
			t.Run(fmt.Sprint(l, "/", sent), func(t *testing.T) {
				begun := make(chan error, 1)
				h := newHandler(func(ctx context.Context, x *exchange.Exchange) *exchange.Reply {
					if sent == 1 {
						begun <- nil
					}
					err := x.Receive()
					if sent > 1 {
						begun <- err
					}
					<-ctx.Done()
					return &exchange.Reply{Status: 499}
				})
				s := start(t, h, func(c *server.Config) { l.change(t, c, certs) })
				raw := dial(t, s)
				c := net.Conn(raw)
				if l.tls {
					c = tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who the server is does not matter here
				}
				send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", sent))
				if err := <-begun; err != nil {
					t.Fatal(err)
				}
				if l.how == "rst" {
					raw.SetLinger(0)
					raw.Close()
				} else {
					c.Close()
				}
				h.end(t, exchange.ClientCancelled)
			})
		}
	}
}

// TestDrainEndsLateBodies: what is left of the drain is the limit for a body that is being received, too.
func TestDrainEndsLateBodies(t *testing.T) {
	noLeak(t)
	begun := make(chan bool, 1)
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		begun <- true
		var e *llm.Error
		if !errors.As(x.Receive(), &e) {
			t.Error("received")
		}
		return &exchange.Reply{Status: e.Status, Body: []byte(e.Message)}
	})
	s := start(t, h, nil)
	c := dial(t, s)
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	go s.Drain(ctx)
	if r, body := response(t, bufio.NewReader(c)); r.StatusCode != 503 || !r.Close {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	c.Close()
	h.end(t, exchange.Drained)
}

// TestSlowBodiesTakeNoPlaces: a body that is being received does not count among what is served at once, and what is
// served does when it has come.
func TestSlowBodiesTakeNoPlaces(t *testing.T) {
	noLeak(t)
	slow, held, let := make(chan bool), make(chan bool), make(chan bool)
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Path == "/slow" {
			slow <- true
			var e *llm.Error
			if errors.As(x.Receive(), &e) {
				return &exchange.Reply{Status: e.Status, Body: []byte(e.Message)}
			}
			return &exchange.Reply{Status: 200}
		}
		held <- true
		<-let
		return &exchange.Reply{Status: 200}
	})
	s := start(t, h, func(c *server.Config) { c.Limits.Exchanges = 1 })
	come := func(what chan bool) {
		t.Helper()
		select {
		case <-what:
		case <-time.After(patience):
			t.Fatal("not served beside bodies that do not come")
		}
	}
	idle := func() {
		for end := time.Now().Add(patience); s.Stats().Exchanges > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	begin := func() (net.Conn, *bufio.Reader) {
		c := dial(t, s)
		send(t, c, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
		come(slow)
		idle()
		return c, bufio.NewReader(c)
	}
	first, answer := begin()
	begin()
	quick := dial(t, s)
	send(t, quick, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	come(held)
	send(t, first, strings.Repeat("x", 99_999))
	if r, body := response(t, answer); r.StatusCode != 503 || r.Close {
		t.Errorf("one too many: %d %s, closes %v", r.StatusCode, body, r.Close)
	}
	let <- true
	if r, _ := response(t, bufio.NewReader(quick)); r.StatusCode != 200 {
		t.Errorf("the quick one: %d", r.StatusCode)
	}
	idle()
	send(t, first, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
	come(slow)
	if r, body := response(t, answer); r.StatusCode != 200 {
		t.Errorf("when there is a place: %d %s", r.StatusCode, body)
	}
	if st := s.Stats(); st.Shed != 1 {
		t.Errorf("%+v", st)
	}
}

// TestStrangersShareLittleRoom: short bodies of callers that nobody knows yet have an eighth of the room, and no more.
// Behind that a caller is asked first who it is, so that those who are known are served.
func TestStrangersShareLittleRoom(t *testing.T) {
	noLeak(t)
	const room, places, callers = 1 << 20, 2, 20
	early, let := make(chan bool, callers), make(chan bool)
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Path == "/" {
			return &exchange.Reply{Status: 401, Body: []byte("who?")}
		}
		early <- x.Receive == nil
		x.Admitted()
		if x.Path == "/waits" {
			<-let
		}
		var e *llm.Error
		if x.Receive != nil && errors.As(x.Receive(), &e) {
			return &exchange.Reply{Status: e.Status}
		}
		return &exchange.Reply{Status: 200, Body: fmt.Append(nil, len(x.Request.Body.Raw()))}
	})
	s := start(t, h, func(c *server.Config) { c.Limits.Bodies = room })
	refused := make(chan int, callers)
	var strangers []net.Conn
	for i := range callers {
		c := dial(t, s)
		strangers = append(strangers, c)
		body := "Content-Length: 60000\r\n\r\n" + strings.Repeat("x", 59_999)
		if i%2 == 0 {
			body = "Transfer-Encoding: chunked\r\n\r\n" + strings.TrimSuffix(chunks(strings.Repeat("x", 60_000), 999), "0\r\n\r\n")
		}
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		go func() {
			if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				refused <- r.StatusCode
			}
		}()
	}
	for range callers - places {
		if status := <-refused; status != 401 {
			t.Fatalf("a stranger is answered %d", status)
		}
	}
	c := dial(t, s)
	br := bufio.NewReader(c)
	for _, size := range []int{1, 60_000, 700_000} {
		text := strings.Repeat("y", size)
		for _, body := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, text), "Transfer-Encoding: chunked\r\n\r\n" + chunks(text, 7000)} {
			send(t, c, "POST /known HTTP/1.1\r\nHost: a\r\n"+body)
			if r, got := response(t, br); r.StatusCode != 200 || got != fmt.Sprint(size) {
				t.Errorf("%d bytes: %d %s", size, r.StatusCode, got)
			}
			if <-early {
				t.Error("a body was read though there is no place")
			}
		}
	}
	for _, c := range strangers {
		c.Close()
	}
	const short = "Content-Length: 2\r\n\r\nhi"
	for begin, free := time.Now(), false; !free; free = <-early {
		if time.Since(begin) > patience {
			t.Fatal("a stranger that left keeps its place")
		}
		send(t, c, "POST /known HTTP/1.1\r\nHost: a\r\n"+short)
		response(t, br)
	}
	var served []*bufio.Reader
	for range 2 * places {
		c := dial(t, s)
		served = append(served, bufio.NewReader(c))
		send(t, c, "POST /waits HTTP/1.1\r\nHost: a\r\n"+short)
		if !<-early {
			t.Error("a caller that is known keeps a place")
		}
	}
	close(let)
	for _, br := range served {
		if r, got := response(t, br); r.StatusCode != 200 || got != "2" {
			t.Errorf("%d %s", r.StatusCode, got)
		}
	}
}
