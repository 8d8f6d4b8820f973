package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/ginnel/ginnel/core/daemon"
)

// voiceServer is an upstream with realtime sessions. What it gets, a test reads from asked and sockets.
type voiceServer struct {
	*httptest.Server
	asked   chan *http.Request
	sockets chan *websocket.Conn
	refuse  func(http.ResponseWriter) // nil = it does not
}

func newVoiceServer(t testing.TB) *voiceServer {
	v := &voiceServer{asked: make(chan *http.Request, 16), sockets: make(chan *websocket.Conn, 16)}
	up := websocket.Upgrader{Subprotocols: []string{"realtime"}, EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.asked <- r
		if v.refuse != nil {
			v.refuse(w)
			return
		}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		v.sockets <- ws
	}))
	t.Cleanup(v.Close)
	return v
}

// accepted is the vendor's side of the session that was asked for last.
func (v *voiceServer) accepted(t *testing.T) *websocket.Conn {
	t.Helper()
	select {
	case ws := <-v.sockets:
		t.Cleanup(func() { ws.Close() })
		ws.SetReadDeadline(time.Now().Add(patience))
		return ws
	case <-time.After(patience):
		t.Fatal("the upstream was not asked")
		return nil
	}
}

// session is a client's side.
type session struct {
	*websocket.Conn
	id string
}

// speak asks the gateway for a session; header are names and values.
func (r *running) speak(model string, protocols []string, header ...string) (*session, *http.Response, error) {
	r.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: patience, EnableCompression: true}
	ws, resp, err := d.Dial("ws"+strings.TrimPrefix(r.url, "http")+"/v1/realtime?model="+model, h)
	if err != nil {
		return nil, resp, err
	}
	r.t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(patience))
	return &session{ws, resp.Header.Get("X-Request-Id")}, resp, nil
}

// opened is a session with both of its ends.
func (r *running) opened(t *testing.T, v *voiceServer, model string) (*session, *websocket.Conn) {
	t.Helper()
	c, _, err := r.speak(model, []string{"realtime"})
	if err != nil {
		t.Fatal(err)
	}
	<-v.asked
	return c, v.accepted(t)
}

// carried sends a message and holds what arrives to it.
func carried(t *testing.T, from, to *websocket.Conn, kind int, message string) {
	t.Helper()
	if err := from.WriteMessage(kind, []byte(message)); err != nil {
		t.Fatal(err)
	}
	gotKind, got, err := to.ReadMessage()
	if err != nil || gotKind != kind || string(got) != message {
		t.Fatalf("%d bytes of kind %d became %d of kind %d: %v", len(message), kind, len(got), gotKind, err)
	}
}

// goodbye reads until the close frame.
func goodbye(t *testing.T, ws *websocket.Conn, code int, reason string) {
	t.Helper()
	var closed *websocket.CloseError
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		if !errors.As(err, &closed) || closed.Code != code || reason != "*" && closed.Text != reason {
			t.Errorf("%v, not %d %q", err, code, reason)
		}
		return
	}
}

func bye(ws *websocket.Conn, code int, reason string) {
	ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(patience))
}

