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
// is a copy, which nobody can change any more.
func verified(ctx context.Context, path, sum string) (*os.File, error) {
	want, err := hex.DecodeString(strings.ToLower(sum))
	if err != nil || len(want) != sha256.Size {
		return nil, errors.New("an executable needs its sha256, 64 hexadecimal digits")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // who opens a pipe waits for its other end
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && shared(stat) {
		file := f
		f, err = sealed(ctx, file)
		file.Close()
	}
	hash := sha256.New()
	if err == nil {
		_, err = io.Copy(hash, during{ctx, io.NewSectionReader(f, 0, math.MaxInt64)})
	}
	if err == nil && subtle.ConstantTimeCompare(hash.Sum(nil), want) != 1 {
		err = fmt.Errorf("%w: it is %x", ErrChecksum, hash.Sum(nil))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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
