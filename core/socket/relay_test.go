package socket_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/sdk/llm"
)

const patience = 30 * time.Second

var limits = socket.Limits{Message: 8 << 20, Observed: 1 << 10, Ping: time.Second, Silence: patience, Write: patience, Farewell: time.Second}

// pair returns both ends of a socket.
func pair(t *testing.T) (here, there *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}))
	t.Cleanup(s.Close)
	here, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	there = <-accepted
	t.Cleanup(func() { here.Close(); there.Close() })
	here.SetReadDeadline(time.Now().Add(patience))
	return here, there
}

// relayed returns the far ends of a relay, and how it ends.
func relayed(t *testing.T, ctx context.Context, l socket.Limits, heard func([]byte)) (client, upstream *websocket.Conn, end chan socket.End) {
	t.Helper()
	client, a := pair(t)
	upstream, b := pair(t)
	end = make(chan socket.End, 1)
	go func() { end <- socket.Relay(ctx, a, b, l, heard) }()
	return client, upstream, end
}

func ended(t *testing.T, end chan socket.End) socket.End {
	t.Helper()
	select {
	case e := <-end:
		return e
	case <-time.After(patience):
		t.Fatal("the relay does not end")
		return socket.End{}
	}
}

// TestRelayTakesNoMoreThanIsTaken: where a client reads nothing, the upstream can send no more, and nothing is lost.
func TestRelayTakesNoMoreThanIsTaken(t *testing.T) {
	var heard atomic.Int64
	client, upstream, end := relayed(t, context.Background(), limits, func([]byte) { heard.Add(1) })
	const messages, size = 256, 1 << 20
	message := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	var sent atomic.Int64
	go func() {
		for range messages {
			if upstream.WriteMessage(websocket.BinaryMessage, message) != nil {
				return
			}
			sent.Add(1)
		}
	}()
	last := int64(-1)
	for n := sent.Load(); n != last; n = sent.Load() { // until it gets no further
		last = n
		time.Sleep(300 * time.Millisecond)
	}
	if last > messages/2 {
		t.Fatalf("%d messages of 1 MiB are on their way to nobody", last)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are held", m.HeapAlloc>>20)
	}
	for i := range messages {
		if kind, got, err := client.ReadMessage(); err != nil || kind != websocket.BinaryMessage || !bytes.Equal(got, message) {
			t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
		}
	}
	client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
	upstream.ReadMessage()
	if e := ended(t, end); e.By != socket.Client || e.Err != nil || e.Bytes != messages*size || heard.Load() != 0 {
		t.Errorf("%+v, %d heard", e, heard.Load())
	}
}

