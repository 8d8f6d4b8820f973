package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/sdk/llm"
)

// patience bounds a wait of a test; it is no expectation.
const patience = 30 * time.Second

// pair is a session between two peers, with a relay of its own between the sides.
type pair struct {
	client, upstream *websocket.Conn // the peers
	ended            chan socket.Outcome
	cancel           context.CancelCauseFunc
}

// accept serves one WebSocket and returns its address and the peer's side.
func accept(t *testing.T) (string, <-chan *websocket.Conn) {
	t.Helper()
	got := make(chan *websocket.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		ws.SetReadDeadline(time.Now().Add(patience))
		t.Cleanup(func() { ws.Close() })
		got <- ws
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), got
}

func dialer(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
}

func dial(t *testing.T, address string, c socket.Config) *socket.Conn {
	t.Helper()
	a, err := socket.Dial(context.Background(), &socket.Call{Host: "up.example", Path: "/v1/realtime", Dial: dialer(address), Timeout: patience}, c)
	if err != nil || a.Status != 101 {
		t.Fatalf("%+v, %v", a, err)
	}
	return a.Conn
}

// relayed runs a relay. Both of its sides are dialled: which one speaks first does not matter to it.
func relayed(t *testing.T, client, upstream socket.Config, s *socket.Session) *pair {
	t.Helper()
	p := &pair{ended: make(chan socket.Outcome, 1)}
	a, left := accept(t)
	b, right := accept(t)
	s.Client, s.Upstream = dial(t, a, client), dial(t, b, upstream)
	p.client, p.upstream = <-left, <-right
	ctx, cancel := context.WithCancelCause(context.Background())
	p.cancel = cancel
	go func() {
		o := socket.Relay(ctx, s)
		s.Client.Cut()
		p.ended <- o
	}()
	t.Cleanup(func() { cancel(nil) })
	return p
}

func (p *pair) outcome(t *testing.T) socket.Outcome {
	t.Helper()
	select {
	case o := <-p.ended:
		return o
	case <-time.After(patience):
		t.Fatal("the session does not end")
		return socket.Outcome{}
	}
}

// goodbye reads until the close frame.
func goodbye(t *testing.T, ws *websocket.Conn, code int) {
	t.Helper()
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, code) {
			t.Errorf("%v, not %d", err, code)
		}
		return
	}
}

func config() socket.Config { return socket.Config{Message: 1 << 20} }

// TestSilence: a side that answers no ping ends the session, one that only answers pings does not.
func TestSilence(t *testing.T) {
	idle := config()
	idle.Idle = 400 * time.Millisecond
	for _, c := range []struct {
		name             string
		client, upstream socket.Config
		side             socket.Side
	}{{"client", idle, config(), socket.Client}, {"upstream", config(), idle, socket.Upstream}} {
		t.Run(c.name, func(t *testing.T) {
			p := relayed(t, c.client, c.upstream, &socket.Session{})
			watched, other := p.client, p.upstream
			if c.side == socket.Upstream {
				watched, other = other, watched
			}
			alive := make(chan struct{})
			pings := 0
			watched.SetPingHandler(func(string) error {
				if pings++; pings == 12 { // three times as long as it may be silent
					close(alive)
					return nil
				}
				if pings > 12 {
					return nil
				}
				return watched.WriteControl(websocket.PongMessage, nil, time.Now().Add(patience))
			})
			go watched.ReadMessage()
			select {
			case <-alive:
			case o := <-p.ended:
				t.Fatalf("ended though pings were answered: %+v", o)
			case <-time.After(patience):
				t.Fatal("no pings")
			}
			if o := p.outcome(t); o.Side != c.side || !errors.Is(o.Err, socket.ErrIdle) {
				t.Errorf("%+v", o)
			}
			goodbye(t, other, map[socket.Side]int{socket.Client: 1001, socket.Upstream: 1011}[c.side])
		})
	}
}

// TestRoom: a large message takes its room as it comes and gives it back; where there is none, the session ends.
func TestRoom(t *testing.T) {
	room, left := int64(300<<10), int64(300<<10)
	c := config()
	c.Reserve = func(n int64) bool {
		if left < n {
			return false
		}
		left -= n
		return true
	}
	c.Release = func() { left = room }
	p := relayed(t, c, config(), &socket.Session{})
	for range 3 {
		p.client.WriteMessage(websocket.BinaryMessage, make([]byte, 100<<10))
		if _, b, err := p.upstream.ReadMessage(); err != nil || len(b) != 100<<10 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	}
	p.client.WriteMessage(websocket.BinaryMessage, make([]byte, 800<<10))
	goodbye(t, p.client, websocket.CloseTryAgainLater)
	goodbye(t, p.upstream, websocket.CloseGoingAway)
	if o := p.outcome(t); !errors.Is(o.Err, socket.ErrNoRoom) || o.In != 300<<10 {
		t.Errorf("%+v", o)
	}
}

