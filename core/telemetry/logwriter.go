package telemetry

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// DefaultLogQueue is how many bytes of the log wait for a reader that is slow.
const DefaultLogQueue = 4 << 20

// gather is how long a line waits for others: one write, and one wake-up, for all of them.
const gather = 5 * time.Millisecond

// keepLog is the largest buffer that is kept when what it held was written.
const keepLog = 256 << 10

// LogWriter is a writer that never waits: a goroutine writes on what it takes. A pipe whose reader
// stands still would otherwise hold up every exchange that writes its line. Lines that do not fit are
// dropped and counted.
type LogWriter struct {
	to   io.Writer
	most int
	wake chan struct{} // something waits that nobody gathers yet
	end  chan struct{} // closed when nothing more comes
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // protects what follows
	waiting []byte
	dropped int
	logger  *slog.Logger // is told of what was dropped; may be nil
	closed  bool
}

var _ io.WriteCloser = (*LogWriter)(nil)

// NewLogWriter returns a writer to w that holds at most most bytes; 0 = DefaultLogQueue. The caller
// closes it.
func NewLogWriter(w io.Writer, most int) *LogWriter {
	if most == 0 {
		most = DefaultLogQueue
	}
	l := &LogWriter{to: w, most: most, wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Tell has a logger that writes here say how many lines were dropped, when there is room again.
func (l *LogWriter) Tell(logger *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logger = logger
}

// Write takes one line. It never fails and never waits.
func (l *LogWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	first := len(l.waiting) == 0
	if l.closed || len(l.waiting)+len(p) > l.most {
		l.dropped++
	} else {
		l.waiting = append(l.waiting, p...)
	}
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// Close writes what waits, for a second at most, and ends the writer.
func (l *LogWriter) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if !closed {
		close(l.end)
	}
	select {
	case <-l.done:
	case <-time.After(time.Second): // the reader stands still; the process does not wait for it
	}
	return nil
}

// run writes what was gathered, until the end.
func (l *LogWriter) run() {
	defer close(l.done)
	var spare []byte
	for ended := false; !ended; {
		select {
		case <-l.wake:
			select {
			case <-time.After(gather):
			case <-l.end:
			}
		case <-l.end:
			ended = true
		}
		spare = l.flush(spare)
	}
}

// flush writes what waits and returns a buffer for what comes next.
func (l *LogWriter) flush(spare []byte) []byte {
	for {
		l.mu.Lock()
		writing, dropped, logger := l.waiting, l.dropped, l.logger
		l.waiting = spare[:0]
		if len(writing) == 0 {
			l.dropped = 0
		}
		l.mu.Unlock()
		if len(writing) == 0 {
			if dropped > 0 && logger != nil {
				logger.Warn("log lines were dropped, nobody read them", "lines", dropped)
			}
			return writing
		}
		l.to.Write(writing)
		if spare = writing; cap(spare) > keepLog {
			spare = nil
		}
	}
}
