package rediscall

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/wasmhost/redistest"
	"github.com/ginnel/ginnel/sdk/egress"
)

const wait = 30 * time.Second

func open(t *testing.T, addr string) *Servers {
	t.Helper()
	s, err := Open(egress.New(egress.Needs{}), []string{"redis://" + addr}, egress.ByName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func client(t *testing.T, s *Servers, set Settings) *Client {
	t.Helper()
	if set.Timeout == 0 {
		set.Timeout = wait
	}
	c, err := s.Client(set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// ask makes a call and waits for it.
func ask(c *Client, query []byte) (string, error) {
	type result struct {
		replies []byte
		err     error
	}
	done := make(chan result, 1)
	if err := c.Start(context.Background(), query, func(replies []byte, err error) { done <- result{replies, err} }); err != nil {
		return "", err
	}
	r := <-done
	return string(r.replies), r.err
}

func words(s string) []byte { return appendCommand(nil, strings.Fields(s)...) }

// TestCalls pass commands and replies as they are, on one connection, to a server in Go and to a real one.
func TestCalls(t *testing.T) {
	password := rand.Text()
	for name, addr := range map[string]func(t *testing.T) string{
		"in Go": func(t *testing.T) string { return redistest.Start(t, password, nil).Addr },
		"real":  func(t *testing.T) string { return redistest.Real(t, password) },
	} {
		t.Run(name, func(t *testing.T) {
			addr := addr(t)
			s := open(t, addr)
			c := client(t, s, Settings{Place: addr, Password: password, DB: 3})
			for _, step := range []struct{ query, want string }{
				{"PING", "+PONG\r\n"}, {"GET a", "$-1\r\n"}, {"SET a b", "+OK\r\n"}, {"GET a", "$1\r\nb\r\n"}, {"INCR n", ":1\r\n"},
			} {
				if got, err := ask(c, words(step.query)); err != nil || got != step.want {
					t.Errorf("%s: %q, %v", step.query, got, err)
				}
			}
			if got, err := ask(c, append(words("INCR n"), words("GET a")...)); err != nil || got != ":2\r\n$1\r\nb\r\n" {
				t.Errorf("two at once: %q, %v", got, err)
			}
			if got, err := ask(c, words("NONSENSE")); err != nil || !strings.HasPrefix(got, "-ERR") {
				t.Errorf("what the server refuses is a reply: %q, %v", got, err)
			}
			other := client(t, s, Settings{Place: addr, User: "default", Password: password})
			if got, err := ask(other, words("GET a")); err != nil || got != "$-1\r\n" {
				t.Errorf("another database: %q, %v", got, err)
			}
			if got, err := ask(client(t, s, Settings{Place: addr, Password: "no"}), words("PING")); err == nil || !strings.Contains(err.Error(), "AUTH") {
				t.Errorf("a wrong password: %q, %v", got, err)
			}
		})
	}
}

// TestTheRealServersScripts and transactions: what rate limits are made of.
func TestTheRealServersScripts(t *testing.T) {
	addr := redistest.Real(t, "")
	c := client(t, open(t, addr), Settings{Place: addr})
	script := "local n = redis.call('incrby', KEYS[1], ARGV[1]); redis.call('expire', KEYS[1], 60); return {n, redis.call('ttl', KEYS[1])}"
	if got, err := ask(c, appendCommand(nil, "EVAL", script, "1", "k", "5")); err != nil || got != "*2\r\n:5\r\n:60\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	query := append(append(words("MULTI"), words("INCR k")...), words("EXEC")...)
	if got, err := ask(c, query); err != nil || got != "+OK\r\n+QUEUED\r\n*1\r\n:6\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatMayNotBeCalled(t *testing.T) {
	s := open(t, "127.0.0.1:1")
	if _, err := s.Client(Settings{Place: "127.0.0.1:2"}); err != ErrDenied {
		t.Errorf("another server: %v", err)
	}
	c := client(t, s, Settings{Place: "127.0.0.1:1"})
	for query, want := range map[string]error{
		"": ErrInvalid, "PING\r\n": ErrInvalid, "*1\r\n$4\r\nPIN": ErrInvalid, "*0\r\n": ErrInvalid, "*1\r\n$-1\r\n": ErrInvalid,
		"*1\r\n:4\r\n": ErrInvalid, "*1\r\n$4\r\nPINGxx": ErrInvalid, "*2147483647\r\n": ErrInvalid, "*1\r\n$2147483647\r\n": ErrInvalid,
		string(words("subscribe a")): ErrInvalid, string(words("SELECT 1")): ErrInvalid, string(words("HELLO 3")): ErrInvalid,
		string(words("CLIENT REPLY OFF")): ErrInvalid, string(words("MULTI")): ErrInvalid, string(words("EXEC")): ErrInvalid,
		string(words("MULTI")) + string(words("MULTI")) + string(words("EXEC")): ErrInvalid,
		strings.Repeat(string(words("PING")), MaxCommands+1):                    ErrInvalid,
		strings.Repeat("x", MaxQuery+1):                                         ErrTooLarge,
	} {
		if _, err := ask(c, []byte(query)); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", query, err, want)
		}
	}
	if s.Open() != 0 {
		t.Errorf("%d calls are open", s.Open())
	}
	for _, url := range []string{"", "http://a", "redis://", "redis://u:p@a", "redis://a/1", "redis://a?b", ":"} {
		if _, err := Open(egress.New(egress.Needs{}), []string{url}, egress.ByName); err == nil {
			t.Errorf("%q passes", url)
		}
	}
}

// TestFaults each end the call with an error, and the next one is served.
func TestFaults(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	s := redistest.Start(t, "", func(command []string) (string, bool) {
		switch command[0] {
		case "close":
			return "", true
		case "hang":
			<-hang
			return "", true
		case "big":
			return fmt.Sprintf("$%d\r\n", MaxReply+1), true
		case "many":
			return "*9999999\r\n" + strings.Repeat(":1\r\n", MaxReply/4), true
		case "deep":
			return strings.Repeat("*1\r\n", maxDepth+2) + ":1\r\n", true
		case "odd":
			return "!oops\r\n", true
		case "more":
			return "+a\r\n+b\r\n", true
		case "bare":
			return "+a\n", true
		case "long":
			return "-" + strings.Repeat("x", 2*maxLine) + "\r\n", true
		case "cut":
			return "$10\r\nhalf", true
		case "unended":
			return "$1\r\nabc", true
		}
		return "", false
	})
	servers := open(t, s.Addr)
	c := client(t, servers, Settings{Place: s.Addr})
	short := client(t, servers, Settings{Place: s.Addr, Timeout: 50 * time.Millisecond})
	for name, want := range map[string]error{
		"close": nil, "hang": context.DeadlineExceeded, "big": ErrTooLarge, "many": ErrTooLarge, "deep": errReply, "odd": errReply,
		"more": errReply, "bare": errReply, "long": errReply, "cut": context.DeadlineExceeded, "unended": errReply,
	} {
		by := c
		if want == context.DeadlineExceeded {
			by = short
		}
		if got, err := ask(by, words(name)); err == nil || got != "" || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %q, %v, want %v", name, got, err, want)
		}
		if got, err := ask(c, words("PING")); err != nil || got != "+PONG\r\n" {
			t.Errorf("after %s: %q, %v", name, got, err)
		}
	}
}

// TestAConnectionThatDiedIsReplaced before a command is lost with it.
func TestAConnectionThatDiedIsReplaced(t *testing.T) {
	s := redistest.Start(t, "", nil)
	c := client(t, open(t, s.Addr), Settings{Place: s.Addr})
	for range 2 {
		if got, err := ask(c, words("INCR n")); err != nil {
			t.Fatal(got, err)
		}
	}
	if s.Dials() != 1 {
		t.Errorf("%d connections for two calls", s.Dials())
	}
	s.Drop()
	c.mu.Lock()
	c.idle[0].used = time.Now().Add(-2 * checkAfter)
	c.mu.Unlock()
	if got, err := ask(c, words("INCR n")); err != nil || got != ":3\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCallsEndWithTheServersAndTheContext(t *testing.T) {
	hang := make(chan struct{})
	s := redistest.Start(t, "", func([]string) (string, bool) { <-hang; return "", true })
	defer close(hang)
	servers := open(t, s.Addr)
	c := client(t, servers, Settings{Place: s.Addr})
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	if err := c.Start(ctx, words("GET a"), func(_ []byte, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	cancel(gone)
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("the context ended: %v", err)
	}
	for range 3 * maxConns { // more than there are connections
		if err := c.Start(context.Background(), words("GET a"), func(_ []byte, err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	go servers.Close()
	for range 3 * maxConns {
		if err := <-done; err == nil {
			t.Error("a call that nobody answered succeeded")
		}
	}
	servers.Close()
	if _, err := ask(c, words("PING")); err != ErrLimit {
		t.Errorf("after the end: %v", err)
	}
}

// TestManyCalls share few connections.
func TestManyCalls(t *testing.T) {
	s := redistest.Start(t, "", nil)
	c := client(t, open(t, s.Addr), Settings{Place: s.Addr})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got, err := ask(c, words("INCR n")); err != nil || got[0] != ':' {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	all.Wait()
	if got, err := ask(c, words("GET n")); err != nil || got != "$3\r\n400\r\n" || s.Dials() > maxConns {
		t.Errorf("%q, %v, %d connections", got, err, s.Dials())
	}
}

// TestCallsPassTheGuard: a name that leads to where it may not is not connected to.
func TestCallsPassTheGuard(t *testing.T) {
	dials := 0
	transport := egress.New(egress.Needs{
		Dial: func(context.Context, string, string) (net.Conn, error) { dials++; return nil, errors.New("nobody") },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
		},
	})
	s, err := Open(transport, []string{"redis://cache.vendor.com"}, egress.Private)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := ask(client(t, s, Settings{Place: "cache.vendor.com:6379"}), words("PING")); !errors.Is(err, egress.ErrAddress) || dials != 0 {
		t.Errorf("%v, %d connections", err, dials)
	}
}

// FuzzReply: whatever a server sends, a reply is as it came, and within bounds.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "$-1\r\n", "*2\r\n:1\r\n$1\r\na\r\n", "*-1\r\n", "$3\r\nab\r\n", "*1\r\n*1\r\n*0\r\n", "-E\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := reply(bufio.NewReaderSize(bytes.NewReader(b), maxLine), nil, 0)
		if len(got) > MaxReply || err == nil && !bytes.HasPrefix(b, got) {
			t.Errorf("%q of %q", got, b)
		}
	})
}

// FuzzCommands: what is taken as commands is nothing but them.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{string(words("GET a")), string(words("MULTI")) + string(words("EXEC")), "*1\r\n$1\r\na\r\n*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := commands(b)
		if err != nil {
			return
		}
		for range n {
			name, end, ok := command(b, 0)
			if !ok || refused[name] {
				t.Fatalf("%q", b)
			}
			b = b[end:]
		}
		if len(b) != 0 {
			t.Errorf("%q is left", b)
		}
	})
}
