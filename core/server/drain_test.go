package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
)

func drain(s *server.Server, ctx context.Context) chan error {
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx) }()
	return done
}

func wait(t *testing.T, done chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("drain does not end")
		return nil
	}
}

func TestDrainWaitsForExchanges(t *testing.T) {
	noLeak(t)
	hold, in := make(chan struct{}), make(chan struct{}, 1)
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Path == "/busy" {
			in <- struct{}{}
			<-hold
		}
		return &exchange.Reply{Status: 200, Body: []byte("ok")}
	})
	s := start(t, h, nil)
	fresh, kept, busy := dial(t, s), dial(t, s), dial(t, s)
	send(t, kept, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	response(t, bufio.NewReader(kept))
	h.end(t, exchange.Completed)
	send(t, busy, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
	<-in
	done := drain(s, context.Background())
	for _, idle := range []net.Conn{fresh, kept} {
		if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("an idle connection stays open")
		}
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a new connection was accepted")
		}
		c.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("drain ended early: %v", err)
	default:
	}
	close(hold)
	br := bufio.NewReader(busy)
	if r, body := response(t, br); r.StatusCode != 200 || body != "ok" || !r.Close {
		t.Errorf("%d %q, close %v", r.StatusCode, body, r.Close)
	}
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
	h.end(t, exchange.Completed)
	if err := s.Drain(context.Background()); err != nil {
		t.Errorf("a second drain: %v", err)
	}
}

func TestDrainTellsOpenStreams(t *testing.T) {
	noLeak(t)
	events := make(chan string)
	h := newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply { return sse(&chanStream{ctx, events}) })
	s := start(t, h, nil)
	c := dial(t, s)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	events <- "data: 1\n\n"
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := drain(s, ctx)
	cancel()
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasSuffix(string(body), "data: error "+exchange.ErrDraining.Error()+"\n\n") {
		t.Errorf("%q %v", body, err)
	}
	h.end(t, exchange.Drained)
	if err := wait(t, done); err == nil || !strings.Contains(err.Error(), "were cut") {
		t.Errorf("drain: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection: %v", err)
	}
}

func TestDrainDoesNotWaitForTheDeaf(t *testing.T) {
	noLeak(t)
	hold, in := make(chan struct{}), make(chan struct{}, 1)
	h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
		in <- struct{}{}
		<-hold
		return &exchange.Reply{Status: 200}
	})
	s := start(t, h, func(c *server.Config) { c.Limits.Farewell = 20 * time.Millisecond })
	send(t, dial(t, s), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-in
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := wait(t, drain(s, ctx)); err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Errorf("drain: %v", err)
	}
	close(hold)
	h.end(t, exchange.Drained)
}

func TestUpdateKeepsConnections(t *testing.T) {
	noLeak(t)
	reply := func(text string) *handler {
		return newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
			return &exchange.Reply{Status: 200, Body: []byte(text)}
		})
	}
	c := server.Config{Name: "test", Address: "127.0.0.1:0", Handler: reply("old"), Watcher: watchers(), Logger: quietLog}
	s := start(t, c.Handler, nil)
	conn := dial(t, s)
	br := bufio.NewReader(conn)
	ask := func() (int, string) {
		send(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
		r, body := response(t, br)
		return r.StatusCode, body
	}
	if status, body := ask(); status != 200 || body != "old" {
		t.Fatalf("%d %q", status, body)
	}
	prepare := func(c server.Config) *server.Change {
		t.Helper()
		change, err := s.Prepare(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return change
	}
	bad := c
	bad.Address = "127.0.0.1:1"
	if _, err := s.Prepare(context.Background(), bad); err == nil {
		t.Error("another address was taken")
	}
	bad = c
	bad.TLS.Mode = "nonsense"
	if _, err := s.Prepare(context.Background(), bad); err == nil {
		t.Error("a bad tls mode was taken")
	}
	c.Handler = reply("new")
	prepare(c).Discard()
	change := prepare(c)
	if _, body := ask(); body != "old" {
		t.Errorf("before the change: %q", body)
	}
	change.Commit()
	if status, body := ask(); status != 200 || body != "new" {
		t.Errorf("%d %q", status, body)
	}
	c.Limits.Body = 5
	prepare(c).Commit()
	if status, _ := ask(); status != 413 {
		t.Errorf("%d, want the new limit to hold on an open connection", status)
	}
}
