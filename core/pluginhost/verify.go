package pluginhost

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
)

// ErrChecksum is the error of an executable that is not the one that the operator named.
var ErrChecksum = errors.New("the executable does not have the sha256 that is configured")

// verified opens an executable whose content has the given sha256, in hexadecimal. Where others may write to the file it
// is a copy, which nobody can change any more; free is called when no process runs from it.
func (h *Host) verified(ctx context.Context, path, sum string) (_ *os.File, free func(), err error) {
	var want [sha256.Size]byte
	if raw, err := hex.DecodeString(strings.ToLower(sum)); err != nil || len(raw) != len(want) || copy(want[:], raw) == 0 {
		return nil, nil, errors.New("an executable needs its sha256, 64 hexadecimal digits")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // who opens a pipe waits for its other end
	if err != nil {
		return nil, nil, err
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		err = hasSum(ctx, f, want)
	}
	if err == nil && !shared(stat) {
		return f, func() {}, nil
	}
	defer f.Close()
	if err != nil {
		return nil, nil, err
	}
	return h.copies.take(ctx, f, want)
}

// hasSum returns an error unless a file's content has a sum.
func hasSum(ctx context.Context, f *os.File, want [sha256.Size]byte) error {
	hash := sha256.New()
	if _, err := io.Copy(hash, during{ctx, io.NewSectionReader(f, 0, math.MaxInt64)}); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(hash.Sum(nil), want[:]) != 1 {
		return fmt.Errorf("%w: it is %x", ErrChecksum, hash.Sum(nil))
	}
	return nil
}

// during reads until ctx ends: a file may be longer than anybody waits.
type during struct {
	ctx context.Context
	io.Reader
}

func (d during) Read(p []byte) (int, error) {
	if err := context.Cause(d.ctx); err != nil {
		return 0, err
	}
	return d.Reader.Read(p)
}
