package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestAnswers(t *testing.T) {
	long := strings.Repeat("a long line of text ", 10_000)
	for _, c := range []struct {
		name, text, body string
		kind             Kind // 0 = none
	}{
		{"length", ok, "{}", 0},
		{"length of nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 0},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", "{}", 0},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", 0},
		{"until the end, 1.0", "HTTP/1.0 200 OK\r\n\r\nall of it", "all of it", 0},
		{"204 has no body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", 0},
		{"304 has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", 0},
		{"chunks", chunkedHead + "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", 0},
		{"chunk extension", chunkedHead + "3;x=\"y\"\r\nabc\r\n0;z\r\n\r\n", "abc", 0},
		{"trailers", chunkedHead + "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", "abc", 0},
		{"large chunk", chunkedHead + "30D40\r\n" + long + "\r\n0\r\n\r\n", long, 0},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, "{}", 0},
		{"folded case", "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "x", 0},

		{"nothing", "", "", Cut},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", "", Cut},
		{"less than the length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "abc", Cut},
		{"no last chunk", chunkedHead + "3\r\nabc\r\n", "abc", Cut},
		{"half a chunk", chunkedHead + "5\r\nabc", "abc", Cut},
		{"half a size", chunkedHead + "3\r\nabc\r\n5", "abc", Cut},
		{"last chunk without its end", chunkedHead + "3\r\nabc\r\n0\r\n", "abc", Cut},
		{"trailer without its end", chunkedHead + "3\r\nabc\r\n0\r\nX-Sum: 1\r\n", "abc", Cut},

		{"not HTTP", "hello, this is a mail server\r\n\r\n", "", Protocol},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "", Protocol},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", "", Protocol},
		{"status of letters", "HTTP/1.1 2OO OK\r\n\r\n", "", Protocol},
		{"status of four", "HTTP/1.1 2000 OK\r\n\r\n", "", Protocol},
		{"status below 100", "HTTP/1.1 099 No\r\n\r\n", "", Protocol},
		{"switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", Protocol},
		{"interim without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), "", Protocol},
		{"folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", "", Protocol},
		{"space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}", "", Protocol},
		{"no colon", "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n{}", "", Protocol},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}", "", Protocol},
		{"bare CR", "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 2\r\n\r\n{}", "", Protocol},
		{"NUL", "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "", Protocol},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "", Protocol},
		{"list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}", "", Protocol},
		{"signed length", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "", Protocol},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}", "", Protocol},
		{"length and encoding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "", Protocol},
		{"other encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", Protocol},
		{"encoding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", Protocol},
		{"two encodings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", Protocol},
		{"large head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", MaxHead) + "\r\n\r\n", "", Protocol},
		{"endless head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 4*MaxHead), "", Protocol},
		{"many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", MaxFields+1) + "\r\n", "", Protocol},
		{"size of letters", chunkedHead + "xyz\r\nabc\r\n0\r\n\r\n", "", Protocol},
		{"no size", chunkedHead + "\r\nabc\r\n0\r\n\r\n", "", Protocol},
		{"signed size", chunkedHead + "+3\r\nabc\r\n0\r\n\r\n", "", Protocol},
		{"0x size", chunkedHead + "0x3\r\nabc\r\n0\r\n\r\n", "", Protocol},
		{"space after the size", chunkedHead + "3 \r\nabc\r\n0\r\n\r\n", "", Protocol},
		{"size with bare LF", chunkedHead + "3\nabc\r\n0\r\n\r\n", "", Protocol},
		{"huge size", chunkedHead + "FFFFFFFFFFFFFFFFF\r\nabc", "", Protocol},
		{"chunk longer than its size", chunkedHead + "3\r\nabcdef\r\n0\r\n\r\n", "abc", Protocol},
		{"endless size", chunkedHead + strings.Repeat("0", 5000), "", Protocol},
		{"endless extensions", chunkedHead + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 100), "*", Protocol},
		{"endless trailers", chunkedHead + "0\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 100), "", Protocol},
		{"malformed trailer", chunkedHead + "3\r\nabc\r\n0\r\nno colon\r\n\r\n", "abc", Protocol},
	} {
		for _, split := range []int{0, 1, 7} {
			if split > 0 && len(c.text) > 2000 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				o := serve(t, "tcp", func(_ int, conn net.Conn, r *bufio.Reader) {
					readRequest(r)
					drip(conn, c.text, split)
				}).origin(t)
				_, body, err := call(context.Background(), o, get())
				if c.kind != 0 {
					if e := wantKind(t, err, c.kind); e.Began != (c.text != "") {
						t.Errorf("began %t", e.Began)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if body != c.body && c.body != "*" {
					t.Errorf("body is %.80q, want %.80q", body, c.body)
				}
				if s := o.Stats(); c.kind != 0 && s.Open != 0 {
					t.Errorf("the connection was kept: %+v", s)
				}
			})
		}
	}
}

