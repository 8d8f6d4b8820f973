package pluginhost

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrChecksum is the error of an executable that is not the one that the operator named.
var ErrChecksum = errors.New("the executable does not have the sha256 that is configured")

// verified opens an executable whose content has the given sha256, in hexadecimal.
func verified(path, sum string) (*os.File, error) {
	want, err := hex.DecodeString(strings.ToLower(sum))
	if err != nil || len(want) != sha256.Size {
		return nil, errors.New("an executable needs its sha256, 64 hexadecimal digits")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	hash := sha256.New()
	if err == nil {
		_, err = io.Copy(hash, f)
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