// TestRealtime: messages pass both ways as they are, the upstream has its own model and credentials, and what the
// responses used is added up.
func TestRealtime(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(relay(v.URL, emptyPipeline, "voice"), `    model = "voice"`, `    model = "gpt-realtime/1"`, 1))
	account, browser := "org-"+rand.Text(), rand.Text()
	c, resp, err := gw.speak("voice", []string{"realtime", "openai-insecure-api-key." + browser, "openai-organization." + account, "openai-beta.realtime-v1"},
		"Origin", gw.url, "OpenAI-Beta", "realtime=v1", "Cookie", "a=b", "OpenAI-Organization", account, "X-Mine", "yes")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Sec-Websocket-Protocol") != "realtime" || resp.Header.Get("Sec-Websocket-Extensions") != "" || c.id == "" || resp.Header.Get("X-Ginnel-Route") != "m0/up/1" {
		t.Errorf("answered with %v", resp.Header)
	}
	asked, up := <-v.asked, v.accepted(t)
	key, err := os.ReadFile("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + strings.TrimSpace(string(key)), "Openai-Beta": "realtime=v1", "X-Mine": "yes", "Cookie": "", "Origin": "", "Openai-Organization": "",
		"Sec-Websocket-Protocol": "realtime, openai-beta.realtime-v1", "Sec-Websocket-Extensions": "", "Traceparent": "*",
	} {
		if got := strings.Join(asked.Header.Values(name), "|"); got != want && (want != "*" || got == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := asked.URL.RequestURI(); got != "/v1/realtime?model=gpt-realtime%2F1" {
		t.Errorf("asked for %s", got)
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		body := strings.Repeat("x", size)
		carried(t, c.Conn, up, websocket.TextMessage, `{"type":"input_audio_buffer.append","audio":"`+body+`"}`)
		carried(t, c.Conn, up, websocket.BinaryMessage, "\x00"+body)
		carried(t, up, c.Conn, websocket.TextMessage, `{"type":"response.output_audio.delta","delta":"`+body+`"}`)
		carried(t, up, c.Conn, websocket.BinaryMessage, body)
	}
	pong := make(chan string, 1)
	c.SetPongHandler(func(s string) error { pong <- s; return nil })
	c.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(patience))
	carried(t, c.Conn, up, websocket.TextMessage, `{"type":"input_audio_buffer.commit"}`) // behind the ping
	for range 2 {
		carried(t, up, c.Conn, websocket.TextMessage, `{"type":"response.done","response":{"id":"r","status":"completed","output":[],"usage":{"total_tokens":15,"input_tokens":10,"output_tokens":5,"input_token_details":{"cached_tokens":4}}}}`)
	}
	carried(t, up, c.Conn, websocket.TextMessage, `{"type":"conversation.item.input_audio_transcription.completed","transcript":"hi","usage":{"type":"tokens","total_tokens":10,"input_tokens":7,"output_tokens":3}}`)
	carried(t, up, c.Conn, websocket.TextMessage, `{"type":"conversation.item.input_audio_transcription.completed","transcript":"hi","usage":{"type":"duration","seconds":4}}`)
	if len(pong) == 0 || <-pong != "there?" {
		t.Error("the ping was not answered before what came behind it")
	}
	bye(c.Conn, 1000, "done")
	goodbye(t, up, 1000, "done")
	goodbye(t, c.Conn, 1000, "done")
	e := gw.event(c.id)
	if e.Terminal != "completed" || e.Status != 101 || e.Provider != "up" || e.TraceID == "" || e.TokensIn == nil || *e.TokensIn != 27 {
		t.Errorf("%+v", e)
	}
	if logs := gw.logs.String(); strings.Contains(logs, account) || strings.Contains(logs, browser) {
		t.Error("the log has the client's account or key")
	}
}

