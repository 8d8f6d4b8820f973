package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func TestRequestOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	w := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		text, _ := readRequest(r)
		got <- text
		io.WriteString(c, ok)
	})
	o := w.origin(t)
	host := w.Addr().String()
	for _, c := range []struct {
		name string
		r    *Request
		want string
	}{
		{"get", get(), "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
		{"own host", &Request{Method: "GET", Path: "/a?b=c", Host: "api.example"}, "GET /a?b=c HTTP/1.1\r\nHost: api.example\r\n\r\n"},
		{"post", post(`{"a":1}`), "POST /v1/chat/completions HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
		{"post of nothing", &Request{Method: "POST", Path: "/"}, "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n"},
		{"order, case and repeats are kept; accept-encoding is the caller's", &Request{Method: "GET", Path: "/", Header: llm.Header{{Name: "x-B", Value: "1"}, {Name: "Accept-Encoding", Value: "gzip"}, {Name: "X-b", Value: "2"}}},
			"GET / HTTP/1.1\r\nHost: " + host + "\r\nx-B: 1\r\nAccept-Encoding: gzip\r\nX-b: 2\r\n\r\n"},
		{"the connection's fields stay here", &Request{Method: "GET", Path: "/", Header: llm.Header{
			{Name: "Connection", Value: "close, X-Private"}, {Name: "Keep-Alive", Value: "1"}, {Name: "TE", Value: "trailers"}, {Name: "Transfer-Encoding", Value: "chunked"},
			{Name: "content-length", Value: "9"}, {Name: "Host", Value: "evil"}, {Name: "Upgrade", Value: "h2c"}, {Name: "Expect", Value: "100-continue"},
			{Name: "Proxy-Authorization", Value: "x"}, {Name: "Proxy-Connection", Value: "x"}, {Name: "Trailer", Value: "x"}, {Name: "x-private", Value: "x"}, {Name: "X-Public", Value: "y"}}},
			"GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Public: y\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, body, err := call(context.Background(), o, c.r); err != nil || body != "{}" {
				t.Fatalf("%q, %v", body, err)
			}
			if text := <-got; text != c.want {
				t.Errorf("got  %q\nwant %q", text, c.want)
			}
		})
	}
}

func TestRequestsThatAreNoneAreRefused(t *testing.T) {
	o := answering(t, ok, false).origin(t)
	field := func(name, value string) *Request {
		return &Request{Method: "GET", Path: "/", Header: llm.Header{{Name: name, Value: value}}}
	}
	for _, r := range []*Request{
		{Method: "GET /", Path: "/"}, {Method: "", Path: "/"}, {Method: "CONNECT", Path: "/"},
		{Method: "GET", Path: ""}, {Method: "GET", Path: "http://other/"}, {Method: "GET", Path: "/a b"}, {Method: "GET", Path: "/a\r\nX: y"}, {Method: "GET", Path: "/é"},
		{Method: "GET", Path: "/", Host: "a\r\nb"}, {Method: "GET", Path: "/", Host: "a/b"},
		field("X-A", "b\r\nX-C: d"), field("X-A", "b\x00"), field("X A", "b"), field("", "b"), field("X-A:", "b"), field("X\n", "b"),
	} {
		if _, err := o.Do(context.Background(), r); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: %v, want ErrRequest", r, err)
		}
	}
	if s := o.Stats(); s.Dials != 0 {
		t.Errorf("%d connections for requests that cannot be sent", s.Dials)
	}
}

func TestOriginsThatAreNoneAreRefused(t *testing.T) {
	for _, url := range []string{"", "api.example", "ftp://api.example", "http://", "http://u:p@api.example", "http://api.example/v1", "http://api.example?x", "http://a b", "https://[::1", "http://api.example#x",
		"http://127.1", "http://2130706433", "http://0x7f000001", "http://10.0.0.0x1", "http://a:0", "http://a:70000", "http://."} {
		_, err := New(Needs{}).Origin(Config{Name: "x", URL: url})
		if err == nil {
			t.Errorf("%q was taken", url)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error %q holds the password", url, err)
		}
	}
}

