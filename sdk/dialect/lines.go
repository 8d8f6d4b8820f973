package dialect

import "bytes"

// jsonSpace is JSON's white space (RFC 8259, section 2).
const jsonSpace = " \t\r\n"

// LineFramer cuts a stream of JSON texts, one a line (newline-delimited JSON: application/x-ndjson), into its
// lines, as Framer cuts server-sent events: the concatenation of what it yields, and of its tail, is what it was
// fed. The raw bytes of a frame are the line with its line feed; the payload is the line without white space
// around it, and nil where nothing else is on it. The zero value is ready; it is used by one goroutine at a time.
type LineFramer struct {
	Max int // bytes of one line; 0 = DefaultMaxEvent

	buf    []byte
	line   int // where the line at hand begins in buf
	search int // no line feed stands in buf between line and search
}

// Feed appends a copy of chunk.
func (f *LineFramer) Feed(chunk []byte) {
	if f.line > 0 {
		f.buf = f.buf[:copy(f.buf, f.buf[f.line:])]
		f.search -= f.line
		f.line = 0
	}
	f.buf = append(f.buf, chunk...)
}

// Next fills frame with the next complete line and reports whether there was one.
func (f *LineFramer) Next(frame *Frame) (bool, error) {
	limit := f.Max
	if limit == 0 {
		limit = DefaultMaxEvent
	}
	i := bytes.IndexByte(f.buf[f.search:], '\n')
	if i < 0 {
		f.search = len(f.buf)
		if len(f.buf)-f.line > limit {
			return false, ErrEventSize
		}
		return false, nil
	}
	end := f.search + i + 1
	if end-f.line > limit {
		return false, ErrEventSize
	}
	f.fill(frame, end)
	return true, nil
}

// Tail fills frame with the bytes after the last line feed, read as a line, and reports whether there are any. A
// stream that has such a tail was cut, unless the tail is a whole JSON text.
func (f *LineFramer) Tail(frame *Frame) bool {
	if f.line == len(f.buf) {
		return false
	}
	f.fill(frame, len(f.buf))
	return true
}

func (f *LineFramer) fill(frame *Frame, end int) {
	raw := f.buf[f.line:end:end]
	*frame = Frame{Raw: raw}
	rest := bytes.TrimLeft(raw, jsonSpace)
	if payload := bytes.TrimRight(rest, jsonSpace); len(payload) > 0 {
		frame.at = len(raw) - len(rest)
		frame.Payload = payload[:len(payload):len(payload)]
	}
	f.line, f.search = end, end
}
