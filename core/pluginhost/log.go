package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The bounds of what a plugin may write to the host's log: a plugin that floods it is cut short, and
// the lines that were dropped are counted. What is above maxBytes is not even read before its time, or the
// host would be busy with it.
const (
	maxLine       = 8 << 10
	maxLines      = 200
	maxBytes      = 4 << 20
	linesInterval = time.Second
)

// lines takes what a plugin writes apart into lines and logs them. A line of JSON as slog or hclog
// write it keeps its level and its attributes.
type lines struct {
	log     *slog.Logger // in which the secrets are not
	secrets secrets

	mu      sync.Mutex // protects what follows
	rest    []byte
	skip    bool // the line was too long: wait for its end
	begin   time.Time
	bytes   int
	count   int
	dropped int
}

// Write never fails. It takes its time with a plugin that writes too much.
func (l *lines) Write(p []byte) (int, error) {
	time.Sleep(l.write(p))
	return len(p), nil
}

// write returns how long to wait before the next.
func (l *lines) write(p []byte) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	most := maxLine + l.secrets.longest // so that a secret is whole that begins within a line's length
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if !l.skip {
			l.rest = append(l.rest, line[:min(len(line), most-len(l.rest))]...)
			l.skip = len(l.rest) == most
		}
		if whole {
			l.emit()
		}
	}
	if l.bytes += len(p); l.bytes > maxBytes {
		wait = time.Until(l.begin.Add(linesInterval))
	}
	return wait
}

// turn begins another interval when it is time.
func (l *lines) turn() {
	now := time.Now()
	if now.Sub(l.begin) < linesInterval {
		return
	}
	if l.dropped > 0 {
		l.log.Warn("lines of the plugin were dropped", "lines", l.dropped)
	}
	l.begin, l.bytes, l.count, l.dropped = now, 0, 0, 0
}

// flush logs a last line without an end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit()
}

func (l *lines) emit() {
	line, whole := bytes.TrimSpace(l.rest), !l.skip
	l.rest, l.skip = l.rest[:0], false
	if len(line) == 0 {
		return
	}
	l.turn()
	if l.count++; l.count > maxLines { // before anything is looked for in it
		l.dropped++
		return
	}
	if !whole {
		line = l.cut(line)
	}
	level, message, attrs := parseLine(line)
	l.log.LogAttrs(context.Background(), level, "plugin says", append(attrs, slog.String("text", message))...)
}

// cut returns the beginning of a line that was too long, without its last bytes, which may be the half of a secret.
func (l *lines) cut(line []byte) []byte {
	text := l.secrets.hide(string(line))
	return []byte(text[:min(max(len(text)-l.secrets.longest, 0), maxLine)])
}

// parseLine reads a line as slog.JSONHandler or hclog write it; any other is its own message.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	level := slog.LevelInfo
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		level = slog.LevelError
	}
	fields, ok := parseJSON(line)
	if !ok {
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

// parseJSON returns the members of an object, in which numbers are as they are written: who looks for one has it so.
func parseJSON(line []byte) (fields map[string]any, ok bool) {
	if !bytes.HasPrefix(line, []byte("{")) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if d.Decode(&fields) != nil {
		return nil, false
	}
	_, err := d.Token()
	return fields, err == io.EOF
}
