// Package eventstream reads the binary event streams of Amazon's services (application/vnd.amazon.eventstream)
// and gives their events as server-sent ones, which everything else here reads.
//
// It writes none and knows no service's events. Source: the event stream encoding of the AWS SDKs'
// developer guide.
package eventstream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// MaxFrame bounds a frame of an event stream, in bytes.
const MaxFrame = 16 << 20

// A frame's parts: the prelude (its length, that of its headers, a checksum of both), the headers, the
// payload, and a checksum of all that. Numbers are big-endian, checksums CRC-32 (IEEE).
const (
	preludeSize = 12
	crcSize     = 4
)

// ErrFrame is wrapped by the errors of an event stream that cannot be read.
var ErrFrame = errors.New("malformed event stream")

// Reader takes an event stream apart and gives its events as server-sent ones, whose data is an object with the
// event's type as its one member. The zero value is ready; it is used by one goroutine at a time.
type Reader struct{ buf []byte }

// Feed adds bytes of the stream, which are copied.
func (f *Reader) Feed(b []byte) { f.buf = append(f.buf, b...) }

// Open reports whether there are bytes of a frame that is not whole: a stream that ends there was cut.
func (f *Reader) Open() bool { return len(f.buf) > 0 }

// Next appends the next event to dst, and reports false where no whole one is there.
func (f *Reader) Next(dst []byte) ([]byte, bool, error) {
	if len(f.buf) < preludeSize {
		return dst, false, nil
	}
	total, headers := binary.BigEndian.Uint32(f.buf), binary.BigEndian.Uint32(f.buf[4:])
	switch {
	case crc32.ChecksumIEEE(f.buf[:8]) != binary.BigEndian.Uint32(f.buf[8:]):
		return dst, false, fmt.Errorf("%w: the checksum of a prelude is wrong", ErrFrame)
	case total > MaxFrame || total < preludeSize+crcSize || headers > total-preludeSize-crcSize:
		return dst, false, fmt.Errorf("%w: a frame of %d bytes with headers of %d", ErrFrame, total, headers)
	case uint32(len(f.buf)) < total:
		return dst, false, nil
	}
	frame := f.buf[:total]
	end := total - crcSize
	if crc32.ChecksumIEEE(frame[:end]) != binary.BigEndian.Uint32(frame[end:]) {
		return dst, false, fmt.Errorf("%w: the checksum of a frame is wrong", ErrFrame)
	}
	name, payload, err := event(frame[preludeSize:preludeSize+headers], frame[preludeSize+headers:end])
	if err != nil {
		return dst, false, err
	}
	dst = append(append(append(dst, `data: {"`...), name...), `":`...)
	out := bytes.NewBuffer(dst)
	if json.Compact(out, payload) != nil {
		return dst, false, fmt.Errorf("%w: the payload of %s is not JSON", ErrFrame, name)
	}
	f.buf = f.buf[:copy(f.buf, f.buf[total:])]
	return append(out.Bytes(), "}\n\n"...), true, nil
}

// event returns the type of a frame and its payload.
func event(headers, payload []byte) (name string, _ []byte, err error) {
	kind, event, exception, code, message := "event", "", "", "", ""
	err = eachHeader(headers, func(name, value string) {
		switch name {
		case ":message-type":
			kind = value
		case ":event-type":
			event = value
		case ":exception-type":
			exception = value
		case ":error-code":
			code = value
		case ":error-message":
			message = value
		}
	})
	switch kind {
	case "exception":
		event = exception
	case "error": // of the transport: everything stands in the headers
		event = "error"
		payload, _ = json.Marshal(map[string]string{"code": code, "message": message})
	}
	if err == nil && !word(event) {
		err = fmt.Errorf("%w: a frame without a type", ErrFrame)
	}
	return event, payload, err
}

// word reports whether s is a type as the service names them.
func word(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return s != ""
}

// sizes are those of a header's value by its type; -1 stands for a length of two bytes and so many.
var sizes = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

// typeString is the type of a header whose value is text.
const typeString = 7

// eachHeader calls yield with the headers that are texts.
func eachHeader(b []byte, yield func(name, value string)) error {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 2+n || int(b[1+n]) >= len(sizes) {
			return fmt.Errorf("%w: a header", ErrFrame)
		}
		name, kind, rest := string(b[1:1+n]), b[1+n], b[2+n:]
		size := sizes[kind]
		if size < 0 {
			if len(rest) < 2 {
				return fmt.Errorf("%w: a header", ErrFrame)
			}
			size, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
		}
		if len(rest) < size {
			return fmt.Errorf("%w: a header", ErrFrame)
		}
		if kind == typeString {
			yield(name, string(rest[:size]))
		}
		b = rest[size:]
	}
	return nil
}