// TestRealtimeGoodbyes: each side's close code and reason reach the other, and a side that just leaves is noticed.
func TestRealtimeGoodbyes(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	for _, c := range []struct {
		name            string
		end             func(client, up *websocket.Conn)
		client, up      int // codes; 0 = it is the one that left
		clientR, upR    string
		terminal, error string
	}{
		{"client's own code", func(c, _ *websocket.Conn) { bye(c, 4001, "enough") }, 4001, 4001, "enough", "enough", "completed", ""},
		{"client, no code", func(c, _ *websocket.Conn) { bye(c, 1005, "") }, 1005, 1005, "", "", "completed", ""},
		{"client says it and leaves", func(c, _ *websocket.Conn) { bye(c, 1000, "x"); c.Close() }, 0, 1000, "", "x", "completed", ""},
		{"client leaves", func(c, _ *websocket.Conn) { c.Close() }, 0, 1001, "", "", "client_cancelled", ""},
		{"upstream is done", func(_, u *websocket.Conn) { bye(u, 1000, "") }, 1000, 1000, "", "", "completed", ""},
		{"upstream blames", func(_, u *websocket.Conn) { bye(u, 4000, "invalid_model") }, 4000, 4000, "invalid_model", "invalid_model", "client_error", "invalid_model"},
		{"upstream fails", func(_, u *websocket.Conn) { bye(u, 1011, "oops") }, 1011, 1011, "oops", "oops", "upstream_cut", "oops"},
		{"upstream leaves", func(_, u *websocket.Conn) { u.Close() }, 1011, 0, "the upstream's connection broke off", "", "upstream_cut", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, up := gw.opened(t, v, "voice")
			carried(t, client.Conn, up, websocket.TextMessage, `{"type":"a"}`)
			c.end(client.Conn, up)
			if c.up != 0 {
				goodbye(t, up, c.up, c.upR)
			}
			if c.client != 0 {
				goodbye(t, client.Conn, c.client, c.clientR)
			}
			if e := gw.event(client.id); e.Terminal != c.terminal || c.error != "" && !strings.Contains(e.Error, c.error) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestRealtimeRefusals: what is wrong is said before the upgrade, in the dialect, and nobody is asked for it.
func TestRealtimeRefusals(t *testing.T) {
	v := newVoiceServer(t)
	hcl := strings.Replace(relay(v.URL, fullPipeline, "voice", "other"), `  auth     = "none"`, `  auth     = "key"`, 1)
	hcl += strings.NewReplacer("route \"all\"", "route \"plain\"", "/v1/*", "/plain/*", "pipeline.p", "pipeline.plain").Replace(hcl[strings.Index(hcl, "route \"all\""):strings.Index(hcl, "model \"m0\"")])
	hcl += "pipeline \"plain\" { filters = [filter.headers, filter.ratelimit] }\nteam \"t\" { limit = { requests = \"1/1h\" } }\n"
	gw := start(t, hcl)
	key, err := gw.CreateKey(daemon.NewKey{Name: "a", Models: []string{"m0"}})
	if err != nil {
		t.Fatal(err)
	}
	limited, err := gw.CreateKey(daemon.NewKey{Name: "b", Team: "t"})
	if err != nil {
		t.Fatal(err)
	}
	plain := *gw
	plain.url += "/plain"
	plain.speakAt(t, "", 400, "invalid_request", "Authorization", "Bearer "+key.Text)
	plain.speakAt(t, "?model=voice", 401, "invalid_api_key")
	plain.speakAt(t, "?model=voice", 401, "invalid_api_key", "Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key."+rand.Text())
	plain.speakAt(t, "?model=voice", 401, "invalid_api_key", "Authorization", "Bearer "+rand.Text(), "Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key."+key.Text)
	plain.speakAt(t, "?model=other", 404, "model_not_found", "Authorization", "Bearer "+key.Text)
	plain.speakAt(t, "?model=none", 404, "model_not_found", "Authorization", "Bearer "+key.Text)
	gw.url += "/v1"
	gw.speakAt(t, "?model=voice", 403, "denied", "Authorization", "Bearer "+key.Text)
	if resp, text := plain.do(plain.requestTo(context.Background(), "GET", "/realtime?model=voice", "", "Authorization", "Bearer "+key.Text)); resp.StatusCode != 426 || resp.Header.Get("Upgrade") != "websocket" {
		t.Errorf("without an upgrade: %d %v %s", resp.StatusCode, resp.Header, text)
	}
	if len(v.asked) != 0 {
		t.Error("the upstream was asked")
	}
	for _, text := range []string{"openai-insecure-api-key." + key.Text, "openai-insecure-api-key." + limited.Text} {
		plain.speakAt(t, "?model=voice", 101, "", "Sec-WebSocket-Protocol", "realtime, "+text)
		if r := <-v.asked; strings.Contains(fmt.Sprint(r.Header, r.URL), key.Text) || strings.Contains(fmt.Sprint(r.Header, r.URL), limited.Text) {
			t.Error("the upstream got the client's key")
		}
		v.accepted(t).Close()
	}
	plain.speakAt(t, "?model=voice", 429, "rate_limit_exceeded", "Authorization", "Bearer "+limited.Text)
	if strings.Contains(gw.logs.String(), key.Text) {
		t.Error("the log has a key")
	}
}

// speakAt sends a handshake and looks at the answer, and at what becomes of the connection.
func (r *running) speakAt(t *testing.T, query string, status int, code string, header ...string) {
	t.Helper()
	c := dialRaw(t, r)
	host, path, _ := strings.Cut(strings.TrimPrefix(r.url, "http://"), "/")
	head := "GET /" + path + "/realtime" + query + " HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for i := 0; i+1 < len(header); i += 2 {
		head += header[i] + ": " + header[i+1] + "\r\n"
	}
	io.WriteString(c, head+"\r\n")
	resp, rest := readRaw(t, c)
	if resp.StatusCode != status {
		t.Errorf("%s %v: %d, not %d: %s", query, header, resp.StatusCode, status, rest)
		return
	}
	if status == 101 {
		return
	}
	checkError(t, rest, code, resp.Header.Get("X-Request-Id"))
	if !resp.Close {
		t.Error("the connection goes on behind an upgrade that was refused")
	}
}

func dialRaw(t *testing.T, r *running) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addresses()["public"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// TestRealtimeUpstreamRefuses: an upstream's refusal is the client's answer, in the dialect; whose keys are wrong is
// not its business.
func TestRealtimeUpstreamRefuses(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	long := strings.Repeat("long ", 1000)
	for _, c := range []struct {
		status   int
		body     string
		want     int
		says     string
		terminal string
	}{
		{400, `{"error":{"message":"no such voice ` + long + `","type":"invalid_request_error","param":"voice","code":"bad_voice"}}`, 400, "bad_voice", "client_error"},
		{429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, 429, "slow down", "upstream_error"},
		{401, `{"error":{"message":"bad key"}}`, 502, "credentials", "upstream_error"},
		{500, `<h1>oops</h1>`, 500, "server_error", "upstream_error"},
		{200, `{}`, 502, "upstream_error", "upstream_error"},
		{404, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`, 404, "The model does not exist", "upstream_error"},
	} {
		v.refuse = func(w http.ResponseWriter) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}
		conn := dialRaw(t, gw)
		io.WriteString(conn, "GET /v1/realtime?model=voice HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		resp, text := readRaw(t, conn)
		<-v.asked
		if resp.StatusCode != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%d became %d: %s", c.status, resp.StatusCode, text)
		}
		if c.want == 400 && text != c.body {
			t.Error("the upstream's own words were changed")
		}
		if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != c.terminal {
			t.Errorf("%d: %+v", c.status, e)
		}
	}
}

// TestRealtimeFallback: a session is had elsewhere where the upstream does not have the model.
func TestRealtimeFallback(t *testing.T) {
	bad, good := newVoiceServer(t), newVoiceServer(t)
	bad.refuse = func(w http.ResponseWriter) {
		w.WriteHeader(404)
		io.WriteString(w, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`)
	}
	gw := start(t, strings.Replace(relay(bad.URL, emptyPipeline, "voice"), "  target", "  fallback = [model.other]\n  target", 1)+`
provider "good" {
  plugin   = "openai"
  base_url = "`+good.URL+`/v1"
  config { api_key = secret.up }
}
model "other" {
  target "good" {
    provider = provider.good
    model    = "voice"
  }
}
`)
	c, up := gw.opened(t, good, "voice")
	carried(t, c.Conn, up, websocket.TextMessage, `{"type":"session.update","session":{"voice":"a"}}`)
}

// TestRealtimeModels: a session uses the models that its caller may use, whatever its messages name.
func TestRealtimeModels(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(strings.Replace(relay(v.URL, emptyPipeline, "voice", "whisper"), `    model = "voice"`, `    model = "vendor-voice"`, 1), "provider \"up\" {", "provider \"up\" {\n  shared_files = false", 1))
	for message, want := range map[string]string{
		`{"type":"session.update","session":{"model":"voice","voice":"a"}}`:                                                      `{"type":"session.update","session":{"model":"vendor-voice","voice":"a"}}`,
		`{"type":"session.update","session":{"model":"vendor-voice"}}`:                                                           `{"type":"session.update","session":{"model":"vendor-voice"}}`,
		`{"type":"session.update","session":{"model":"else"}}`:                                                                   "",
		`{"type":"session.update","session":{"model":"voice"},"session":{"model":"else"}}`:                                       "",
		`{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"whisper"}}}}}`:                          `{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"whisper"}}}}}`,
		`{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"else"}}}}}`:                             "",
		`{"type":"session.update","session":{"input_audio_transcription":{"model":"else"}}}`:                                     "",
		`{"type":"session.update","session":{"tools":[{"type":"function","parameters":{"properties":{"model":"else"}}}]}}`:       `{"type":"session.update","session":{"tools":[{"type":"function","parameters":{"properties":{"model":"else"}}}]}}`,
		`{"type":"conversation.item.create","item":{"content":[{"type":"input_text","text":"{\"session\":{\"model\":1}}"}]}}`:    `{"type":"conversation.item.create","item":{"content":[{"type":"input_text","text":"{\"session\":{\"model\":1}}"}]}}`,
		`{"type":"response.create","response":{"prompt":{"id":"p","variables":{"c":{"type":"input_file","file_id":"file-1"}}}}}`: "",
		`not JSON`: "",
	} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			c, up := gw.opened(t, v, "voice")
			if err := c.WriteMessage(kind, []byte(message)); err != nil {
				t.Fatal(err)
			}
			if want != "" || kind == websocket.BinaryMessage && message[0] != '{' {
				if _, got, err := up.ReadMessage(); err != nil || want != "" && string(got) != want {
					t.Errorf("%s became %s: %v", message, got, err)
				}
				c.Close()
				continue
			}
			goodbye(t, c.Conn, websocket.ClosePolicyViolation, "*")
			goodbye(t, up, websocket.CloseGoingAway, "*")
			if e := gw.event(c.id); e.Terminal != "client_error" {
				t.Errorf("%+v", e)
			}
		}
	}
}