// TestSlowUpstream: a side that takes nothing is given up, and the other one is told.
func TestSlowUpstream(t *testing.T) {
	up := config()
	up.Write = 500 * time.Millisecond
	p := relayed(t, config(), up, &socket.Session{})
	go func() {
		for p.client.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20)) == nil {
		}
	}()
	goodbye(t, p.client, websocket.CloseInternalServerErr)
	if o := p.outcome(t); o.Side != socket.Upstream || !errors.Is(o.Err, socket.ErrSlow) {
		t.Errorf("%+v", o)
	}
}

// TestFloods: a side that sends pings or pongs without end ends the session; messages without end are read at a pace.
func TestFloods(t *testing.T) {
	for _, kind := range []int{websocket.PingMessage, websocket.PongMessage} {
		for _, side := range []socket.Side{socket.Client, socket.Upstream} {
			t.Run(fmt.Sprint(kind, side), func(t *testing.T) {
				p := relayed(t, config(), config(), &socket.Session{})
				from, other, code := p.client, p.upstream, 1001
				if side == socket.Upstream {
					from, other, code = p.upstream, p.client, 1011
				}
				go func() {
					for from.WriteControl(kind, []byte("x"), time.Now().Add(patience)) == nil {
					}
				}()
				goodbye(t, from, 1008)
				goodbye(t, other, code)
				if o := p.outcome(t); o.Side != side || !errors.Is(o.Err, socket.ErrFlood) {
					t.Errorf("%+v", o)
				}
			})
		}
	}
	p := relayed(t, config(), config(), &socket.Session{})
	const messages, atOnce, second = 11_500, 10_000, 1000
	begin := time.Now()
	go func() {
		for range messages {
			p.client.WriteMessage(websocket.TextMessage, []byte("{}"))
		}
	}()
	for range messages {
		if _, _, err := p.upstream.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	if least := (messages - atOnce) * time.Second / second; time.Since(begin) < least {
		t.Errorf("%d messages passed in less than %s", messages, least)
	}
}

// TestEmptyFrames: pieces of a message with nothing in them, without end, are as pings without end.
func TestEmptyFrames(t *testing.T) {
	for _, side := range []socket.Side{socket.Client, socket.Upstream} {
		p := relayed(t, config(), config(), &socket.Session{})
		from, other, code := p.client, p.upstream, 1001
		if side == socket.Upstream {
			from, other, code = p.upstream, p.client, 1011
		}
		go func() {
			pieces := append([]byte{1, 1, 'x'}, make([]byte, 4<<10)...) // none is the last
			for _, err := from.NetConn().Write(pieces); err == nil; {
				_, err = from.NetConn().Write(pieces[3:])
			}
		}()
		goodbye(t, from, 1008)
		goodbye(t, other, code)
		if o := p.outcome(t); o.Side != side || !errors.Is(o.Err, socket.ErrFlood) {
			t.Errorf("%+v", o)
		}
	}
}

// TestRefusedMessage: what may not be said goes nowhere, and the client hears why.
func TestRefusedMessage(t *testing.T) {
	p := relayed(t, config(), config(), &socket.Session{Asked: func(_ bool, m []byte) ([]byte, error) {
		if bytes.Contains(m, []byte("no")) {
			return nil, &socket.Refusal{Reason: strings.Repeat("größer ", 40)}
		}
		return bytes.ToUpper(m), nil
	}})
	p.client.WriteMessage(websocket.TextMessage, []byte("a"))
	if _, b, err := p.upstream.ReadMessage(); err != nil || string(b) != "A" {
		t.Errorf("%q, %v", b, err)
	}
	p.client.WriteMessage(websocket.TextMessage, []byte("no"))
	_, _, err := p.client.ReadMessage()
	if bye := new(websocket.CloseError); !errors.As(err, &bye) || bye.Code != 1008 || len(bye.Text) < 100 {
		t.Errorf("%v", err)
	}
	goodbye(t, p.upstream, websocket.CloseGoingAway)
}

// TestPanic: what looks at messages may fail, and takes its own session with it only.
func TestPanic(t *testing.T) {
	p := relayed(t, config(), config(), &socket.Session{Answered: func(bool, []byte) error { panic("as told") }})
	p.upstream.WriteMessage(websocket.TextMessage, []byte("a"))
	goodbye(t, p.client, websocket.CloseInternalServerErr)
	goodbye(t, p.upstream, websocket.CloseGoingAway)
	if o := p.outcome(t); !strings.Contains(o.Err.Error(), "as told") {
		t.Errorf("%+v", o)
	}
}

// TestNothingIsLeft: no goroutine outlives its session, however that ends.
func TestNothingIsLeft(t *testing.T) {
	idle := config()
	idle.Idle = time.Minute
	ends := map[string]func(p *pair){
		"drained":      func(p *pair) { p.cancel(exchange.ErrDraining) },
		"client gone":  func(p *pair) { p.cancel(exchange.ErrClientGone) },
		"client":       func(p *pair) { p.client.Close() },
		"upstream":     func(p *pair) { p.upstream.Close() },
		"no goodbye":   func(p *pair) { p.client.WriteControl(websocket.CloseMessage, nil, time.Now().Add(patience)) },
		"broken frame": func(p *pair) { p.client.NetConn().Write([]byte{0xff, 0xff}) },
	}
	before := 0
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			before = runtime.NumGoroutine()
			p := relayed(t, idle, idle, &socket.Session{})
			end(p)
			go p.client.ReadMessage() // which answers a close frame
			go p.upstream.ReadMessage()
			p.outcome(t)
			p.client.Close()
			p.upstream.Close()
		})
		for until := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				all := make([]byte, 1<<20)
				t.Fatalf("%s: %d goroutines more\n%s", name, runtime.NumGoroutine()-before, all[:runtime.Stack(all, true)])
			}
		}
	}
}

