package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
)

// atOnce is a configuration with keys, in which a tenant may have so many sessions and long bodies at once.
func atOnce(upstream string, sessions, uploads int) string {
	text := strings.Replace(relay(upstream, emptyPipeline, "voice"), `auth     = "none"`, `auth     = "key"`, 1)
	text = strings.Replace(text, `drain = "5s"`, fmt.Sprintf(`drain = "5s", tenant_sessions = %d, tenant_uploads = %d`, sessions, uploads), 1)
	return text + "team \"narrow\" { limit = { sessions = 1, uploads = 1 } }\n"
}

func (r *running) keyOf(team string) string {
	r.t.Helper()
	key, err := r.CreateKey(daemon.NewKey{Name: "a", Team: team})
	if err != nil {
		r.t.Fatal(err)
	}
	return key.Text
}

// TestSessionsOfATenant: a tenant has as many sessions at once as it may, whichever of its keys opens them, and takes
// none from others.
func TestSessionsOfATenant(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, atOnce(v.URL, 2, 2))
	open := func(key string) *session {
		t.Helper()
		c, resp, err := gw.speak("voice", nil, "Authorization", "Bearer "+key)
		if err != nil {
			text, _ := io.ReadAll(resp.Body)
			t.Fatalf("%v: %s", err, text)
		}
		<-v.asked
		v.accepted(t)
		return c
	}
	refused := func(key, says string) bool {
		c, resp, err := gw.speak("voice", nil, "Authorization", "Bearer "+key)
		if err == nil {
			<-v.asked
			v.accepted(t)
			c.Close()
			return false
		}
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(text), says) || !strings.Contains(string(text), "rate_limit_exceeded") {
			t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
		}
		return true
	}
	one, other := gw.keyOf(""), gw.keyOf("")
	first := open(one)
	open(one)
	if !refused(one, "this API key has as many realtime sessions under way as it may (2)") {
		t.Error("a third session")
	}
	open(other)
	open(gw.keyOf("narrow"))
	if !refused(gw.keyOf("narrow"), "the team of this API key has as many realtime sessions under way as it may (1)") {
		t.Error("a second session of a team")
	}
	bye(first.Conn, 1000, "")
	gw.wait("a place for another session", func() bool { return !refused(one, "") })

	v.refuse = func(w http.ResponseWriter) { w.WriteHeader(500) }
	for range 5 { // one that the upstream refuses keeps no place
		_, resp, err := gw.speak("voice", nil, "Authorization", "Bearer "+other)
		if err == nil || resp.StatusCode == 429 {
			t.Errorf("%v %v", resp, err)
		}
	}
}

// TestUploadsOfATenant: a tenant sends as many long bodies at once as it may, and takes none from others.
func TestUploadsOfATenant(t *testing.T) {
	up := startVault(t)
	gw := start(t, atOnce(up.URL, 2, 2))
	body := ask("voice", strings.Repeat("x", 100_000), false)
	begin := func(key string) (net.Conn, *bufio.Reader) {
		c := dialRaw(t, gw)
		br := bufio.NewReader(c)
		fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", key, len(body))
		return c, br
	}
	goesOn := func(br *bufio.Reader) {
		t.Helper()
		if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		br.ReadString('\n')
	}
	whole := func(key string) (int, string) {
		resp, text := gw.do(gw.request(context.Background(), body, "Authorization", "Bearer "+key))
		if resp.StatusCode == 429 && resp.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return resp.StatusCode, text
	}
	one, other := gw.keyOf(""), gw.keyOf("")
	first, answer := begin(one)
	goesOn(answer)
	second, answer2 := begin(one)
	goesOn(answer2)
	if status, text := whole(one); status != 429 || !strings.Contains(text, "this API key has as many uploads under way as it may (2)") {
		t.Errorf("%d %s", status, text)
	}
	if resp, text := gw.do(gw.request(context.Background(), ask("voice", "x", false), "Authorization", "Bearer "+one)); resp.StatusCode != 200 {
		t.Errorf("a short one: %d %s", resp.StatusCode, text)
	}
	if status, text := whole(other); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	_, narrow := begin(gw.keyOf("narrow"))
	goesOn(narrow)
	if status, text := whole(gw.keyOf("narrow")); status != 429 || !strings.Contains(text, "the team of this API key has as many uploads under way as it may (1)") {
		t.Errorf("%d %s", status, text)
	}
	io.WriteString(first, body)
	if resp, err := http.ReadResponse(answer, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v %v", resp, err)
	}
	if status, text := whole(one); status != 200 {
		t.Errorf("behind one that is in: %d %s", status, text)
	}
	second.Close()
	gw.wait("the place of one that left", func() bool { status, _ := whole(one); return status == 200 })
}

// TestAtOnceWithoutKeys: where no key is asked for, an address has as much under way as a tenant may.
func TestAtOnceWithoutKeys(t *testing.T) {
	v := newVoiceServer(t)
	gw := start(t, strings.Replace(atOnce(v.URL, 1, 1), `auth     = "key"`, `auth     = "none"`, 1))
	c, _ := gw.opened(t, v, "voice")
	for range 2 {
		_, resp, err := gw.speak("voice", nil)
		if err == nil {
			t.Fatal("a second session")
		}
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "this address has as many realtime sessions under way as it may (1)") {
			t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
		}
	}
	bye(c.Conn, 1000, "")
	gw.event(c.id)
	c, _ = gw.opened(t, v, "voice")
	bye(c.Conn, 1000, "")

	gw = start(t, strings.Replace(atOnce(startVault(t).URL, 1, 1), `auth     = "key"`, `auth     = "none"`, 1))
	body := ask("voice", strings.Repeat("x", 100_000), false)
	comes := dialRaw(t, gw)
	fmt.Fprintf(comes, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	if line, err := bufio.NewReader(comes).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	send := func() (int, string) {
		resp, text := gw.do(gw.request(context.Background(), body))
		return resp.StatusCode, text
	}
	if status, text := send(); status != 429 || !strings.Contains(text, "this address has as many uploads under way as it may (1)") {
		t.Errorf("%d %s", status, text)
	}
	comes.Close()
	gw.wait("the place of one that left", func() bool { status, _ := send(); return status == 200 })
}
