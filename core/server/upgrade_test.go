package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/cert"
)

// echoing talks with whoever asks for a socket: it says everything back until the client closes.
func echoing() *handler {
	return newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Upgrade != exchange.WebSocket {
			return &exchange.Reply{Status: 426, Body: []byte("no handshake")}
		}
		return &exchange.Reply{Status: 101, Talk: func(s exchange.Socket) {
			for {
				kind, r, err := s.NextReader()
				if err != nil {
					return
				}
				text, err := io.ReadAll(r)
				if err != nil {
					return
				}
				w, err := s.NextWriter(kind)
				if err != nil {
					return
				}
				w.Write(text)
				w.Close()
			}
		}}
	})
}

// handshake is the head with which a client asks for a socket.
func handshake(more ...string) string {
	key := base64.StdEncoding.EncodeToString(make([]byte, 16))
	return "GET /v1/realtime HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n" + strings.Join(more, "") + "\r\n"
}

// TestUpgrade: a client goes on in WebSocket, over TCP, over TLS, and where only a look ahead tells that it left;
// what it sends along with its handshake is not lost.
func TestUpgrade(t *testing.T) {
	// "hi", masked with zeroes (RFC 6455, section 5.2)
	const hi = "\x81\x82\x00\x00\x00\x00hi"
	for name, c := range map[string]struct {
		change func(*server.Config)
		secure bool
	}{
		"tcp": {func(*server.Config) {}, false},
		"tls": {func(c *server.Config) {
			c.TLS = cert.Config{Mode: cert.Internal, Storage: &certmagic.FileStorage{Path: t.TempDir()}}
		}, true},
		"look ahead": {func(c *server.Config) { c.Listener = bareListener{listening(t)} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			h := echoing()
			s := start(t, h, c.change)
			for _, early := range []bool{false, true} {
				var conn net.Conn = dial(t, s)
				if c.secure {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who the server is does not matter here
				}
				first := handshake()
				if early {
					first += hi
				}
				if _, err := io.WriteString(conn, first); err != nil {
					t.Fatal(err)
				}
				br := bufio.NewReader(conn)
				resp, err := http.ReadResponse(br, nil)
				if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") == "" || resp.Header.Get("X-Request-Id") == "" {
					t.Fatalf("%v, %v", resp, err)
				}
				if !early {
					io.WriteString(conn, hi)
				}
				got := make([]byte, 4)
				if _, err := io.ReadFull(br, got); err != nil || string(got) != "\x81\x02hi" {
					t.Errorf("%q, %v", got, err)
				}
				if n := s.Stats().Exchanges; n != 1 {
					t.Errorf("%d exchanges are live", n)
				}
				conn.Close()
				<-h.ends
			}
			for end := time.Now().Add(patience); s.Stats().Connections+s.Stats().Exchanges > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%+v", s.Stats())
				}
			}
		})
	}
}

// TestNoUpgrade: what is not the whole handshake is a request like any other.
func TestNoUpgrade(t *testing.T) {
	s := start(t, echoing(), nil)
	whole := handshake()
	for name, head := range map[string]string{
		"no Connection":     strings.Replace(whole, "keep-alive, Upgrade", "keep-alive", 1),
		"no Upgrade":        strings.Replace(whole, "Upgrade: WebSocket\r\n", "", 1),
		"another protocol":  strings.Replace(whole, "Upgrade: WebSocket", "Upgrade: h2c", 1),
		"another version":   strings.Replace(whole, "Version: 13", "Version: 8", 1),
		"no key":            strings.Replace(whole, "Sec-WebSocket-Key", "X-Key", 1),
		"two keys":          strings.Replace(whole, "\r\n\r\n", "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", 1),
		"a short key":       strings.Replace(whole, "AAAA", "", 1),
		"HTTP/1.0":          strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1),
		"POST":              strings.Replace(strings.Replace(whole, "GET", "POST", 1), "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", 1),
		"closes":            strings.Replace(whole, "keep-alive, Upgrade", "close, Upgrade", 1),
		"a value in a name": strings.Replace(whole, "Upgrade: WebSocket", "Upgrade: websocket, h2c", 1),
	} {
		c := dial(t, s)
		io.WriteString(c, head)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 426 {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
		c.Close()
	}
}

// TestATalkThatPanics ends its connection and nothing else.
func TestATalkThatPanics(t *testing.T) {
	h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
		return &exchange.Reply{Status: 101, Talk: func(exchange.Socket) { panic("on purpose") }}
	})
	s := start(t, h, nil)
	for range 2 {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr().String()+"/v1/realtime", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		var timeout net.Error
		if _, _, err := c.ReadMessage(); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Error(err)
		}
		c.Close()
		<-h.ends
	}
}

func listening(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
