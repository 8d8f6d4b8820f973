package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/daemon"
)

// realtimeUpstream is a vendor whose sessions a test leads.
type realtimeUpstream struct {
	*httptest.Server
	sessions chan *websocket.Conn

	mu   sync.Mutex // protects what follows
	seen []*http.Request
	no   func(http.ResponseWriter) bool // refuses a session
}

func startRealtime(t *testing.T) *realtimeUpstream {
	t.Helper()
	u := &realtimeUpstream{sessions: make(chan *websocket.Conn, 16)}
	upgrade := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"realtime"}, EnableCompression: true}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r)
		no := u.no
		u.mu.Unlock()
		if no != nil && no(w) {
			return
		}
		if c, err := upgrade.Upgrade(w, r, nil); err == nil {
			u.sessions <- c
		}
	}))
	t.Cleanup(u.Close)
	return u
}

// session returns the upstream's side of the next session.
func (u *realtimeUpstream) session(t *testing.T) *websocket.Conn {
	t.Helper()
	select {
	case c := <-u.sessions:
		t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(patience):
		t.Fatal("no session was opened")
		return nil
	}
}

// last returns the request that the upstream saw last.
func (u *realtimeUpstream) last() *http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen[len(u.seen)-1]
}

// open asks a gateway for a session.
func (r *running) session(query string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: patience, EnableCompression: true}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, resp, err := d.DialContext(ctx, "ws"+strings.TrimPrefix(r.url, "http")+"/v1/realtime"+query, header)
	if c != nil {
		r.t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(patience))
	}
	return c, resp, err
}