// drip writes a text in pieces; 0 is all at once.
func drip(c net.Conn, text string, n int) {
	for n > 0 && len(text) > n {
		io.WriteString(c, text[:n])
		text = text[n:]
	}
	io.WriteString(c, text)
}

func TestHeaderOfAnAnswer(t *testing.T) {
	o := answering(t, "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nx-Case: Kept \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"+
		"Proxy-Authenticate: x\r\nUpgrade: h2c\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\nX-Empty:\r\nX-Text: caf\xc3\xa9\r\n\r\n0\r\n\r\n", false).origin(t)
	resp, _, err := call(context.Background(), o, get())
	if err != nil || resp.Status != 429 || resp.Length != -1 {
		t.Fatalf("%+v, %v", resp, err)
	}
	want := llm.Header{{Name: "Retry-After", Value: "3"}, {Name: "x-Case", Value: "Kept"}, {Name: "Set-Cookie", Value: "a"}, {Name: "Set-Cookie", Value: "b"}, {Name: "X-Empty"}, {Name: "X-Text", Value: "café"}}
	if len(resp.Header) != len(want) {
		t.Fatalf("header is %v", resp.Header)
	}
	for i := range want {
		if resp.Header[i] != want[i] {
			t.Errorf("field %d is %v, want %v", i, resp.Header[i], want[i])
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	o := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", false).origin(t)
	for range 3 {
		if _, body, err := call(context.Background(), o, &Request{Method: "HEAD", Path: "/"}); err != nil || body != "" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if s := o.Stats(); s.Dials != 1 {
		t.Errorf("%+v", s)
	}
}

func TestNextTakesWhatIsThereAndNoMore(t *testing.T) {
	more := make(chan struct{})
	o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, chunkedHead+"3\r\none\r\n3\r\ntwo\r\n5\r\nth")
		<-more
		io.WriteString(c, "ree\r\n0\r\n\r\n")
	}).origin(t)
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	b, err := resp.Body.Next([]byte(">"))
	if string(b) != ">onetwoth" || err != nil {
		t.Fatalf("%q, %v", b, err) // the head and what is behind it were written at once
	}
	close(more)
	b, err = resp.Body.Next(b[:0])
	if string(b) != "ree" || err != nil && err != io.EOF {
		t.Fatalf("%q, %v", b, err)
	}
	if b, err = resp.Body.Next(nil); len(b) > 0 || err != io.EOF {
		t.Fatalf("%q, %v", b, err)
	}
}

// TestNextByGivesTheBodyBack where nothing came in time: it goes on.
func TestNextByGivesTheBodyBack(t *testing.T) {
	more := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(more) })
	defer goOn()
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, chunkedHead+"3\r\none\r\n5\r\nth")
		<-more
		io.WriteString(c, "ree\r\n0\r\n\r\n")
	}
	o := serve(t, "tcp", script).origin(t)
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := resp.Body.NextBy(nil, time.Now().Add(time.Hour)); string(b) != "oneth" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	for _, by := range []time.Duration{-time.Second, time.Millisecond, 0} {
		if b, err := resp.Body.NextBy([]byte(">"), time.Now().Add(by)); string(b) != ">" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
	}
	goOn()
	if b, err := resp.Body.All(nil, 10); string(b) != "ree" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := resp.Body.NextBy(nil, time.Now()); len(b) > 0 || err != io.EOF {
		t.Errorf("%q, %v", b, err)
	}
	if s := o.Stats(); s.Open != 1 {
		t.Errorf("the connection was not kept: %+v", s)
	}
}

