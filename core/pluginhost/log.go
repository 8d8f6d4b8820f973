package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The bounds of what a plugin may write to the host's log: a plugin that floods it is cut short, and
// the lines that were dropped are counted.
const (
	maxLine       = 8 << 10
	maxLines      = 200
	linesInterval = time.Second
)

// lines takes what a plugin writes apart into lines and logs them. A line of JSON as slog or hclog
// write it keeps its level and its attributes.
type lines struct {
	log *slog.Logger

	mu      sync.Mutex // protects what follows
	rest    []byte
	skip    bool // the line was too long: wait for its end
	begin   time.Time
	count   int
	dropped int
}

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if !l.skip {
			l.rest = append(l.rest, line[:min(len(line), maxLine-len(l.rest))]...)
			l.skip = len(l.rest) == maxLine
		}
		if whole {
			l.emit()
		}
	}
	return len(p), nil
}

// flush logs a last line without an end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit()
}

func (l *lines) emit() {
	line := bytes.TrimSpace(l.rest)
	l.rest, l.skip = l.rest[:0], false
	if len(line) == 0 {
		return
	}
	if now := time.Now(); now.Sub(l.begin) > linesInterval {
		if l.dropped > 0 {
			l.log.Warn("lines of the plugin were dropped", "lines", l.dropped)
		}
		l.begin, l.count, l.dropped = now, 0, 0
	}
	if l.count++; l.count > maxLines {
		l.dropped++
		return
	}
	level, message, attrs := parseLine(line)
	l.log.LogAttrs(context.Background(), level, "plugin says", append(attrs, slog.String("text", message))...)
}

// parseLine reads a line as slog.JSONHandler or hclog write it; any other is its own message.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	level := slog.LevelInfo
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		level = slog.LevelError
	}
	var fields map[string]any
	if line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return level, string(line), nil
	}
	message := ""
	var attrs []slog.Attr
	for name, value := range fields {
		text, isText := value.(string)
		switch strings.TrimPrefix(name, "@") {
		case "msg", "message":
			if isText {
				message = text
			}
		case "level":
			if err := level.UnmarshalText([]byte(strings.ToUpper(text))); err != nil {
				level = slog.LevelInfo
			}
		case "time", "timestamp", "module", "caller":
		default:
			attrs = append(attrs, slog.Any("plugin_"+name, value))
		}
	}
	return level, message, attrs
}