func TestHostIsTheOriginsOwn(t *testing.T) {
	for url, want := range map[string]struct {
		host, name string
		port       uint16
	}{
		"http://api.example":      {"api.example", "api.example", 80},
		"http://api.example:80/":  {"api.example", "api.example", 80},
		"https://api.example:443": {"api.example", "api.example", 443},
		"https://api.example:80":  {"api.example:80", "api.example", 80},
		"https://[::1]":           {"[::1]", "::1", 443},
		"http://[::1]:8000":       {"[::1]:8000", "::1", 8000},
		"http://API.example.":     {"API.example.", "api.example", 80},
	} {
		o, err := New(Needs{}).Origin(Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if o.host != want.host || o.name.host != want.name || o.port != want.port {
			t.Errorf("%s: host %q, name %q, port %d", url, o.host, o.name.host, o.port)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	for name, text := range map[string]string{
		"length":    ok,
		"chunked":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"no body":   "HTTP/1.1 204 No Content\r\n\r\n",
		"1.0 alive": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			o := answering(t, text, false).origin(t)
			for range 20 {
				if _, _, err := call(context.Background(), o, post("{}")); err != nil {
					t.Fatal(err)
				}
			}
			if s := o.Stats(); s != (Stats{Dials: 1, Reused: 19, Open: 1}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestConnectionsThatSayCloseAreNotReused(t *testing.T) {
	for name, text := range map[string]string{
		"close":         "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n{}",
		"close in list": "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\n{}",
		"1.0":           "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"surplus":       ok + "surplus",
	} {
		t.Run(name, func(t *testing.T) {
			o := answering(t, text, false).origin(t)
			for range 3 {
				if _, _, err := call(context.Background(), o, get()); err != nil {
					t.Fatal(err)
				}
			}
			if s := o.Stats(); s != (Stats{Dials: 3}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestConnectionThatDiedIdleIsReplacedOnce(t *testing.T) {
	// The second request on a connection is read and not answered: the idle timeout of a server that
	// meets the request half-way.
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			io.WriteString(c, ok)
			readRequest(r)
		}
	}
	o := serve(t, "tcp", script).origin(t)
	for range 10 {
		if _, body, err := call(context.Background(), o, post("{}")); err != nil || body != "{}" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if s := o.Stats(); s.Replayed != 9 || s.Dials != 10 {
		t.Errorf("%+v", s)
	}
	o = serve(t, "tcp", script).origin(t, noReplay)
	if _, _, err := call(context.Background(), o, post("{}")); err != nil {
		t.Fatal(err)
	}
	_, _, err := call(context.Background(), o, post("{}"))
	if e := wantKind(t, err, Cut); e.Code() != llm.CodeUnavailable || e.Began {
		t.Errorf("code %s, began %t", e.Code(), e.Began)
	}
}

func TestFreshConnectionThatDiesIsNotReplayed(t *testing.T) {
	w := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) { readRequest(r) })
	o := w.origin(t)
	_, _, err := call(context.Background(), o, post("{}"))
	wantKind(t, err, Cut)
	if s := o.Stats(); s.Dials != 1 || s.Replayed != 0 || s.Open != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBeginningOfAnAnswerIsNotReplayed(t *testing.T) {
	o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, ok)
		readRequest(r)
		io.WriteString(c, "H")
	}).origin(t)
	call(context.Background(), o, post("{}"))
	_, _, err := call(context.Background(), o, post("{}"))
	if e := wantKind(t, err, Cut); e.Code() != llm.CodeCut {
		t.Errorf("code %s", e.Code())
	}
	if s := o.Stats(); s.Replayed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestClosedIdleConnectionIsSeenBeforeItIsUsed(t *testing.T) {
	o := answering(t, ok, true).origin(t, noReplay) // without a replay nothing else would save the call
	for range 5 {
		if _, _, err := call(context.Background(), o, post("{}")); err != nil {
			t.Fatal(err)
		}
		o.mu.Lock()
		c := o.idle[0]
		o.mu.Unlock()
		settled(t, "the close arrives", func() bool { return !c.alive() })
	}
	if s := o.Stats(); s.Dials != 5 || s.Open != 1 {
		t.Errorf("%+v", s)
	}
}

func TestIdleConnectionsExpire(t *testing.T) {
	o := answering(t, ok, false).origin(t)
	if _, _, err := call(context.Background(), o, get()); err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	o.idle[0].since = time.Now().Add(-idleExpiry)
	o.mu.Unlock()
	o.expire()
	if s := o.Stats(); s.Open != 0 {
		t.Errorf("%+v", s)
	}
	if _, _, err := call(context.Background(), o, get()); err != nil {
		t.Fatal(err)
	}
}

func TestPoolIsBounded(t *testing.T) {
	o := answering(t, ok, false).origin(t, func(c *Config) { c.MaxIdle = 2 })
	var open []*Response
	for range 5 {
		resp, err := o.Do(context.Background(), get())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, resp)
	}
	for _, resp := range open {
		resp.Body.Close()
	}
	if s := o.Stats(); s.Open != 2 {
		t.Errorf("%+v", s)
	}
}

func TestClosedOrigin(t *testing.T) {
	o := answering(t, ok, false).origin(t)
	resp, err := o.Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	call(context.Background(), o, get())
	o.Close()
	if _, _, err := call(context.Background(), o, get()); !errors.Is(err, ErrClosed) {
		t.Errorf("error is %v", err)
	}
	if body, err := resp.Body.All(nil, 100); err != nil || string(body) != "{}" {
		t.Errorf("the call under way: %q, %v", body, err)
	}
	resp.Body.Close()
	if s := o.Stats(); s.Open != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	o := answering(t, "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n", false).origin(t)
	resp, _, err := call(context.Background(), o, get())
	if err != nil || resp.Status != 307 || resp.Header.Get("location") == "" {
		t.Errorf("%+v, %v", resp, err)
	}
}

// ended is a cause that says what it means.
type ended llm.Code

func (ended) Error() string    { return "it ends" }
func (e ended) Code() llm.Code { return llm.Code(e) }

var errLeft = errors.New("somebody left")

func TestCodes(t *testing.T) {
	for _, c := range []struct {
		e    Error
		want llm.Code
	}{
		{Error{Kind: Connect}, llm.CodeUnavailable}, {Error{Kind: Write}, llm.CodeTimeout}, {Error{Kind: FirstByte}, llm.CodeTimeout},
		{Error{Kind: Idle, Began: true}, llm.CodeTimeout}, {Error{Kind: Total}, llm.CodeTimeout}, {Error{Kind: Reset}, llm.CodeUnavailable},
		{Error{Kind: Reset, Began: true}, llm.CodeCut}, {Error{Kind: Cut, Began: true}, llm.CodeCut}, {Error{Kind: Protocol}, llm.CodeUpstream},
		{Error{Kind: Cancelled, Err: context.DeadlineExceeded}, llm.CodeTimeout}, {Error{Kind: Cancelled, Err: ended(llm.CodeDraining)}, llm.CodeDraining},
		{Error{Kind: Cancelled, Err: errLeft}, llm.CodeInternal},
	} {
		if got := c.e.Code(); got != c.want {
			t.Errorf("%s: %s, want %s", c.e.Kind, got, c.want)
		}
	}
}

func TestNothingLeaks(t *testing.T) {
	cancels := make(chan context.CancelFunc, 1)
	w := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			text, err := readRequest(r)
			switch {
			case err != nil:
				return
			case strings.HasPrefix(text, "GET /ok"):
				io.WriteString(c, ok)
				continue
			case strings.HasPrefix(text, "GET /cut"):
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")
			case strings.HasPrefix(text, "GET /bad"):
				io.WriteString(c, "nonsense\r\n\r\n")
			default:
				(<-cancels)()
				r.ReadByte()
			}
			return
		}
	})
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	o := w.origin(t)
	for range 25 {
		for _, path := range []string{"/ok", "/cut", "/bad", "/hang"} {
			ctx, cancel := context.WithCancel(context.Background())
			if path == "/hang" {
				cancels <- cancel
			}
			call(ctx, o, &Request{Method: "GET", Path: path})
			cancel()
		}
	}
	o.Close()
	settled(t, "connections", func() bool { return o.Stats().Open == 0 })
	settled(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	settled(t, "descriptors", func() bool { return descriptors(t) <= files })
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of descriptors on this system")
	}
	return len(list)
}
