package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/cert"
	"github.com/ginnel/ginnel/sdk/llm"
)

// asked is a request of a mixed conversation, and how it is to end.
type asked struct {
	raw     string
	want    string // "" = it is refused unread
	unknown bool   // nobody asks for its body, which is perhaps long
	status  int
}

// mixed returns a request with a body of some form and size.
func mixed(r *rand.Rand, n int) asked {
	method := []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}[r.IntN(5)]
	sizes := []int{0, 1, 17, 4096, 65_535, 65_536, 65_537, 70_000, 131_072, 150_000}
	body := strings.Repeat(fmt.Sprintf("%d\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", n), 4100)[:sizes[r.IntN(len(sizes))]]
	a := asked{want: fmt.Sprintf("%d %d %x", n, len(body), crc32.ChecksumIEEE([]byte(body))), status: 200}
	a.unknown = r.IntN(12) == 0
	who := "known"
	if a.unknown {
		who = "unknown"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s /%s/%d HTTP/1.1\r\nHost: a\r\n", method, who, n)
	for range r.IntN(3) {
		b.WriteString([]string{"xxxxxxxxxxxxxx: 5\r\n", "xxxxxxxxxxxxxxxxx: chunked\r\n", "xxxxxx: 100-continue\r\n", "Trailer: X-Sum\r\n"}[r.IntN(4)])
	}
	expects := r.IntN(4)
	if expects < 3 {
		expects = 0
	}
	late := expects > 0 && len(body) > 0 || len(body) > 64<<10
	b.WriteString(strings.Repeat("Expect: 100-Continue\r\n", expects))
	switch {
	case len(body) == 0 && r.IntN(2) == 0:
		b.WriteString("\r\n")
	case r.IntN(2) == 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		late = late || expects > 0 || len(body) == 64<<10 // its last chunk is not looked at
		b.WriteString("tRANSFER-eNCODING: chunked\r\n\r\n")
		for rest := body; rest != ""; {
			n := min(len(rest), 1+r.IntN([]int{10_000, 70_000, 200_000}[r.IntN(3)]))
			fmt.Fprintf(&b, "%x%s\r\n%s\r\n", n, []string{"", ";a", `;b="\";"`}[r.IntN(3)], rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\n" + strings.Repeat("X-Sum: 1\r\n", r.IntN(3)) + "\r\n")
	}
	if a.unknown {
		if a.status = 401; late {
			a.want = ""
		}
	}
	a.raw = b.String()
	return a
}

// TestMixedConversations: whatever bodies the requests of a connection have, each is answered by itself and in order,
// none is taken for another, and an unread one is the last.
func TestMixedConversations(t *testing.T) {
	noLeak(t)
	const room = 1 << 20
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		parts := strings.Split(x.Path, "/")
		if len(parts) != 3 {
			return &exchange.Reply{Status: 404, Body: []byte(x.Path)}
		}
		if parts[1] == "unknown" {
			return &exchange.Reply{Status: 401, Body: []byte(parts[2])}
		}
		var e *llm.Error
		if x.Receive != nil && errors.As(x.Receive(), &e) {
			return &exchange.Reply{Status: e.Status, Body: []byte(e.Message)}
		}
		raw := x.Request.Body.Raw()
		return &exchange.Reply{Status: 200, Body: fmt.Appendf(nil, "%s %d %x", parts[2], len(raw), crc32.ChecksumIEEE(raw))}
	})
	certs := &certmagic.FileStorage{Path: t.TempDir()}
	for name, change := range map[string]func(*server.Config){
		"plain": func(*server.Config) {},
		"TLS":   func(c *server.Config) { c.TLS = cert.Config{Mode: cert.Internal, Storage: certs} },
		"without a watcher": func(c *server.Config) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c.Listener = bareListener{ln}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, h, func(c *server.Config) {
				change(c)
				c.Limits.Bodies = room
			})
			for seed := range uint64(rounds) {
				talkMixed(t, s, name == "TLS", seed)
				breakOff(t, s, name == "TLS", seed)
			}
			for end := time.Now().Add(patience); s.Stats().Connections > 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			conn := connTo(t, s, name == "TLS") // what they took of the room is back
			go io.WriteString(conn, "POST /known/0 HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"+strings.Repeat("x", room))
			if r, body := response(t, bufio.NewReader(conn)); r.StatusCode != 200 {
				t.Errorf("a body that takes all the room: %d %s", r.StatusCode, body)
			}
		})
	}
}

const rounds = 40

func connTo(t *testing.T, s *server.Server, encrypted bool) net.Conn {
	t.Helper()
	if c := dial(t, s); !encrypted {
		return c
	} else {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who the server is does not matter here
	}
}

// breakOff sends a part of a conversation and leaves.
func breakOff(t *testing.T, s *server.Server, encrypted bool, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var all strings.Builder
	for n := range 1 + r.IntN(3) {
		all.WriteString(mixed(r, n).raw)
	}
	c := connTo(t, s, encrypted)
	io.WriteString(c, all.String()[:r.IntN(all.Len())])
	if raw, ok := c.(*net.TCPConn); ok && r.IntN(2) == 0 {
		raw.SetLinger(0)
	}
	c.Close()
}

func talkMixed(t *testing.T, s *server.Server, encrypted bool, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	c := connTo(t, s, encrypted)
	defer c.Close()
	var all strings.Builder
	var want []asked
	for n := range 1 + r.IntN(12) {
		want = append(want, mixed(r, n))
		all.WriteString(want[n].raw)
	}
	go func() {
		for rest := all.String(); rest != ""; {
			n := min(len(rest), 1+r.IntN([]int{3, 100, 5000, 100_000, 1_000_000}[r.IntN(5)]))
			if _, err := io.WriteString(c, rest[:n]); err != nil {
				return // the last answer closed it
			}
			rest = rest[n:]
		}
	}()
	br := bufio.NewReader(c)
	for i, a := range want {
		resp, err := http.ReadResponse(br, nil)
		for err == nil && resp.StatusCode == 100 {
			resp, err = http.ReadResponse(br, nil)
		}
		if err != nil {
			t.Fatalf("seed %d, request %d of %d: %v", seed, i, len(want), err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != a.status || a.status == 200 && string(body) != a.want || a.status == 401 && string(body) != fmt.Sprint(i) {
			t.Fatalf("seed %d, request %d: %d %q %v, want %+v", seed, i, resp.StatusCode, body, err, a.want)
		}
		if unread := a.want == ""; unread != resp.Close {
			t.Fatalf("seed %d, request %d: closes %v, unread %v\n%.300q", seed, i, resp.Close, unread, a.raw)
		} else if unread {
			if rest, err := io.ReadAll(br); len(rest) > 0 {
				t.Fatalf("seed %d: behind the last answer %.300q %v", seed, rest, err)
			}
			return
		}
	}
}
