package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/cert"
)

// bareListener hides from the server that its connections have descriptors, as on systems without a
// watcher.
type bareListener struct{ net.Listener }

func (l bareListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return bareConn{c}, nil
}

type bareConn struct{ net.Conn }

// leave is one way in which a client goes away while its request is served.
type leave struct {
	kind      string // unary, silent (a stream before its first byte), stream (after it)
	how       string // fin, rst
	tls       bool
	pipelined bool
	fallback  bool
}

func (l leave) String() string {
	s := l.kind + "/" + l.how
	for name, on := range map[string]bool{"/tls": l.tls, "/pipelined": l.pipelined, "/fallback": l.fallback} {
		if on {
			s += name
		}
	}
	return s
}

// change makes the listener that it is about.
func (l leave) change(t *testing.T, c *server.Config, certs certmagic.Storage) {
	t.Helper()
	if l.tls {
		c.TLS = cert.Config{Mode: cert.Internal, Storage: certs}
	}
	if l.fallback {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Listener = bareListener{ln}
	}
}

func leaves() (all []leave) {
	for _, kind := range []string{"unary", "silent", "stream"} {
		for _, how := range []string{"fin", "rst"} {
			for _, encrypted := range []bool{false, true} {
				all = append(all, leave{kind: kind, how: how, tls: encrypted}, leave{kind: kind, how: how, tls: encrypted, pipelined: true},
					leave{kind: kind, how: how, tls: encrypted, fallback: true})
			}
		}
	}
	return all
}

// waiting serves exchanges that end only when their context does.
type waiting struct {
	*handler
	cancelled chan time.Time
	causes    chan error
	begun     chan struct{}
}

func newWaiting(kind string) *waiting {
	w := &waiting{cancelled: make(chan time.Time, 1), causes: make(chan error, 1), begun: make(chan struct{}, 1)}
	end := func(ctx context.Context) {
		<-ctx.Done()
		w.cancelled <- time.Now()
		w.causes <- context.Cause(ctx)
	}
	w.handler = newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply {
		if kind == "unary" {
			w.begun <- struct{}{}
			end(ctx)
			return &exchange.Reply{Status: 499}
		}
		first := kind == "stream"
		return sse(nextFunc(func(dst []byte) ([]byte, error) {
			if first {
				first = false
				return append(dst, "data: 1\n\n"...), nil
			}
			w.begun <- struct{}{}
			end(ctx)
			return append(dst, "data: error\n\n"...), io.EOF
		}))
	})
	return w
}

type nextFunc func([]byte) ([]byte, error)

func (f nextFunc) Next(dst []byte) ([]byte, error) { return f(dst) }

func TestClientLeaves(t *testing.T) {
	noLeak(t)
	certs := &certmagic.FileStorage{Path: t.TempDir()}
	for _, l := range leaves() {
		t.Run(l.String(), func(t *testing.T) { testLeave(t, l, certs) })
	}
}

func testLeave(t *testing.T, l leave, certs certmagic.Storage) {
	w := newWaiting(l.kind)
	s := start(t, w, func(c *server.Config) { l.change(t, c, certs) })
	raw := dial(t, s)
	c := net.Conn(raw)
	if l.tls {
		c = tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who the server is does not matter here
	}
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
	if l.kind == "stream" {
		var got []byte
		for b := make([]byte, 512); !strings.Contains(string(got), "data: 1\n\n"); {
			n, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
		}
	}
	select {
	case <-w.begun:
	case <-time.After(patience):
		t.Fatal("not served")
	}
	if l.pipelined {
		send(t, c, "POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
	}
	begin := time.Now()
	if l.how == "rst" {
		raw.SetLinger(0)
		raw.Close()
	} else {
		c.Close()
	}
	select {
	case at := <-w.cancelled:
		t.Logf("cancelled after %v", at.Sub(begin))
	case <-time.After(patience):
		t.Fatal("not cancelled")
	}
	if cause := <-w.causes; !errors.Is(cause, exchange.ErrClientGone) {
		t.Errorf("cause %v", cause)
	}
	w.end(t, exchange.ClientCancelled)
}

// TestWriteFails holds that an answer that cannot be written ends the exchange, once.
func TestWriteFails(t *testing.T) {
	noLeak(t)
	for name, reply := range map[string]func() *exchange.Reply{
		"unary": func() *exchange.Reply { return &exchange.Reply{Status: 200, Body: make([]byte, 64<<20)} },
		"stream": func() *exchange.Reply {
			return sse(nextFunc(func(dst []byte) ([]byte, error) { return append(dst, make([]byte, 4000)...), nil }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply { return reply() })
			s := start(t, h, nil)
			c := dial(t, s)
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			h.end(t, exchange.ClientCancelled)
		})
		t.Run(name+" that is not read", func(t *testing.T) {
			h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply { return reply() })
			s := start(t, h, func(c *server.Config) { c.Limits.WriteTimeout = 50 * time.Millisecond })
			send(t, dial(t, s), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			h.end(t, exchange.TimedOut)
		})
	}
}
