package pluginhost

import (
	"bytes"
	"log/slog"
	"testing"
	"time"
)

// TestAFloodIsNotRead faster than it may come: its lines are dropped, and to drop them takes time too.
func TestAFloodIsNotRead(t *testing.T) {
	l := &lines{log: slog.New(slog.DiscardHandler)}
	chunk, total, begin := append(bytes.Repeat([]byte("x"), 32<<10), '\n'), 0, time.Now()
	for time.Since(begin) < 3*linesInterval {
		n, err := l.Write(chunk)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if most := (maxBytes + len(chunk)) * (int(time.Since(begin)/linesInterval) + 2); total > most {
		t.Errorf("%d bytes, at most %d", total, most)
	}
}
