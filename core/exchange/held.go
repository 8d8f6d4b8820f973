package exchange

import (
	"errors"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
)

// The errors of a body that is not taken into memory.
var (
	ErrTooLong = errors.New("the body is too long for memory")
	ErrNoRoom  = errors.New("there is no room for the body in memory")
)

// NewHeldBody is NewBody for a body of which large parts are in a file: of form data, which nobody reads on the
// way. The file is open as long as the exchange; room makes room for so many bytes in memory, nil = there is.
func NewHeldBody(raw []byte, h egress.Held, room func(n int64) bool) Body {
	return Body{raw: raw, held: h, room: room}
}

// Read returns the body with the texts that were found in what is in memory.
func (b *Body) Read(found []dialect.Text) Body {
	read := NewBody(b.raw, found)
	read.held, read.room = b.held, b.room
	return read
}

// Size returns the length of the body as it arrived, in bytes.
func (b *Body) Size() int64 { return int64(len(b.raw)) + b.held.Len() }

// Held returns what Bytes leaves out, with its places in that.
func (b *Body) Held() egress.Held {
	if len(b.held.Holes) == 0 || !b.Edited() {
		return b.held
	}
	h := egress.Held{File: b.held.File, Holes: append([]egress.Hole(nil), b.held.Holes...)}
	for i := range h.Holes {
		at := h.Holes[i].At
		for _, s := range b.splices {
			if s.span.End <= at {
				h.Holes[i].At += len(s.with) - s.span.Len()
			}
		}
		for t := range b.texts {
			if x := &b.texts[t]; x.edited && x.Span.End <= at {
				h.Holes[i].At += len(x.raw) - x.Span.Len()
			}
		}
	}
	return h
}

// Load takes what is held into memory, if the body is no longer than limit; the errors are
// ErrTooLong, ErrNoRoom and the file's. It comes before the body is read.
func (b *Body) Load(limit int64) error {
	if len(b.held.Holes) == 0 {
		return nil
	}
	size := b.Size()
	if size > limit {
		return ErrTooLong
	}
	if b.room != nil && !b.room(size) {
		return ErrNoRoom
	}
	out, last := make([]byte, 0, size), 0
	for _, h := range b.held.Holes {
		out = append(out, b.raw[last:h.At]...)
		last = h.At
		n := len(out)
		out = out[:n+int(h.Len)]
		if _, err := b.held.File.ReadAt(out[n:], h.Off); err != nil {
			return err
		}
	}
	*b = Body{raw: append(out, b.raw[last:]...)}
	return nil
}
