package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// silentAfter answers with the text and then nothing until the client leaves.
func silentAfter(t *testing.T, text string) (*wire, chan error) {
	left := make(chan error, 8)
	return serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, text)
		_, err := r.ReadByte()
		left <- err
	}), left
}

func TestTimeouts(t *testing.T) {
	short, long := 30*time.Millisecond, time.Hour
	stalled := "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"
	for _, c := range []struct {
		name, text string
		limits     Timeouts
		kind       Kind
		began      bool
	}{
		{"nothing comes", "", Timeouts{FirstByte: short}, FirstByte, false},
		{"half a head comes", "HTTP/1.1 200 OK\r\n", Timeouts{FirstByte: short}, FirstByte, true},
		{"the body stalls", stalled, Timeouts{Idle: short}, Idle, true},
		{"the whole takes too long, before the head", "", Timeouts{Total: short, FirstByte: long}, Total, false},
		{"the whole takes too long, in the body", stalled, Timeouts{Total: short, Idle: -1}, Total, true},
		{"no other limit", stalled, Timeouts{Total: short, Idle: long, FirstByte: -1, Write: -1}, Total, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, left := silentAfter(t, c.text)
			_, _, err := call(context.Background(), w.origin(t, within(c.limits)), post("{}"))
			if e := wantKind(t, err, c.kind); e.Code() != llm.CodeTimeout || e.Began != c.began {
				t.Errorf("code %s, began %t", e.Code(), e.Began)
			}
			<-left // the upstream is told
		})
	}
}

func TestTimeoutsAreNotReplayed(t *testing.T) {
	o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, ok)
		readRequest(r)
		r.ReadByte()
	}).origin(t, within(Timeouts{FirstByte: 50 * time.Millisecond}))
	if _, _, err := call(context.Background(), o, post("{}")); err != nil {
		t.Fatal(err)
	}
	_, _, err := call(context.Background(), o, post("{}"))
	wantKind(t, err, FirstByte)
	if s := o.Stats(); s.Replayed != 0 || s.Dials != 1 {
		t.Errorf("%+v", s)
	}
}

func TestWriteTimeout(t *testing.T) {
	done := make(chan struct{})
	o := serve(t, "tcp", func(int, net.Conn, *bufio.Reader) { <-done }).origin(t, within(Timeouts{Write: 50 * time.Millisecond}))
	defer close(done)
	_, _, err := call(context.Background(), o, post(strings.Repeat("x", 64<<20)))
	wantKind(t, err, Write)
}

// late is a context whose deadline is over before its timer says so.
type late struct {
	context.Context
	by time.Time
}

func (l late) Deadline() (time.Time, bool) { return l.by, true }

func TestTheCallersDeadlineWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	o, err := New(Needs{Dial: func(context.Context, string, string) (net.Conn, error) {
		time.AfterFunc(time.Millisecond, func() { cancel(context.DeadlineExceeded) })
		return nil, os.ErrDeadlineExceeded
	}}).Origin(Config{URL: "http://192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = call(late{ctx, time.Now()}, o, get())
	if e := wantKind(t, err, Cancelled); e.Code() != llm.CodeTimeout {
		t.Errorf("code %s", e.Code())
	}
}

func TestConnectTimeoutAndRefusal(t *testing.T) {
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	o, err := New(Needs{Dial: never}).Origin(Config{URL: "http://192.0.2.1", Timeouts: Timeouts{Connect: 10 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = call(context.Background(), o, get())
	if e := wantKind(t, err, Connect); e.Code() != llm.CodeUnavailable {
		t.Errorf("code %s", e.Code())
	}
	w := answering(t, ok, false)
	o = w.origin(t)
	w.Close()
	_, _, err = call(context.Background(), o, get())
	wantKind(t, err, Connect)
}

func TestReset(t *testing.T) {
	for name, text := range map[string]string{"before": "", "within the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", "within a stream": chunkedHead + "4\r\nsome\r\n"} {
		t.Run(name, func(t *testing.T) {
			read := make(chan struct{})
			o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(c, text)
				<-read
				c.(*net.TCPConn).SetLinger(0)
			}).origin(t)
			if text == "" {
				close(read)
				_, _, err := call(context.Background(), o, get())
				if e := wantKind(t, err, Reset); e.Code() != llm.CodeUnavailable {
					t.Errorf("code %s", e.Code())
				}
				return
			}
			resp, err := o.Do(context.Background(), get())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := resp.Body.Next(nil); string(b) != "some" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
			close(read)
			_, err = resp.Body.Next(nil)
			if e := wantKind(t, err, Reset); e.Code() != llm.CodeCut {
				t.Errorf("code %s", e.Code())
			}
			if _, again := resp.Body.Next(nil); again != err {
				t.Errorf("a second Next says %v", again)
			}
		})
	}
}

func TestCancellationReachesTheUpstream(t *testing.T) {
	for name, text := range map[string]string{"before the head": "", "within the body": chunkedHead + "4\r\nsome\r\n"} {
		t.Run(name, func(t *testing.T) {
			got := make(chan struct{})
			left := make(chan error, 1)
			o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(c, text)
				close(got)
				_, err := r.ReadByte()
				left <- err
			}).origin(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			go func() {
				<-got
				cancel(errLeft)
			}()
			_, _, err := call(ctx, o, post("{}"))
			wantKind(t, err, Cancelled)
			if !errors.Is(err, errLeft) {
				t.Errorf("error is %v", err)
			}
			if err := <-left; err == nil {
				t.Error("the upstream read something")
			}
			for end := time.Now().Add(20 * time.Second); o.Stats().Open != 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%+v", o.Stats())
				}
			}
		})
	}
}