// TestRealtimeEncodings: an object in UTF-16 or UTF-32 is none that the gateway reads, though some servers do; sound
// that looks a little like one passes.
func TestRealtimeEncodings(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	const object = "\ufeff \n{ \"type\":\"session.update\",\"session\":{\"model\":\"else\"}}"
	var le, be, wide []byte
	for _, c := range object {
		le = append(le, byte(c), byte(c>>8))
		be = append(be, byte(c>>8), byte(c))
		wide = append(wide, 0, 0, byte(c>>8), byte(c))
	}
	for _, message := range [][]byte{le, be, wide, le[2:], be[2:], wide[4:]} {
		c, up := gw.opened(t, v, "voice")
		if err := c.WriteMessage(websocket.BinaryMessage, message); err != nil {
			t.Fatal(err)
		}
		goodbye(t, c.Conn, websocket.ClosePolicyViolation, "*")
		goodbye(t, up, websocket.CloseGoingAway, "*")
	}
	c, up := gw.opened(t, v, "voice")
	for _, sound := range []string{"{", "\x00{\x01{", "\x00\x00\x00\x00{\"", "\x00\x00{\x01\"}"} {
		carried(t, c.Conn, up, websocket.BinaryMessage, "\x00"+sound)
	}
}

// TestRealtimeRevoked: a key that is revoked says and hears nothing more in a session that it opened.
func TestRealtimeRevoked(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(relay(v.URL, emptyPipeline, "voice"), `auth     = "none"`, `auth     = "key"`, 1))
	for _, hears := range []bool{false, true} {
		key, err := gw.CreateKey(daemon.NewKey{Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := gw.speak("voice", nil, "Authorization", "Bearer "+key.Text)
		if err != nil {
			t.Fatal(err)
		}
		<-v.asked
		up := v.accepted(t)
		carried(t, c.Conn, up, websocket.TextMessage, "{}")
		control, err := daemon.Dial(t.Context(), gw.data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := control.RevokeKey(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		speaker := c.Conn
		if hears {
			speaker = up
		}
		if err := speaker.WriteMessage(websocket.TextMessage, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		goodbye(t, c.Conn, websocket.ClosePolicyViolation, "*")
		goodbye(t, up, websocket.CloseGoingAway, "*")
	}
}

// TestRealtimeLimits: a message that is too large ends the session on both sides; who reads slowly stops the other.
func TestRealtimeLimits(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(relay(v.URL, emptyPipeline, "voice"), `limits   = { drain = "5s" }`, `limits   = { drain = "5s", body = "100KiB" }`, 1))
	c, up := gw.opened(t, v, "voice")
	carried(t, c.Conn, up, websocket.BinaryMessage, strings.Repeat("x", 100<<10))
	c.WriteMessage(websocket.BinaryMessage, bytes.Repeat([]byte("x"), 100<<10+1))
	goodbye(t, c.Conn, websocket.CloseMessageTooBig, "*")
	goodbye(t, up, websocket.CloseGoingAway, "*")
	if e := gw.event(c.id); e.Terminal != "client_error" {
		t.Errorf("%+v", e)
	}

	c, up = gw.opened(t, v, "voice")
	var pings sync.WaitGroup
	pings.Go(func() {
		for c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)) == nil {
		}
	})
	goodbye(t, c.Conn, websocket.ClosePolicyViolation, "too many pings, pongs or empty frames")
	c.Close()
	pings.Wait()
	goodbye(t, up, websocket.CloseGoingAway, "*")
	if e := gw.event(c.id); e.Terminal != "client_error" {
		t.Errorf("%+v", e)
	}

	c, up = gw.opened(t, v, "voice")
	const pieces, size = 2000, 64 << 10 // more than any kernel's buffers hold
	piece := bytes.Repeat([]byte("y"), size)
	var sent sync.WaitGroup
	progress := make(chan int, pieces)
	sent.Go(func() {
		up.SetWriteDeadline(time.Now().Add(patience))
		for i := range pieces {
			if up.WriteMessage(websocket.BinaryMessage, piece) != nil {
				return
			}
			progress <- i
		}
	})
	last := 0
	for stalled := false; !stalled; { // until the upstream is not read from any more
		select {
		case last = <-progress:
		case <-time.After(time.Second):
			stalled = true
		}
	}
	if last == pieces-1 {
		t.Error("everything was taken from the upstream though the client reads nothing")
	}
	for range pieces {
		if _, got, err := c.ReadMessage(); err != nil || len(got) != size {
			t.Fatalf("%d bytes: %v", len(got), err)
		}
	}
	sent.Wait()
	c.Close()
	goodbye(t, up, websocket.CloseGoingAway, "*")
}

// TestRealtimeDrains: a daemon that goes down lets sessions end, and tells both sides of those that do not.
func TestRealtimeDrains(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, relay(v.URL, emptyPipeline, "voice"))
	ends, ended := gw.opened(t, v, "voice")
	stays, told := gw.opened(t, v, "voice")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- gw.Stop(ctx) }()
	carried(t, ends.Conn, ended, websocket.TextMessage, `{}`)
	bye(ends.Conn, 1000, "")
	goodbye(t, ended, 1000, "")
	goodbye(t, ends.Conn, 1000, "")
	var both sync.WaitGroup
	both.Go(func() { goodbye(t, stays.Conn, websocket.CloseGoingAway, "the gateway is going down") })
	both.Go(func() { goodbye(t, told, websocket.CloseGoingAway, "the gateway is going down") })
	both.Wait()
	if err := <-stopped; err != nil {
		t.Logf("stop: %v", err)
	}
	if e, f := gw.event(ends.id), gw.event(stays.id); e.Terminal != "completed" || f.Terminal != "drained" {
		t.Errorf("%+v, %+v", e, f)
	}
}

// readRaw reads one answer with its body.
func readRaw(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}
