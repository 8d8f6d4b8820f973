package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/daemon"
)

// rawUpstream answers each handshake with what shake returns for its Sec-WebSocket-Accept and hands over the connection.
func rawUpstream(t *testing.T, shake func(accept string) string, then func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				h := sha1.Sum([]byte(req.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				io.WriteString(c, shake(base64.StdEncoding.EncodeToString(h[:])))
				then(c, br)
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

func switching(extra string) func(string) string {
	return func(accept string) string {
		return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n" + extra + "\r\n"
	}
}

// rawFrame is a frame that is not masked.
func rawFrame(b0 byte, payload []byte) []byte {
	out := []byte{b0}
	switch n := len(payload); {
	case n < 126:
		out = append(out, byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	return append(out, payload...)
}

// bomb is so many zeros, compressed.
func bomb(n int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	zero := make([]byte, 1<<20)
	for ; n > 0; n -= len(zero) {
		w.Write(zero[:min(n, len(zero))])
	}
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// TestRealtimeForcedCompression: an upstream must not switch on what nobody offered (RFC 6455, section 4.1), least of
// all what makes much of little.
func TestRealtimeForcedCompression(t *testing.T) {
	url := rawUpstream(t, switching("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"), func(c net.Conn, br *bufio.Reader) {
		c.Write(rawFrame(0x80|0x40|2, bomb(80<<20)))
		io.Copy(io.Discard, br)
	})
	gw := start(t, relay(url, emptyPipeline, "voice"))
	if _, resp, err := gw.speak("voice", nil); err == nil || resp == nil || resp.StatusCode != 502 {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestRealtimeInterimAnswers: a session begins behind answers that are not yet one, and a frame right behind its head is its first.
func TestRealtimeInterimAnswers(t *testing.T) {
	url := rawUpstream(t, func(accept string) string {
		return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + switching("")(accept) + string(rawFrame(0x81, []byte("{}")))
	}, func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
	gw := start(t, relay(url, emptyPipeline, "voice"))
	c, resp, err := gw.speak("voice", nil)
	if err != nil {
		t.Fatalf("%v, %v", resp, err)
	}
	if _, message, err := c.ReadMessage(); err != nil || string(message) != "{}" {
		t.Errorf("%q, %v", message, err)
	}
}

// TestRealtimeOddAnswers: whatever an upstream answers to the upgrade, the client has an error of the dialect that says so,
// with the vendor's own words where it has some.
func TestRealtimeOddAnswers(t *testing.T) {
	answers := make(chan string, 1)
	url := rawUpstream(t, func(string) string { return <-answers }, func(net.Conn, *bufio.Reader) {})
	gw := start(t, relay(url, emptyPipeline, "voice"))
	body := func(status, header, text string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(text), text)
	}
	for name, c := range map[string]struct {
		answer, says string
		status       int
		terminal     string
	}{
		"not HTTP":        {"SSH-2.0-OpenSSH_9.6\r\n", "could not be read", 502, "upstream_error"},
		"half a head":     {"HTTP/1.1 500 Oops\r\nContent-", "broke off", 502, "upstream_cut"},
		"half a body":     {"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n<h1>", "broke off", 502, "upstream_cut"},
		"nothing":         {"", "could not be reached", 503, "upstream_error"},
		"a page":          {body("500 Oops", "Content-Type: text/html\r\n", "<h1>oops</h1>"), "refused the request", 500, "upstream_error"},
		"an error":        {body("503 Busy", "", `{"error":{"message":"try our other region","type":"server_error"}}`), "try our other region", 503, "upstream_error"},
		"an error in 200": {body("200 OK", "", `{"error":{"message":"no sessions in this region","type":"server_error"}}`), "no sessions in this region", 502, "upstream_error"},
		"a 200":           {body("200 OK", "", "ok"), "does not switch to WebSocket", 502, "upstream_error"},
		"a 204":           {"HTTP/1.1 204 No\r\n\r\n", "does not switch to WebSocket", 502, "upstream_error"},
		"a redirect":      {body("307 There", "Location: https://elsewhere.example/\r\n", ""), "redirects", 502, "upstream_error"},
		"a 426":           {body("426 Upgrade Required", "Upgrade: h2c\r\n", `{"error":{"message":"HTTP/2 only","type":"invalid_request_error"}}`), "HTTP/2 only", 502, "upstream_error"},
		"a 426 of nobody": {body("426 Upgrade Required", "Upgrade: websocket\r\n", "Upgrade Required"), "refused the request", 502, "upstream_error"},
	} {
		t.Run(name, func(t *testing.T) {
			answers <- c.answer
			conn := dialRaw(t, gw)
			io.WriteString(conn, "GET /v1/realtime?model=voice HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			resp, text := readRaw(t, conn)
			if resp.StatusCode != c.status || !strings.Contains(text, c.says) || !strings.HasPrefix(text, `{"error":{`) || resp.Header.Get("Upgrade") != "" {
				t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
			}
			if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != c.terminal {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestRealtimeUsageBehindGoodbye counts: what a response has used, although the client says goodbye just before the upstream tells it.
func TestRealtimeUsageBehindGoodbye(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	c, up := gw.opened(t, v, "voice")
	carried(t, c.Conn, up, websocket.TextMessage, `{"type":"response.create"}`)
	carried(t, up, c.Conn, websocket.TextMessage, `{"type":"response.output_audio.done"}`) // the client has all it wants
	up.SetCloseHandler(func(int, string) error { return nil })
	bye(c.Conn, 1000, "")
	goodbye(t, up, 1000, "")
	up.WriteMessage(websocket.TextMessage, []byte(`{"type":"response.done","response":{"status":"completed","usage":{"total_tokens":15,"input_tokens":10,"output_tokens":5}}}`))
	bye(up, 1000, "")
	if e := gw.event(c.id); e.TokensIn == nil || *e.TokensIn != 10 {
		t.Errorf("the response's tokens are lost: %+v", e)
	}
}

// TestRealtimeLongest is as long as the operator says.
func TestRealtimeLongest(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(relay(v.URL, emptyPipeline, "voice"), `drain = "5s"`, `drain = "5s", session = "2s"`, 1))
	c, up := gw.opened(t, v, "voice")
	var both sync.WaitGroup
	both.Go(func() { goodbye(t, c.Conn, 1001, "*") })
	both.Go(func() { goodbye(t, up, 1001, "*") })
	both.Wait()
	if e := gw.event(c.id); e.Terminal != "timeout" {
		t.Errorf("%+v", e)
	}
}

// TestRealtimeSlowClientTripsBreaker of nobody: an upstream hangs up where a client takes nothing, and is well.
func TestRealtimeSlowClientTripsBreaker(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(relay(v.URL, emptyPipeline, "voice"), "  retry = { attempts = 1 }\n", "  retry = { attempts = 1 }\n  breaker = { failures = 3, window = \"1m\", cooldown = \"1m\" }\n", 1))
	for range 3 {
		c, up := gw.opened(t, v, "voice")
		// as uvicorn and python-websockets do: a ping, and they hang up where no pong comes in time (20 s there, 2 s here)
		pong := make(chan struct{}, 100)
		up.SetPongHandler(func(string) error { pong <- struct{}{}; return nil })
		up.SetReadDeadline(time.Time{})
		go func() {
			for {
				if _, _, err := up.ReadMessage(); err != nil {
					return
				}
			}
		}()
		dead := make(chan struct{})
		go func() {
			defer close(dead)
			for {
				up.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
				select {
				case <-pong:
					time.Sleep(100 * time.Millisecond)
				case <-time.After(2 * time.Second):
					up.UnderlyingConn().Close()
					return
				}
			}
		}()
		piece := bytes.Repeat([]byte("y"), 64<<10)
		go func() {
			for up.WriteMessage(websocket.BinaryMessage, piece) == nil {
			}
		}()
		<-dead // the client has read nothing so far
		go func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		}()
		gw.event(c.id)
	}
	c, resp, err := gw.speak("voice", []string{"realtime"})
	if err != nil {
		body, _ := io.ReadAll(resp.Body)
		t.Errorf("another client is refused: %v %d %s", err, resp.StatusCode, body)
		return
	}
	c.Close()
}

// TestRealtimeOriginOpenRoute: where no key is asked for, nothing else keeps any web page from talking.
func TestRealtimeOriginOpenRoute(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	if c, resp, err := gw.speak("voice", []string{"realtime"}, "Origin", "https://evil.example"); err == nil || resp.StatusCode != 403 {
		t.Errorf("%v, %v, %v", c, resp, err)
	}
	own, _, err := gw.speak("voice", []string{"realtime"}, "Origin", gw.url)
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
}

// masked is a frame with the mask 0.
func masked(b0 byte, payload []byte) []byte {
	f := rawFrame(b0, payload)
	head := len(f) - len(payload)
	f[1] |= 0x80
	return append(append(append([]byte{}, f[:head]...), 0, 0, 0, 0), payload...)
}

// TestRealtimeUnfinishedMessagesHoldRoom no longer than a body may take, whatever pongs come.
func TestRealtimeUnfinishedMessagesHoldRoom(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(strings.Replace(relay(v.URL, emptyPipeline, "voice"), `auth     = "none"`, `auth     = "key"`, 1), `drain = "5s"`, `drain = "1s", idle_timeout = "2s", body_timeout = "3s"`, 1))
	a, err := gw.CreateKey(daemon.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := gw.CreateKey(daemon.NewKey{Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range v.asked {
		}
	}()
	part := masked(0x02, make([]byte, 16<<20+2<<10))
	stop := make(chan struct{})
	defer close(stop)
	for range 16 {
		c := dialRaw(t, gw)
		io.WriteString(c, "GET /v1/realtime?model=voice HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+a.Text+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
			t.Fatal(resp, err)
		}
		go func(up *websocket.Conn) {
			up.SetReadDeadline(time.Time{})
			up.ReadMessage()
		}(v.accepted(t))
		if _, err := c.Write(part); err != nil { // FIN is not set, and nothing of data follows
			t.Fatal(err)
		}
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Millisecond):
					c.Write(masked(0x8a, nil)) // pongs
				}
			}
		}()
	}
	v.refuse = func(w http.ResponseWriter) { w.WriteHeader(500) } // of the requests that get through
	gw.wait("room for another key", func() bool {
		resp, _ := gw.do(gw.request(context.Background(), ask("voice", strings.Repeat("x", 20<<20), false), "Authorization", "Bearer "+b.Text))
		return resp.StatusCode != 503
	})
}
