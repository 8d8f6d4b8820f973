package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// file is a file of whole lines that is rotated by size. One goroutine at a time uses it.
type file struct {
	path string
	max  int64
	keep int
	f    *os.File
	size int64
}

// open opens the file to append to it. The beginning of a line that a killed process left is cut
// off: nobody was told that it is kept.
func open(path string, max int64, keep int) (*file, error) {
	o := &file{path: path, max: max, keep: keep}
	if err := o.reopen(); err != nil {
		return nil, err
	}
	end, err := wholeLines(o.f, o.size)
	if err == nil && end < o.size {
		err = o.f.Truncate(end)
	}
	if err != nil {
		o.close()
		return nil, err
	}
	o.size = end
	return o, nil
}

func (o *file) reopen() error {
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = errors.New(o.path + " is not a regular file")
	}
	if err != nil {
		f.Close()
		return err
	}
	o.f, o.size = f, stat.Size()
	return nil
}

// wholeLines returns where the last line end is.
func wholeLines(r io.ReaderAt, size int64) (int64, error) {
	var block [4 << 10]byte
	for end := size; end > 0; {
		n := min(end, int64(len(block)))
		if _, err := r.ReadAt(block[:n], end-n); err != nil && err != io.EOF {
			return 0, err
		}
		if at := bytes.LastIndexByte(block[:n], '\n'); at >= 0 {
			return end - n + int64(at) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// append writes a line whole or not at all.
func (o *file) append(line []byte) error {
	if o.f == nil {
		if err := o.reopen(); err != nil { // a rotation that failed half-way
			return err
		}
	}
	if o.size > 0 && o.size+int64(len(line)) > o.max {
		if err := o.rotate(); err != nil {
			return err
		}
	}
	n, err := o.f.Write(line)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, o.f.Truncate(o.size))
		}
		return err
	}
	o.size += int64(n)
	return nil
}

// rotate renames the file to the first of those that are kept, and the others up by one.
func (o *file) rotate() error {
	if err := o.f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	err := o.f.Close()
	o.f = nil
	if err != nil {
		return err
	}
	if o.keep == 0 {
		err = os.Remove(o.path)
	}
	for i := o.keep; i > 0 && err == nil; i-- {
		from := o.path
		if i > 1 {
			from += "." + strconv.Itoa(i-1)
		}
		if err = os.Rename(from, o.path+"."+strconv.Itoa(i)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return o.reopen()
}

func (o *file) close() {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
}