// TestRelayShowsTexts: those of the upstream that are not too long, whole.
func TestRelayShowsTexts(t *testing.T) {
	shown := make(chan string, 8)
	client, upstream, end := relayed(t, context.Background(), limits, func(b []byte) { shown <- string(b) })
	client.WriteMessage(websocket.TextMessage, []byte("a question"))
	upstream.ReadMessage()
	for _, m := range []string{"first", strings.Repeat("x", limits.Observed), strings.Repeat("y", limits.Observed+1), "last"} {
		upstream.WriteMessage(websocket.TextMessage, []byte(m))
		if _, got, err := client.ReadMessage(); err != nil || string(got) != m {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	upstream.Close()
	ended(t, end)
	close(shown)
	var all []string
	for s := range shown {
		all = append(all, s)
	}
	if len(all) != 3 || all[0] != "first" || len(all[1]) != limits.Observed || all[2] != "last" {
		t.Errorf("%d texts", len(all))
	}
}

// TestRelayNoticesSilence: a side that answers no ping is gone, one that does may be silent.
func TestRelayNoticesSilence(t *testing.T) {
	l := limits
	l.Ping, l.Silence = 50*time.Millisecond, 2*time.Second
	client, upstream, end := relayed(t, context.Background(), l, nil)
	go func() { // it answers pings while it reads
		for {
			if _, _, err := client.ReadMessage(); err != nil {
				return
			}
		}
	}()
	pings := 0
	upstream.SetPingHandler(func(string) error { pings++; return nil }) // and this one does not
	_, _, err := upstream.ReadMessage()
	if err == nil || pings == 0 {
		t.Errorf("%v after %d pings", err, pings)
	}
	var timeout net.Error
	if e := ended(t, end); e.By != socket.Upstream || !errors.As(e.Err, &timeout) || !timeout.Timeout() {
		t.Errorf("%+v", e)
	}
}

// TestRelayEndsWithItsContext, and says why.
func TestRelayEndsWithItsContext(t *testing.T) {
	for cause, want := range map[error]string{exchange.ErrDraining: "going down", errors.New("another reason"): "is gone"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		client, upstream, end := relayed(t, ctx, limits, nil)
		cancel(cause)
		for _, c := range []*websocket.Conn{client, upstream} {
			var closed *websocket.CloseError
			if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.Code != websocket.CloseGoingAway || !strings.Contains(closed.Text, want) {
				t.Errorf("%v", err)
			}
		}
		if e := ended(t, end); e.By != socket.Neither || !errors.Is(e.Err, cause) {
			t.Errorf("%+v", e)
		}
	}
}

// TestRelayTellsTheCode: even where the other side is writing when a side closes.
func TestRelayTellsTheCode(t *testing.T) {
	for range 50 {
		client, upstream, end := relayed(t, context.Background(), limits, nil)
		go func() {
			for client.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<14)) == nil {
			}
		}()
		upstream.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4004, "enough"), time.Now().Add(patience))
		go func() {
			for {
				if _, _, err := upstream.ReadMessage(); err != nil {
					return
				}
			}
		}()
		var closed *websocket.CloseError
		if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4004 || closed.Text != "enough" {
			t.Fatalf("%v", err)
		}
		if e := ended(t, end); e.By != socket.Upstream || e.Code != 4004 || e.Err != nil {
			t.Fatalf("%+v", e)
		}
	}
}

// TestDial: a refusal is an answer, and what is no HTTP is an error; neither leaves a connection.
func TestDial(t *testing.T) {
	for name, c := range map[string]struct {
		says   string
		status int
		body   string
	}{
		"refusal":          {"HTTP/1.1 403 Forbidden\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno", 403, "no"},
		"no HTTP":          {"hello\r\n\r\n", 0, ""},
		"nothing":          {"", 0, ""},
		"another key":      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", 0, ""},
		"another protocol": {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			closed := make(chan error, 1)
			go func() {
				b := make([]byte, 4<<10)
				n, _ := there.Read(b)
				if !strings.HasPrefix(string(b[:n]), "GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\n") || !strings.Contains(string(b[:n]), "X-Own: 1\r\n") {
					t.Errorf("%q", b[:n])
				}
				if c.says == "" {
					there.Close()
					closed <- nil
					return
				}
				there.Write([]byte(c.says))
				_, err := there.Read(b)
				closed <- err
			}()
			a, err := socket.Dial(context.Background(), here, socket.Handshake{Host: "a.test", Path: "/p?q=1", Within: patience,
				Header: llm.Header{{Name: "X-Own", Value: "1"}, {Name: "Sec-WebSocket-Key", Value: "theirs"}}})
			if (err == nil) != (c.status != 0) {
				t.Fatalf("%+v, %v", a, err)
			}
			if err == nil && (a.Status != c.status || string(a.Body) != c.body || a.Header.Get("x-a") != "b" || a.Socket != nil) {
				t.Errorf("%+v", a)
			}
			select {
			case <-closed:
			case <-time.After(patience):
				t.Error("the connection is open")
			}
		})
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	here, there := net.Pipe()
	defer there.Close()
	go func() { there.Read(make([]byte, 1<<10)); cancel(exchange.ErrClientGone) }()
	if _, err := socket.Dial(ctx, here, socket.Handshake{Host: "a.test", Path: "/", Within: patience}); !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("a client that left: %v", err)
	}
}
