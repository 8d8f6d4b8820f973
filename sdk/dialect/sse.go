package dialect

import (
	"bytes"
	"errors"
)

// DefaultMaxEvent bounds one server-sent event where a Framer sets no bound of its own.
const DefaultMaxEvent = 8 << 20

// ErrEventSize is the error of an event larger than the framer's bound.
var ErrEventSize = errors.New("server-sent event too large")

// Frame is one event of a stream: a server-sent event (WHATWG HTML, section 9.2) or an item of a JSON
// array. Its slices belong to the framer and are valid until its next use; Clone keeps them.
type Frame struct {
	Raw     []byte // every byte of the event, comments and the blank line that ends it included
	Payload []byte // the data lines joined with a line feed; nil where there are none
	Name    []byte // the event field, or nil
	Last    bool   // the end of a JSON array

	at int // where Payload begins in Raw; 0 = elsewhere
}

// Clone returns a copy with bytes of its own.
func (f Frame) Clone() Frame {
	c := Frame{Raw: append([]byte(nil), f.Raw...), Last: f.Last, at: f.at}
	switch {
	case f.Payload == nil:
	case f.at > 0:
		c.Payload = c.Raw[f.at : f.at+len(f.Payload) : f.at+len(f.Payload)]
	default:
		c.Payload = append([]byte{}, f.Payload...)
	}
	if f.Name != nil {
		c.Name = append([]byte{}, f.Name...)
	}
	return c
}

// Framer cuts a byte stream into server-sent events. The concatenation of what it yields, and of its
// tail, is what it was fed. The zero value is ready; it is used by one goroutine at a time.
type Framer struct {
	Max int // bytes of one event; 0 = DefaultMaxEvent

	buf    []byte
	event  int // where the event at hand begins in buf
	line   int // where its unread line begins
	search int // no line end stands in buf between line and search
	data   Span
	lines  int    // data lines so far
	joined []byte // the payload so far, once there are two data lines
	name   Span
	named  bool
	began  bool // a byte was read: a byte order mark no longer counts
	cr     bool // the last line ended with a carriage return: a line feed belongs to it
}

// Feed appends a copy of chunk.
func (f *Framer) Feed(chunk []byte) {
	if f.event > 0 {
		n := copy(f.buf, f.buf[f.event:])
		f.buf = f.buf[:n]
		f.shift(f.event)
	}
	f.buf = append(f.buf, chunk...)
}

func (f *Framer) shift(by int) {
	f.line -= by
	f.search -= by
	f.data.Start -= by
	f.data.End -= by
	f.name.Start -= by
	f.name.End -= by
	f.event = 0
}

// Next fills frame with the next complete event and reports whether there was one.
func (f *Framer) Next(frame *Frame) (bool, error) {
	for {
		end, next, ok := f.lineEnd()
		if !ok {
			if len(f.buf)-f.event > f.max() {
				return false, ErrEventSize
			}
			return false, nil
		}
		if next-f.event > f.max() {
			return false, ErrEventSize
		}
		start := f.line
		f.line, f.search = next, next
		if start == end {
			f.fill(frame, next)
			return true, nil
		}
		f.field(start, end)
	}
}

// Tail fills frame with the bytes after the last complete event, read as though a blank line ended
// them, and reports whether there are any. A stream that has such a tail was cut, unless the tail is
// the dialect's terminator.
func (f *Framer) Tail(frame *Frame) bool {
	f.skipLF()
	if f.line < len(f.buf) {
		f.field(f.line, len(f.buf))
		f.line, f.search = len(f.buf), len(f.buf)
	}
	if len(f.buf) == f.event {
		return false
	}
	f.fill(frame, len(f.buf))
	return true
}

func (f *Framer) max() int {
	if f.Max > 0 {
		return f.Max
	}
	return DefaultMaxEvent
}

// skipLF steps over the line feed of a line end whose carriage return came alone at first.
func (f *Framer) skipLF() {
	if !f.cr || f.line >= len(f.buf) {
		return
	}
	f.cr = false
	if f.buf[f.line] == '\n' {
		f.line++
		f.search = f.line
	}
}