// TestRealtime: a session is relayed message by message, both ways, and what it used is counted.
func TestRealtime(t *testing.T) {
	up := startRealtime(t)
	gw := start(t, relay(up.URL, headersAndRate, "gpt-realtime"))
	client, resp, err := gw.session("?model=gpt-realtime&intent=talk", http.Header{"OpenAI-Beta": {"realtime=v1"}, "Origin": {"https://app.test"}}, "realtime", "openai-organization.theirs")
	if err != nil {
		t.Fatal(err, resp)
	}
	if resp.StatusCode != 101 || resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("X-Ginnel-Route") == "" || client.Subprotocol() != "realtime" || resp.Header.Get("Sec-Websocket-Extensions") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	server := up.session(t)
	server.SetReadDeadline(time.Now().Add(patience))
	asked := up.last()
	if asked.URL.Path != "/v1/realtime" || asked.URL.RawQuery != "model=gpt-realtime&intent=talk" || asked.Header.Get("Openai-Beta") != "realtime=v1" ||
		asked.Header.Get("Origin") != "" || asked.Header.Get("Sec-Websocket-Protocol") != "realtime" || asked.Header.Get("Authorization") == "" || asked.Header.Get("Traceparent") == "" {
		t.Errorf("%s %v", asked.URL, asked.Header)
	}
	big := strings.Repeat("sound ", 1<<20)
	for i, m := range []struct {
		kind int
		text string
	}{{websocket.TextMessage, `{"type":"session.update"}`}, {websocket.BinaryMessage, "\x00\xff"}, {websocket.TextMessage, ""}, {websocket.TextMessage, big}} {
		from, to := client, server
		for range 2 {
			if err := from.WriteMessage(m.kind, []byte(m.text)); err != nil {
				t.Fatal(err)
			}
			kind, got, err := to.ReadMessage()
			if err != nil || kind != m.kind || string(got) != m.text {
				t.Fatalf("message %d: kind %d, %d bytes, %v", i, kind, len(got), err)
			}
			from, to = to, from
		}
	}
	for range 2 {
		const done = `{"type":"response.done","response":{"status":"completed","usage":{"total_tokens":30,"input_tokens":10,"output_tokens":20,"input_token_details":{"cached_tokens":4}}}}`
		if err := server.WriteMessage(websocket.TextMessage, []byte(done)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := client.ReadMessage(); err != nil || string(got) != done {
			t.Fatalf("%s, %v", got, err)
		}
	}
	if err := client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "that was it"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var closed *websocket.CloseError
	if _, _, err := server.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4001 || closed.Text != "that was it" {
		t.Errorf("the upstream saw %v", err)
	}
	if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4001 {
		t.Errorf("the client saw %v", err)
	}
	e := gw.event(resp.Header.Get("X-Request-Id"))
	if e.Terminal != "completed" || e.Status != 101 || e.TokensIn == nil || *e.TokensIn != 20 {
		t.Errorf("%+v", e)
	}
}

// headersAndRate is a pipeline whose filters look at no text.
const headersAndRate = `
filter "headers" {
  wasm   = "builtin:headers"
  limits = { time = "20s" }
}
filter "ratelimit" {
  wasm   = "builtin:ratelimit"
  limits = { time = "20s" }
  rate "default" { limit = "1000000/1m" }
}
pipeline "p" { filters = [filter.headers, filter.ratelimit] }
`

// TestRealtimeEnds: whoever ends a session, the other side is told, and the log says how it ended.
func TestRealtimeEnds(t *testing.T) {
	for _, c := range []struct {
		name     string
		end      func(client, server *websocket.Conn)
		upstream bool // it is the client that ends it, and the upstream that is told
		code     int
		terminal string
	}{
		{"the upstream closes", func(_, server *websocket.Conn) {
			server.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "session expired"), time.Now().Add(patience))
		}, false, 1001, "completed"},
		{"the upstream fails", func(_, server *websocket.Conn) {
			server.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "oh"), time.Now().Add(patience))
		}, false, 1011, "upstream_error"},
		{"the upstream closes without a code", func(_, server *websocket.Conn) {
			server.WriteControl(websocket.CloseMessage, nil, time.Now().Add(patience))
		}, false, 1005, "completed"},
		{"the upstream breaks off", func(_, server *websocket.Conn) { server.NetConn().Close() }, false, 1011, "upstream_cut"},
		{"the upstream breaks off within a message", func(_, server *websocket.Conn) {
			w, _ := server.NextWriter(websocket.TextMessage)
			w.Write([]byte(strings.Repeat("x", 1<<16)))
			server.NetConn().Close()
		}, false, 1011, "upstream_cut"},
		{"the client leaves", func(client, _ *websocket.Conn) { client.NetConn().Close() }, true, 1001, "client_cancelled"},
		{"the client closes", func(client, _ *websocket.Conn) {
			client.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
			client.NetConn().Close()
		}, true, 1000, "completed"},
		{"the client says too much", func(client, _ *websocket.Conn) {
			client.WriteMessage(websocket.BinaryMessage, make([]byte, talkedTooMuch))
		}, true, 1009, "client_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := startRealtime(t)
			gw := start(t, relay(up.URL, emptyPipeline, "gpt-realtime"))
			client, resp, err := gw.session("?model=gpt-realtime", nil)
			if err != nil {
				t.Fatal(err)
			}
			server := up.session(t)
			server.SetReadDeadline(time.Now().Add(patience))
			told := client
			if c.upstream {
				told = server
			}
			result := make(chan error, 1)
			go func() {
				for {
					if _, _, err := told.ReadMessage(); err != nil {
						result <- err
						return
					}
				}
			}()
			c.end(client, server)
			err = <-result
			var closed *websocket.CloseError
			if !errors.As(err, &closed) || closed.Code != c.code {
				t.Errorf("it is told %v, want %d", err, c.code)
			}
			if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != c.terminal {
				t.Errorf("%+v", e)
			}
		})
	}
}

// talkedTooMuch is more than a message of a session may have.
const talkedTooMuch = 25 << 20

