package telemetry

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// pipe is a reader that stands still until it is released.
type pipe struct {
	entered chan struct{}
	release chan struct{}
	once    sync.Once

	mu   sync.Mutex
	text bytes.Buffer
}

func newPipe() *pipe { return &pipe{entered: make(chan struct{}), release: make(chan struct{})} }

func (p *pipe) Write(b []byte) (int, error) {
	p.once.Do(func() { close(p.entered) })
	<-p.release
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestLogWaitsForNobody: while the reader stands still lines are taken, then dropped; when it reads
// again it gets those that were taken, in order, and the number of the others.
func TestLogWaitsForNobody(t *testing.T) {
	p := newPipe()
	w := NewLogWriter(p, 1000)
	told := make(chan struct{})
	w.Tell(slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		defer close(told)
		return w.Write(b)
	}), nil)))
	fmt.Fprintf(w, "first\n")
	<-p.entered
	for i := range 300 { // 10 bytes each
		fmt.Fprintf(w, "line %04d\n", i)
	}
	close(p.release)
	<-told
	w.Close()
	lines := strings.Split(strings.TrimSpace(p.String()), "\n")
	if len(lines) != 1+100+1 || lines[0] != "first" || lines[1] != "line 0000" || lines[100] != "line 0099" || !strings.Contains(lines[101], "lines=200") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestLogEndsWithoutItsReader: what nobody reads holds up no end.
func TestLogEndsWithoutItsReader(t *testing.T) {
	p := newPipe()
	w := NewLogWriter(p, 0)
	fmt.Fprintln(w, "line")
	<-p.entered
	w.Close()
	fmt.Fprintln(w, "too late")
	close(p.release)
	<-w.done
	if got := p.String(); got != "line\n" {
		t.Errorf("%q", got)
	}
}

// TestLogIsWholeAtTheEnd: Close writes what waits.
func TestLogIsWholeAtTheEnd(t *testing.T) {
	var out bytes.Buffer
	w := NewLogWriter(&out, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				fmt.Fprintln(w, "a line of its own")
			}
		})
	}
	wg.Wait()
	w.Close()
	<-w.done
	if n := strings.Count(out.String(), "a line of its own\n"); n != 8000 {
		t.Errorf("%d lines", n)
	}
}
