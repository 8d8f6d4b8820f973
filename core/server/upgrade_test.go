package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
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
	"github.com/ginnel/ginnel/core/socket"
)

// echoing answers upgrades with a session that says what it hears, and everything else with 200.
func echoing() *handler {
	return newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if !x.Upgrade {
			return &exchange.Reply{Status: 200, Body: []byte("ok")}
		}
		return &exchange.Reply{Status: 101, Session: func(client exchange.Socket) {
			for {
				text, message, err := client.Receive()
				if bye, ok := err.(*exchange.Goodbye); ok {
					client.Close(bye.Code, bye.Reason)
				}
				if err != nil || client.Send(text, message) != nil {
					return
				}
				if string(message) == "panic" {
					panic("as told")
				}
			}
		}}
	})
}

const upgradeHead = "GET /v1/realtime HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// TestUpgradeIsGuarded: what is not one request for a WebSocket never becomes one, and nothing behind it is read as a
// second request.
func TestUpgradeIsGuarded(t *testing.T) {
	h := echoing()
	noLeak(t)
	addr := start(t, h, nil).Addr().String()
	for _, c := range []struct {
		name, raw string
		status    int
		closes    bool
	}{
		{"granted", upgradeHead + "\r\n", 101, false},
		{"a request behind it", upgradeHead + "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, true},
		{"a frame behind it", upgradeHead + "\r\n\x81\x80aaaa", 400, true},
		{"no key", strings.Replace(upgradeHead, "Sec-WebSocket-Key", "X-Key", 1) + "\r\n", 400, true},
		{"a short key", strings.Replace(upgradeHead, "AAAAAAAAAAAAAAAAAAAAAA==", "AAAA", 1) + "\r\n", 400, true},
		{"two keys", upgradeHead + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", 400, true},
		{"another version", strings.Replace(upgradeHead, ": 13", ": 8", 1) + "\r\n", 400, true},
		{"two protocols", upgradeHead + "Upgrade: h2c\r\n\r\n", 200, false},
		{"not named", strings.Replace(upgradeHead, "Connection: Upgrade", "Connection: keep-alive", 1) + "\r\n", 200, false},
		{"another protocol", strings.Replace(upgradeHead, "websocket", "h2c", 1) + "\r\n", 200, false},
		{"HTTP/1.0", strings.Replace(upgradeHead, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n", 200, true},
		{"a body", upgradeHead + "Content-Length: 2\r\n\r\nhi", 400, true},
		{"another method", strings.Replace(upgradeHead, "GET", "POST", 1) + "\r\n", 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			io.WriteString(conn, c.raw)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || resp.Close != c.closes {
				t.Errorf("%d, closes %v", resp.StatusCode, resp.Close)
			}
		})
	}
}

// TestSessions: plain, encrypted and without a watcher, a session echoes, keeps its limits, counts and ends.
func TestSessions(t *testing.T) {
	noLeak(t)
	certs := &certmagic.FileStorage{Path: t.TempDir()}
	for _, kind := range []string{"plain", "encrypted", "bare"} {
		h := echoing()
		s := start(t, h, func(c *server.Config) {
			c.Limits.Body, c.Limits.Connections = 1<<20, 1
			if kind == "encrypted" {
				c.TLS = cert.Config{Mode: cert.Internal, Storage: certs}
			}
			if kind != "bare" {
				return
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c.Listener = bareListener{ln}
		})
		url := "ws://" + s.Addr().String() + "/v1/realtime"
		if kind == "encrypted" {
			url = "wss" + strings.TrimPrefix(url, "ws")
		}
		dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: patience} // the certificate is not what is tested
		ws, _, err := dialer.Dial(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		ws.SetReadDeadline(time.Now().Add(patience))
		for _, n := range []int{0, 1000, 1 << 20} {
			want := bytes.Repeat([]byte("m"), n)
			ws.WriteMessage(websocket.TextMessage, want)
			if _, got, err := ws.ReadMessage(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: %d, %v", n, len(got), err)
			}
		}
		if st := s.Stats(); st.Connections != 1 || st.Exchanges != 1 {
			t.Errorf("%+v", st)
		}
		if _, _, err := dialer.Dial(url, nil); err == nil {
			t.Error("a connection too many")
		}
		ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "x"), time.Now().Add(patience))
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
			t.Errorf("%v", err)
		}
		ws.Close()
		h.end(t, exchange.Completed)
		for until := time.Now().Add(patience); s.Stats().Connections != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("the connection stays")
			}
		}
		ws, _, err = dialer.Dial(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		ws.WriteMessage(websocket.TextMessage, []byte("panic"))
		<-h.ends
		ws.Close()
	}
}

// TestEmptyFramesEndASession: a client that sends pieces of a message with nothing in them, without end, is not read for.
func TestEmptyFramesEndASession(t *testing.T) {
	certs := &certmagic.FileStorage{Path: t.TempDir()}
	for _, l := range []leave{{}, {fallback: true}, {tls: true}} {
		ended := make(chan error, 1)
		h := newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
			return &exchange.Reply{Status: 101, Session: func(client exchange.Socket) {
				_, _, err := client.Receive()
				ended <- err
			}}
		})
		c := net.Conn(dial(t, start(t, h, func(c *server.Config) { l.change(t, c, certs) })))
		if l.tls {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who the server is does not matter here
		}
		send(t, c, upgradeHead+"\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 101 ") {
			t.Fatalf("%q %v", line, err)
		}
		go func() {
			pieces := append([]byte("\x01\x81maskx"), bytes.Repeat([]byte("\x00\x80mask"), 1<<10)...) // none is the last
			for _, err := c.Write(pieces); err == nil; {
				_, err = c.Write(pieces[7:])
			}
		}()
		if err := <-ended; !errors.Is(err, socket.ErrFlood) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// TestTheRoomOfASession: what else it takes than its client's messages comes out of the room for all bodies, and goes back.
func TestTheRoomOfASession(t *testing.T) {
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Room(1<<20+1) || !x.Room(1<<19) || !x.Room(1<<19) || x.Room(1) || !x.Room(-1<<19) || !x.Room(1) {
			t.Error("the room is not what its limit says")
		}
		x.Room(-1<<19 - 1)
		return &exchange.Reply{Status: 403, Body: []byte("no")}
	})
	s := start(t, h, func(c *server.Config) { c.Limits.Bodies = 1 << 20 })
	for range 2 {
		c := dial(t, s)
		send(t, c, upgradeHead+"\r\n")
		if r, _ := response(t, bufio.NewReader(c)); r.StatusCode != 403 {
			t.Errorf("status %d", r.StatusCode)
		}
	}
}