// TestRealtimeIsRefused: where there is no session, an error in the dialect says why, and nothing was upgraded.
func TestRealtimeIsRefused(t *testing.T) {
	up := startRealtime(t)
	gw := start(t, relay(up.URL, emptyPipeline, "gpt-realtime"))
	sanitized := start(t, relay(up.URL, fullPipeline, "gpt-realtime"))
	says := func(status int, kind, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	for _, c := range []struct {
		name, query string
		gw          *running
		no          func(http.ResponseWriter) bool
		status      int
		says        string
	}{
		{"no model", "", gw, nil, 400, "names no model"},
		{"another model", "?model=other", gw, nil, 404, "`other`"},
		{"a filter that looks at texts", "?model=gpt-realtime", sanitized, nil, 403, "`sanitize`"},
		{"an error of the vendor's", "?model=gpt-realtime", gw, says(400, "application/json", `{"error":{"message":"no such voice","type":"invalid_request_error","code":null,"param":null}}`), 400, "no such voice"},
		{"the gateway's key is wrong", "?model=gpt-realtime", gw, says(401, "application/json", `{"error":{"message":"Incorrect API key provided: theirs"}}`), 502, "credentials"},
		{"a page", "?model=gpt-realtime", gw, says(503, "text/html", "<html>busy"), 503, "refused"},
		{"no session", "?model=gpt-realtime", gw, says(200, "application/json", "{}"), 502, "session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			up.mu.Lock()
			up.no = c.no
			up.mu.Unlock()
			_, resp, err := c.gw.session(c.query, nil)
			if !errors.Is(err, websocket.ErrBadHandshake) || resp == nil {
				t.Fatalf("%v", err)
			}
			body := make([]byte, 1024)
			n, _ := resp.Body.Read(body)
			if text := string(body[:n]); resp.StatusCode != c.status || !strings.Contains(text, c.says) || !strings.Contains(text, `"error"`) || strings.Contains(text, "theirs") {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		})
	}
	resp, body := gw.do(gw.requestTo(context.Background(), "GET", "/v1/realtime?model=gpt-realtime", ""))
	if resp.StatusCode != 426 || !strings.Contains(body, "WebSocket") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	up.Close()
	if _, resp, err := gw.session("?model=gpt-realtime", nil); !errors.Is(err, websocket.ErrBadHandshake) || resp.StatusCode != 503 {
		t.Errorf("%v %v", err, resp)
	}
}

// TestRealtimeKeys: a key lets in by header or by subprotocol, and goes no further.
func TestRealtimeKeys(t *testing.T) {
	up := startRealtime(t)
	gw := start(t, strings.Replace(relay(up.URL, headersAndRate, "gpt-realtime"), `auth     = "none"`, `auth     = "key"`, 1))
	key, err := gw.CreateKey(daemon.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	text := key.Text
	for name, c := range map[string]struct {
		header    http.Header
		protocols []string
		ok        bool
	}{
		"header":      {http.Header{"Authorization": {"Bearer " + text}}, nil, true},
		"subprotocol": {nil, []string{"realtime", "openai-insecure-api-key." + text}, true},
		"none":        {nil, []string{"realtime"}, false},
		"wrong":       {nil, []string{"openai-insecure-api-key." + rand.Text()}, false},
	} {
		client, resp, err := gw.session("?model=gpt-realtime", c.header, c.protocols...)
		if ok := err == nil; ok != c.ok || !ok && resp.StatusCode != 401 {
			t.Errorf("%s: %v, %v", name, err, resp)
			continue
		}
		if !c.ok {
			continue
		}
		up.session(t)
		for field, values := range up.last().Header {
			if strings.Contains(strings.Join(values, " "), text) {
				t.Errorf("%s: the upstream sees the key in %s", name, field)
			}
		}
		client.Close()
		gw.event(resp.Header.Get("X-Request-Id"))
	}
	if strings.Contains(gw.logs.String(), text) {
		t.Error("the log has the key")
	}
}

// TestRealtimeDrains: a daemon that stops says so to both sides of a session.
func TestRealtimeDrains(t *testing.T) {
	up := startRealtime(t)
	gw := start(t, relay(up.URL, emptyPipeline, "gpt-realtime"))
	client, _, err := gw.session("?model=gpt-realtime", nil)
	if err != nil {
		t.Fatal(err)
	}
	server := up.session(t)
	server.SetReadDeadline(time.Now().Add(patience))
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		stopped <- gw.Stop(ctx)
	}()
	for who, c := range map[string]*websocket.Conn{"client": client, "upstream": server} {
		var closed *websocket.CloseError
		if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.Code != websocket.CloseGoingAway {
			t.Errorf("the %s saw %v", who, err)
		}
	}
	<-stopped
}