func TestCancelledWhileNobodyReads(t *testing.T) {
	w, left := silentAfter(t, chunkedHead+"4\r\nsome\r\n")
	ctx, cancel := context.WithCancel(context.Background())
	resp, err := w.origin(t).Do(ctx, get())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-left
	if _, err := resp.Body.All(nil, 100); err == nil {
		t.Error("the body ended in good order")
	}
	resp.Body.Close()
}

func TestCloseCancelsTheUpstream(t *testing.T) {
	w, left := silentAfter(t, chunkedHead+"4\r\nsome")
	resp, err := w.origin(t).Do(context.Background(), get())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body.Close()
	<-left
}

func TestCancelledBeforeAndDuringConnect(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o, err := New(Needs{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}).Origin(Config{URL: "http://192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _, err = call(ctx, o, get())
		wantKind(t, err, Cancelled)
	}
}

func TestAnswerBeforeTheRequestIsWhole(t *testing.T) {
	o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		r.ReadString('\n')
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, r)
	}).origin(t)
	resp, body, err := call(context.Background(), o, post(strings.Repeat("x", 8<<20)))
	if err != nil || resp.Status != 413 || body != "big" {
		t.Errorf("%v, %q, %v", resp, body, err)
	}
}

func TestSocketAnswersForItsProcessOnly(t *testing.T) {
	w := serve(t, "unix", func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, ok)
		}
	})
	now := os.Getpid()
	o := w.origin(t, func(c *Config) { c.PeerPID = func() int { return now } })
	for range 3 {
		if _, body, err := call(context.Background(), o, post("{}")); err != nil || body != "{}" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if n := o.Stats().Dials; n != 1 {
		t.Errorf("%d connections", n)
	}
	// Another process has taken the place of this one: its connections are not used any more.
	now = os.Getppid()
	if _, _, err := call(context.Background(), o, post("{}")); !errors.Is(err, ErrPeer) {
		t.Errorf("a connection to the process before: %v", err)
	}
	before := []int{os.Getppid()}
	o = w.origin(t, func(c *Config) {
		c.PeerPID = func() int {
			if len(before) > 0 {
				defer func() { before = nil }()
				return before[0]
			}
			return os.Getpid()
		}
	})
	if _, _, err := call(context.Background(), o, post("{}")); err != nil {
		t.Errorf("a process that was replaced while it was dialled: %v", err)
	}
	for _, pid := range []int{0, -1, os.Getpid() + 1, os.Getppid()} {
		o := w.origin(t, func(c *Config) { c.PeerPID = func() int { return pid } })
		_, _, err := call(context.Background(), o, post("{}"))
		wantKind(t, err, Connect)
		if !errors.Is(err, ErrPeer) {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Write([]byte("some")) // until the connection ends, and that without a goodbye
			c, _, _ := http.NewResponseController(w).Hijack()
			c.(*tls.Conn).NetConn().Close()
			return
		}
		io.WriteString(w, r.Host+" "+r.Proto)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	secure, err := New(Needs{}).Origin(Config{URL: s.URL, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	want := strings.TrimPrefix(s.URL, "https://") + " HTTP/1.1"
	for range 3 {
		if _, body, err := call(context.Background(), secure, get()); err != nil || body != want {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if s := secure.Stats(); s.Dials != 1 {
		t.Errorf("%+v", s)
	}
	_, _, err = call(context.Background(), secure, &Request{Method: "GET", Path: "/cut"})
	if err == nil {
		t.Error("a cut answer ended in good order")
	}
	for name, c := range map[string]*tls.Config{"unknown authority": nil, "other name": {RootCAs: roots, ServerName: "other.example"}} {
		o, err := New(Needs{}).Origin(Config{URL: s.URL, TLS: c})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = call(context.Background(), o, get())
		if wantKind(t, err, Connect); o.Stats().Open != 0 {
			t.Errorf("%s: the connection is open", name)
		}
	}
}
