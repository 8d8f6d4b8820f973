package egress

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// scripted is a connection without a network: each request is answered with the text, in steps.
type scripted struct {
	text []byte
	step int
	at   int
	loop bool // the next request is answered too
}

func (s *scripted) Read(b []byte) (int, error) {
	if s.at == len(s.text) {
		return 0, io.EOF
	}
	n := copy(b, s.text[s.at:min(s.at+s.step, len(s.text))])
	s.at += n
	return n, nil
}

func (s *scripted) Write(b []byte) (int, error) {
	if s.loop {
		s.at = 0
	}
	return len(b), nil
}

func (*scripted) Close() error                     { return nil }
func (*scripted) LocalAddr() net.Addr              { return nil }
func (*scripted) RemoteAddr() net.Addr             { return nil }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

func local(t testing.TB, text string) *Origin {
	near := &scripted{text: []byte(text), step: 1 << 20, loop: true}
	o, err := New(Needs{Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}).Origin(Config{URL: "http://192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// hooked is a context that offers AfterFunc itself, as a server's may.
type hooked struct {
	context.Context
	mu   sync.Mutex
	f    func()
	stop func() bool
}

func newHooked() *hooked {
	h := &hooked{Context: context.Background()}
	h.stop = func() bool { h.mu.Lock(); defer h.mu.Unlock(); h.f = nil; return true }
	return h
}

func (h *hooked) AfterFunc(f func()) func() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.f = f
	return h.stop
}

func TestCallsAllocateLittle(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req\r\nDate: now\r\nContent-Length: 1600\r\n\r\n" + string(make([]byte, 1600))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		most float64
	}{{"a context that ends", ctx, 7}, {"one with its own AfterFunc", newHooked(), 2}} {
		o, r, buf := local(t, text), post(string(make([]byte, 1900))), make([]byte, 0, 4<<10)
		got := testing.AllocsPerRun(200, func() {
			resp, err := o.Do(c.ctx, r)
			if err != nil {
				t.Fatal(err)
			}
			if buf, err = resp.Body.All(buf[:0], 1<<20); err != nil || len(buf) != 1600 {
				t.Fatal(len(buf), err)
			}
			resp.Body.Close()
		})
		if got > c.most {
			t.Errorf("%s: %v allocations per call, at most %v", c.name, got, c.most)
		}
		t.Logf("%s: %v allocations", c.name, got)
	}
}

func BenchmarkCall(b *testing.B) {
	w := answering(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1600\r\n\r\n"+string(make([]byte, 1600)), false)
	o, r := w.origin(b), post(string(make([]byte, 1900)))
	r.Header = append(r.Header, llm.Field{Name: "Authorization", Value: "Bearer x"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	buf := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := o.Do(ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		buf, _ = resp.Body.All(buf[:0], 1<<20)
		resp.Body.Close()
	}
}
