package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// wire is a server that speaks as its script says, byte by byte.
type wire struct {
	net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex // protects conns
	conns []net.Conn
}

// serve calls script for each connection, numbered from 0; the connection is closed when it returns.
func serve(t testing.TB, network string, script func(n int, c net.Conn, r *bufio.Reader)) *wire {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "eg") // a socket's path has to be short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, c)
			w.mu.Unlock()
			w.wg.Add(1)
			go func() {
				defer w.wg.Done()
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

// answering is a server whose every answer is the same bytes; it closes after each where last says so.
func answering(t testing.TB, text string, last bool) *wire {
	return serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(c, text); err != nil || last {
				return
			}
		}
	})
}

// readRequest returns a request as it stands on the wire.
func readRequest(r *bufio.Reader) (string, error) {
	var text strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return text.String(), err
		}
		text.WriteString(line)
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if line == "\r\n" {
			break
		}
	}
	_, err := io.CopyN(&text, r, int64(length))
	return text.String(), err
}

// origin makes an origin of a server, closed when the test ends.
func (w *wire) origin(t testing.TB, change ...func(*Config)) *Origin {
	t.Helper()
	c := Config{Name: "test", URL: "http://" + w.Addr().String()}
	if w.Addr().Network() == "unix" {
		c = Config{Name: "test", Socket: w.Addr().String()}
	}
	for _, f := range change {
		f(&c)
	}
	o, err := New(Needs{}).Origin(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func noReplay(c *Config) { c.NoReplay = true }

func within(t Timeouts) func(*Config) { return func(c *Config) { c.Timeouts = t } }

func get() *Request { return &Request{Method: "GET", Path: "/"} }

func post(body string) *Request {
	return &Request{Method: "POST", Path: "/v1/chat/completions", Header: llm.Header{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(body)}
}

// call makes a call and reads its answer whole.
func call(ctx context.Context, o *Origin, r *Request) (*Response, string, error) {
	resp, err := o.Do(ctx, r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := resp.Body.All(nil, 1<<24)
	return resp, string(body), err
}

func wantKind(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error is %v, want one of kind %s", err, kind)
	}
	return e
}

// settled waits until a condition holds, which no load of the machine can make false for good.
func settled(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}