// lineEnd returns where the unread line's content ends and where the next line begins. A carriage
// return at the end of the buffer ends its line at once: waiting for a line feed that may not come
// would delay the event.
func (f *Framer) lineEnd() (end, next int, ok bool) {
	f.skipLF()
	if !f.began && f.line < len(f.buf) {
		const bom = "\xEF\xBB\xBF"
		rest := f.buf[f.line:]
		if len(rest) < len(bom) && bytes.HasPrefix([]byte(bom), rest) {
			return 0, 0, false
		}
		if bytes.HasPrefix(rest, []byte(bom)) {
			f.line += len(bom)
		}
		f.began = true
	}
	at := max(f.search, f.line)
	i := indexLineEnd(f.buf[at:])
	if i < 0 {
		f.search = len(f.buf)
		return 0, 0, false
	}
	end = at + i
	next = end + 1
	if f.buf[end] == '\r' {
		if next == len(f.buf) {
			f.cr = true
		} else if f.buf[next] == '\n' {
			next++
		}
	}
	return end, next, true
}

// field reads one line that is not empty.
func (f *Framer) field(start, end int) {
	name, value := cutField(f.buf[start:end])
	switch string(name) {
	case "data":
		at := Span{end - len(value), end}
		switch f.lines {
		case 0:
			f.data = at
		case 1:
			f.joined = append(f.joined[:0], f.buf[f.data.Start:f.data.End]...)
			fallthrough
		default:
			f.joined = append(append(f.joined, '\n'), value...)
		}
		f.lines++
	case "event":
		f.name, f.named = Span{end - len(value), end}, true
	}
}

// fill hands out the event that ends at end and begins the next one.
func (f *Framer) fill(frame *Frame, end int) {
	*frame = Frame{Raw: f.buf[f.event:end:end]}
	switch {
	case f.lines == 1:
		frame.Payload = f.buf[f.data.Start:f.data.End:f.data.End]
		frame.at = f.data.Start - f.event
	case f.lines > 1:
		frame.Payload = f.joined
	}
	if f.named {
		frame.Name = f.buf[f.name.Start:f.name.End:f.name.End]
	}
	f.event, f.lines, f.named = end, 0, false
	f.data, f.name = Span{end, end}, Span{end, end}
}

// AppendPayload appends the event raw with payload in the place of its own: its first data line
// carries the new payload, one line for each of the payload's, the other data lines go, and every
// other line keeps its bytes. An event without data lines gets them before its last line.
func AppendPayload(dst, raw, payload []byte) []byte {
	done := false
	for rest := raw; len(rest) > 0; {
		line, ending := cutLine(rest)
		rest = rest[len(line)+len(ending):]
		mark := 0
		if len(rest)+len(line)+len(ending) == len(raw) && bytes.HasPrefix(line, []byte("\xEF\xBB\xBF")) {
			mark = 3
		}
		name, value := cutField(line[mark:])
		isData := string(name) == "data"
		if !done && !isData && len(line) == 0 && len(rest) == 0 {
			dst, done = appendData(dst, "data: ", payload, ending, ending), true
		}
		switch {
		case !isData:
			dst = append(append(dst, line...), ending...)
		case !done:
			dst = append(dst, line[:mark]...)
			prefix := "data: "
			if head := line[mark : len(line)-len(value)]; len(head) == len("data:") && len(value) > 0 {
				prefix = "data:"
			}
			dst, done = appendData(dst, prefix, payload, ending, ending), true
		}
	}
	return dst
}

// appendData appends the payload's lines as data lines; the last one ends with last.
func appendData(dst []byte, prefix string, payload, ending, last []byte) []byte {
	if len(ending) == 0 {
		ending = []byte("\n")
	}
	for {
		line, cut := cutLine(payload)
		payload = payload[len(line)+len(cut):]
		dst = append(append(dst, prefix...), line...)
		if len(cut) == 0 {
			return append(dst, last...)
		}
		dst = append(dst, ending...)
	}
}

// cutLine splits the first line of b from its line end, which is empty at the end of b.
func cutLine(b []byte) (line, ending []byte) {
	i := indexLineEnd(b)
	switch {
	case i < 0:
		return b, nil
	case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return b[:i], b[i : i+2]
	}
	return b[:i], b[i : i+1]
}

// cutField splits a line into its field name and value; a comment has an empty name.
func cutField(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, line[len(line):]
	}
	name, value = line[:i], line[i+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return name, value
}

// indexLineEnd returns the index of the first carriage return or line feed, or -1. It looks at one
// window at a time: a search for the line feed alone would cross the whole rest for each line of a
// stream that ends its lines with carriage returns.
func indexLineEnd(b []byte) int {
	const window = 512
	for at := 0; at < len(b); at += window {
		w := b[at:min(at+window, len(b))]
		lf := bytes.IndexByte(w, '\n')
		if lf >= 0 {
			w = w[:lf]
		}
		if cr := bytes.IndexByte(w, '\r'); cr >= 0 {
			return at + cr
		}
		if lf >= 0 {
			return at + lf
		}
	}
	return -1
}