// TestNextByWithTLS, where a read that is given up must not be the last.
func TestNextByWithTLS(t *testing.T) {
	more := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(more) })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "one")
		http.NewResponseController(w).Flush()
		<-more
		io.WriteString(w, "two")
	}))
	defer s.Close()
	defer goOn()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	o, err := New(Needs{}).Origin(Config{URL: s.URL, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := resp.Body.Next(nil); string(b) != "one" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	if b, err := resp.Body.NextBy(nil, time.Now().Add(time.Millisecond)); len(b) > 0 || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	goOn()
	if b, err := resp.Body.All(nil, 10); string(b) != "two" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestNextByIsBoundedAsTheCallIs: its own limit lengthens none of the call's, whose end is one.
func TestNextByIsBoundedAsTheCallIs(t *testing.T) {
	for name, limits := range map[string]Timeouts{"idle": {Idle: 20 * time.Millisecond}, "total": {Total: 20 * time.Millisecond, Idle: -1}} {
		w, left := silentAfter(t, chunkedHead+"3\r\none\r\n")
		resp, err := w.origin(t, func(c *Config) { c.Timeouts = limits }).Do(context.Background(), get())
		if err != nil {
			t.Fatal(err)
		}
		b, err := resp.Body.Next(nil)
		if err == nil {
			b, err = resp.Body.NextBy(b, time.Now().Add(time.Hour))
		}
		var e *Error
		if !errors.As(err, &e) || e.Code() != llm.CodeTimeout {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		<-left
	}
}

// TestLingerTakesWhatCameAndWaitsForNothingElse from an upstream that keeps its connection open.
func TestLingerTakesWhatCameAndWaitsForNothingElse(t *testing.T) {
	more, sent, stop := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(stop)
	o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, chunkedHead+"3\r\none\r\n")
		<-more
		io.WriteString(c, "3\r\ntwo\r\n")
		close(sent)
		<-stop
	}).origin(t)
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := resp.Body.Next(nil); string(b) != "one" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	close(more)
	<-sent
	if b, err := resp.Body.Linger([]byte(">")); string(b) != ">two" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := resp.Body.Linger(nil); len(b) > 0 || err == nil || err == io.EOF {
		t.Errorf("%q, %v", b, err)
	}
	resp.Body.Close()
}

func TestAllIsBounded(t *testing.T) {
	o := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", false).origin(t)
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := resp.Body.All(nil, 10); err != nil || len(b) != 10 {
		t.Errorf("%q, %v", b, err)
	}
	if resp, err = o.Do(context.Background(), get()); err != nil {
		t.Fatal(err)
	}
	b, err := resp.Body.All([]byte("x"), 9)
	wantKind(t, err, Protocol)
	if string(b) != "x012345678" {
		t.Errorf("%q", b)
	}
}

func TestCloseNearTheEndKeepsTheConnection(t *testing.T) {
	w := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, chunkedHead+"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
		}
	})
	o := w.origin(t)
	for range 5 {
		resp, err := o.Do(context.Background(), get())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close() // without a look at what came
		if _, err := resp.Body.Next(nil); err != io.EOF {
			t.Fatal(err)
		}
	}
	if s := o.Stats(); s.Dials != 1 {
		t.Errorf("%+v", s)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{ok, chunkedHead + "3;a\r\nabc\r\n0\r\nA: b\r\n\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok, "HTTP/1.1 200 OK\r\n\r\nrest", "HTTP/1.1 304 x\r\nConnection: a, b\r\nA: c\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n"} {
		f.Add([]byte(text), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		whole, errWhole := decode(t, text, len(text))
		pieces, errPieces := decode(t, text, int(step)+1)
		if whole != pieces || (errWhole == nil) != (errPieces == nil) {
			t.Errorf("in pieces of %d: %q, %v; whole: %q, %v", int(step)+1, pieces, errPieces, whole, errWhole)
		}
	})
}

// decode reads an answer that arrives in pieces.
func decode(t *testing.T, text []byte, step int) (string, error) {
	near := &scripted{text: text, step: step}
	o, err := New(Needs{Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}).Origin(Config{URL: "http://192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		return "", err
	}
	if resp.Status < 200 || resp.Status > 999 || len(resp.Header) > MaxFields {
		t.Errorf("status %d, %d fields", resp.Status, len(resp.Header))
	}
	for _, f := range resp.Header {
		if !token(f.Name) || !fieldValue(f.Value) || ownField(f.Name) {
			t.Errorf("field %q: %q", f.Name, f.Value)
		}
	}
	body, err := resp.Body.All(nil, 1<<20)
	resp.Body.Close()
	if len(body) > len(text) {
		t.Errorf("%d bytes of body out of %d", len(body), len(text))
	}
	return string(body), err
}
