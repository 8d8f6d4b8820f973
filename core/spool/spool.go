// Package spool receives form data that is too large for memory: what its parts have beyond their beginnings
// goes into a file that has no name, and comes out of it piece by piece.
//
// It finds the delimiters between parts and nothing else: what a part is, and whether the form is well made, is for
// the dialects. It knows no sockets and no limits of time.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

const (
	// Whole is how much of a body stays in memory whatever is in it.
	Whole = 1 << 20
	// Beginning is how much of each part does, its head included.
	Beginning = 64 << 10

	step = 64 << 10 // what is read at once

	spare  = 256 << 20 // what has to stay free of the disk: others live on it, the gateway's state among them
	looked = 8 << 20   // after so many bytes it is looked at again
)

// The errors of Receive, beside those of what it reads from.
var (
	ErrForm = errors.New("a delimiter of the form stands inside a part")
	ErrRoom = errors.New("there is no room for it in memory")
	ErrFile = errors.New("the file cannot be written")
)

// Room reports whether there is room for n more bytes of the body in memory.
type Room func(n int64) bool

// Create makes a file that is gone when it is closed.
type Create func() (File, error)

// File is where a body is kept.
type File interface {
	io.WriterAt
	io.ReaderAt
	io.Closer
}

// In returns what makes files in a directory. A file has a name for the moment only in which it is made, and takes
// nothing of the last of its disk.
func In(dir string) Create {
	return func() (File, error) {
		f, err := os.CreateTemp(dir, "upload-*")
		if err != nil {
			return nil, err
		}
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, err
		}
		return &thrifty{File: f, dir: dir}, nil
	}
}

// thrifty is a file that leaves some of its disk free.
type thrifty struct {
	*os.File
	dir string
	may int64 // bytes that it may have before the disk is looked at
}

// WriteAt writes behind what was written.
func (t *thrifty) WriteAt(b []byte, off int64) (int, error) {
	if end := off + int64(len(b)); end > t.may {
		left, err := free(t.dir)
		if err != nil {
			return 0, err
		}
		if left < spare+looked {
			return 0, fmt.Errorf("no more than %d MiB of the disk are free, and %d MiB stay so", left>>20, spare>>20)
		}
		t.may = end + looked
	}
	return t.File.WriteAt(b, off)
}

// Form is form data as it was received. The caller closes it when nobody reads it any more.
type Form struct {
	delimiter []byte // "--" and the boundary
	create    Create
	room      Room

	whole, beginning int // Whole and Beginning

	text  []byte // what stays in memory
	held  egress.Held
	file  File
	since int    // bytes of the part at hand
	start int    // of it in text
	head  int    // bytes of its head, once it has ended
	rest  []byte // what may be the beginning of a delimiter, with the two bytes before it
	found bool   // a delimiter
}

// New returns a form to receive.
func New(boundary string, create Create, room Room) *Form {
	return &Form{delimiter: []byte("--" + boundary), create: create, room: room, whole: Whole, beginning: Beginning}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, step); return &b }}

// Receive reads the form to its end.
func (f *Form) Receive(r io.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read(*buf)
		if e := f.feed((*buf)[:n]); e != nil {
			return e
		}
		if err == io.EOF {
			return f.keep(f.rest)
		}
		if err != nil {
			return err
		}
	}
}

// Body returns what was received.
func (f *Form) Body() exchange.Body { return exchange.NewHeldBody(f.text, f.held, f.room) }

// Close gives the file back.
func (f *Form) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// feed takes more of the form.
func (f *Form) feed(p []byte) error {
	f.rest = append(f.rest, p...)
	b := f.rest
	for {
		at := bytes.Index(b, f.delimiter)
		if at < 0 {
			break
		}
		if err := f.part(b[:at]); err != nil {
			return err
		}
		if err := f.keep(f.delimiter); err != nil {
			return err
		}
		f.since, f.found, f.start, f.head = 0, true, len(f.text), 0
		b = b[at+len(f.delimiter):]
	}
	if n := len(b) - len(f.delimiter) - 1; n > 0 {
		if err := f.put(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	f.rest = append(f.rest[:0], b...)
	return nil
}

// part takes the end of a part. The line end before a delimiter stays in memory. What is left out between the beginning
// of a part and that line end can neither make a delimiter nor hide one: no delimiter has a line end in it.
func (f *Form) part(b []byte) error {
	n := max(len(b)-2, 0)
	if err := f.put(b[:n]); err != nil {
		return err
	}
	if f.left() && string(b[n:]) != "\r\n" {
		return ErrForm
	}
	return f.keep(b[n:])
}

// left reports whether something of the part at hand was left out.
func (f *Form) left() bool {
	n := len(f.held.Holes)
	return n > 0 && f.held.Holes[n-1].At == len(f.text)
}

// put takes bytes of a part: into memory as long as they may stay there.
func (f *Form) put(b []byte) error {
	n := max(f.whole-len(f.text), 0)
	if f.found {
		n = max(n, f.stays(b))
	} else {
		n = len(b) // what does not begin as form data is none
	}
	if n = min(n, len(b)); n > 0 && !f.left() {
		if err := f.keep(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	return f.hold(b)
}

// stays returns how much of b stays in memory as the beginning of a part: all of its head, and as much of its content,
// so that what is short is there whole: nobody takes a part for a short field of which more is left out.
func (f *Form) stays(b []byte) int {
	if f.head == 0 && !f.left() {
		seen := append(f.text[f.start:len(f.text):len(f.text)], b...)
		if at := bytes.Index(seen, []byte("\r\n\r\n")); at >= 0 {
			f.head = at + 4
		} else if f.since > f.beginning {
			return f.beginning - f.since // it has no head, and is refused by whoever reads it
		} else {
			return len(b)
		}
	}
	return f.head + f.beginning - f.since
}

func (f *Form) keep(b []byte) error {
	if need := len(f.text) + len(b); need > cap(f.text) {
		grown := max(2*cap(f.text), need, 4<<10)
		if !f.room(int64(grown - cap(f.text))) {
			return ErrRoom
		}
		f.text = append(make([]byte, 0, grown), f.text...)
	}
	f.text = append(f.text, b...)
	f.since += len(b)
	return nil
}

// hold writes bytes of a part to the file.
func (f *Form) hold(b []byte) error {
	if f.file == nil {
		file, err := f.create()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFile, err)
		}
		f.file, f.held.File = file, file
	}
	off := int64(0)
	if n := len(f.held.Holes); n > 0 {
		off = f.held.Holes[n-1].Off + f.held.Holes[n-1].Len
	}
	if _, err := f.file.WriteAt(b, off); err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	if f.left() {
		f.held.Holes[len(f.held.Holes)-1].Len += int64(len(b))
	} else {
		f.held.Holes = append(f.held.Holes, egress.Hole{At: len(f.text), Off: off, Len: int64(len(b))})
	}
	f.since += len(b)
	return nil
}