// TestHandshakes: what an upstream answers to the upgrade, rightly and otherwise.
func TestHandshakes(t *testing.T) {
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
	for name, c := range map[string]struct {
		answer string
		status int // of the answer that is returned, 0 = an error
		body   string
		err    error
	}{
		"refused":        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 3000\r\n\r\n" + strings.Repeat("x", 3000), 403, strings.Repeat("x", 3000), nil},
		"chunked":        {"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "{}", nil},
		"cut":            {"HTTP/1.1 400 Bad\r\nContent-Length: 30\r\n\r\n{}", 0, "", socket.ErrBroken},
		"cut head":       {"HTTP/1.1 400 Bad\r\nContent-Le", 0, "", socket.ErrBroken},
		"bad chunks":     {"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 0, "", socket.ErrHandshake},
		"endless head":   {"HTTP/1.1 400 Bad\r\nX: " + strings.Repeat("x", 1<<20), 0, "", socket.ErrHandshake},
		"large body":     {"HTTP/1.1 400 Bad\r\n\r\n" + strings.Repeat("x", 2<<20), 0, "", socket.ErrHandshake},
		"no accept":      {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0, "", socket.ErrHandshake},
		"not HTTP":       {"hello\r\n\r\n", 0, "", socket.ErrHandshake},
		"short":          {"HTTP/1.1 1", 0, "", socket.ErrBroken},
		"nothing":        {"", 0, "", io.EOF},
		"another thing":  {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", nil},
		"interim":        {"HTTP/1.1 100 Continue\r\n\r\n" + hints + "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "no", nil},
		"interim alone":  {hints, 0, "", socket.ErrBroken},
		"interim, junk":  {hints + "hello\r\n", 0, "", socket.ErrHandshake},
		"interim, large": {"HTTP/1.1 103 x\r\nX: " + strings.Repeat("x", 5<<10) + "\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "no", nil},
		"all interim":    {strings.Repeat(hints, 100), 0, "", socket.ErrHandshake},
		"interim by LF":  {"HTTP/1.1 103 x\nX: " + strings.Repeat("x", 1<<20), 0, "", socket.ErrHandshake},
	} {
		for _, piece := range []int{1 << 30, 7} {
			t.Run(fmt.Sprint(name, " by ", piece), func(t *testing.T) {
				here, there := net.Pipe()
				defer there.Close()
				go func() {
					there.Read(make([]byte, 4096))
					for rest := c.answer; rest != ""; rest = rest[min(piece, len(rest)):] {
						if _, err := io.WriteString(there, rest[:min(piece, len(rest))]); err != nil {
							break
						}
					}
					there.Close()
				}()
				a, err := socket.Dial(context.Background(), &socket.Call{
					Host: "x", Path: "/", Header: llm.Header{{Name: "X-A", Value: "b"}}, Dial: func(context.Context) (net.Conn, error) { return here, nil },
				}, config())
				if (c.status == 0) != (err != nil) || !errors.Is(err, c.err) {
					t.Fatalf("%+v, %v", a, err)
				}
				if err == nil && (a.Status != c.status || string(a.Body) != c.body || a.Conn != nil) {
					t.Errorf("%d, %d bytes", a.Status, len(a.Body))
				}
				if _, err := here.Write([]byte("x")); err == nil {
					t.Error("the connection is open")
				}
			})
		}
	}
}

// TestHandshakeEnds: a call that ends while the upstream says nothing does not wait for it.
func TestHandshakeEnds(t *testing.T) {
	here, there := net.Pipe()
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		there.Read(make([]byte, 4096))
		cancel(exchange.ErrClientGone)
	}()
	_, err := socket.Dial(ctx, &socket.Call{Host: "x", Path: "/", Dial: func(context.Context) (net.Conn, error) { return here, nil }}, config())
	if !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("%v", err)
	}
}
