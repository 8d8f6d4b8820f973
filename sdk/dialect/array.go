package dialect

import (
	"bytes"
	"errors"
	"strings"
)

// ErrArray is the error of a stream that should be one JSON array and is not.
var ErrArray = errors.New("the stream is not a JSON array")

// ArrayFramer cuts a JSON array that arrives in pieces into its items, as Framer cuts server-sent
// events: the concatenation of what it yields, and of its tail, is what it was fed. The raw bytes of a
// frame are what separates the item from the one before (the opening bracket or a comma, and white
// space) and the item, an object, which is the payload; the last frame has no payload and holds the
// closing bracket and the white space that came with it. The zero value is ready; it is used by one goroutine at a time.
type ArrayFramer struct {
	Max int // bytes of one item; 0 = DefaultMaxEvent

	buf   []byte
	item  int // where the frame at hand begins in buf
	pos   int // the first byte that was not looked at
	at    int // where the item's object begins in buf; 0 with depth 0 = it has not begun
	depth int
	state arrayState
	text  bool // inside a string
	slash bool // after a backslash in one
}

type arrayState uint8

const (
	arrayOutside arrayState = iota // before the opening bracket
	arrayFirst                     // after it: an item or the end
	arrayNext                      // after a comma: an item
	arrayInside                    // in an item
	arrayAfter                     // after an item: a comma or the end
	arrayEnd
)

// Feed appends a copy of chunk.
func (f *ArrayFramer) Feed(chunk []byte) {
	if f.item > 0 {
		f.buf = f.buf[:copy(f.buf, f.buf[f.item:])]
		f.pos -= f.item
		f.at -= f.item
		f.item = 0
	}
	f.buf = append(f.buf, chunk...)
}

// Next fills frame with the next complete item, or the array's end, and reports whether there was one.
func (f *ArrayFramer) Next(frame *Frame) (bool, error) {
	for f.state != arrayEnd && f.pos < len(f.buf) {
		if f.state == arrayInside {
			if !f.inside() {
				break
			}
			f.fill(frame, f.pos)
			frame.at = f.at - (f.pos - len(frame.Raw))
			frame.Payload = f.buf[f.at:f.pos:f.pos]
			return true, nil
		}
		c := f.buf[f.pos]
		f.pos++
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '[' && f.state == arrayOutside:
			f.state = arrayFirst
		case c == ',' && f.state == arrayAfter:
			f.state = arrayNext
		case c == '{' && (f.state == arrayFirst || f.state == arrayNext):
			f.state, f.at, f.depth = arrayInside, f.pos-1, 1
		case c == ']' && (f.state == arrayFirst || f.state == arrayAfter):
			f.state = arrayEnd
			f.space()
			f.fill(frame, f.pos)
			frame.Last = true
			return true, nil
		default:
			return false, ErrArray
		}
	}
	limit := f.Max
	if limit == 0 {
		limit = DefaultMaxEvent
	}
	if len(f.buf)-f.item > limit {
		return false, ErrEventSize
	}
	if f.state == arrayEnd {
		if f.space(); f.pos < len(f.buf) {
			return false, ErrArray
		}
	}
	return false, nil
}

// space steps over white space.
func (f *ArrayFramer) space() {
	for f.pos < len(f.buf) && strings.IndexByte(jsonSpace, f.buf[f.pos]) >= 0 {
		f.pos++
	}
}

// inside looks on in an item and reports whether it has ended.
func (f *ArrayFramer) inside() bool {
	for f.pos < len(f.buf) {
		c := f.buf[f.pos]
		f.pos++
		switch {
		case f.slash:
			f.slash = false
		case f.text:
			f.slash, f.text = c == '\\', c != '"'
		case c == '"':
			f.text = true
		case c == '{' || c == '[':
			f.depth++
		case c == '}' || c == ']':
			if f.depth--; f.depth == 0 {
				f.state = arrayAfter
				return true
			}
		}
	}
	return false
}

func (f *ArrayFramer) fill(frame *Frame, end int) {
	*frame = Frame{Raw: f.buf[f.item:end:end]}
	f.item = end
}

// Tail fills frame with the bytes after the last complete item, and reports whether there are any. It
// has no payload; after the array's end it is white space, and otherwise the stream was cut.
func (f *ArrayFramer) Tail(frame *Frame) bool {
	if f.item == len(f.buf) {
		return false
	}
	f.fill(frame, len(f.buf))
	return true
}

// AppendItem appends the raw frame of an array's item with payload in the place of its own.
func AppendItem(dst, raw, payload []byte) []byte {
	return append(append(dst, raw[:itemStart(raw)]...), payload...)
}

// AppendSeparated appends the raw frame of an array's item, or of its end, so that it follows what was
// appended before: begun says whether the array has an item already. That matters where items were
// left out; otherwise the frame keeps its bytes.
func AppendSeparated(dst, raw []byte, begun bool) []byte {
	at := itemStart(raw)
	end := at == len(raw) // the closing bracket
	opened := false
	for _, c := range raw[:at] {
		switch {
		case c == '[' && begun:
			c = ','
		case c == ',' && !begun:
			c = '['
		case c == ']' && !begun && !opened:
			dst = append(dst, '[')
		}
		opened = opened || c == '['
		if c == ',' && end { // an empty array's bracket behind what another wrote
			continue
		}
		dst = append(dst, c)
	}
	return append(dst, raw[at:]...)
}

// itemStart returns where the object begins in the frame of an item.
func itemStart(raw []byte) int {
	if i := bytes.IndexByte(raw, '{'); i >= 0 {
		return i
	}
	return len(raw)
}
