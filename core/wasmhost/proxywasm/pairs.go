package proxywasm

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// ErrPairs is the error of a map that is not encoded as one.
var ErrPairs = errors.New("not a serialised map")

// PairsSize returns the length of a map's encoding, in bytes.
func PairsSize(fields llm.Header) int {
	if len(fields) == 0 {
		return 0
	}
	n := 4
	for _, f := range fields {
		n += 8 + len(f.Name) + 1 + len(f.Value) + 1
	}
	return n
}

// AppendPairs appends a map's encoding: the number of pairs, the lengths of each, then each name and
// value with a zero byte behind it. Names are in lower case. An empty map has no bytes.
func AppendPairs(dst []byte, fields llm.Header) []byte {
	if len(fields) == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(fields)))
	for _, f := range fields {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.Name)))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.Value)))
	}
	for _, f := range fields {
		dst = append(append(dst, strings.ToLower(f.Name)...), 0)
		dst = append(append(dst, f.Value...), 0)
	}
	return dst
}

// ParsePairs reads a map of at most most pairs. The fields share no memory with b.
func ParsePairs(b []byte, most int) (llm.Header, error) {
	if len(b) < 4 {
		if len(b) == 0 || len(b) == 1 && b[0] == 0 {
			return nil, nil
		}
		return nil, ErrPairs
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4)/10 || int(n) > most {
		return nil, ErrPairs
	}
	sizes, rest := b[4:4+8*n], b[4+8*n:]
	out := make(llm.Header, 0, n)
	for ; len(sizes) > 0; sizes = sizes[8:] {
		name, ok1 := cut(&rest, binary.LittleEndian.Uint32(sizes))
		value, ok2 := cut(&rest, binary.LittleEndian.Uint32(sizes[4:]))
		if !ok1 || !ok2 {
			return nil, ErrPairs
		}
		out.Add(name, value)
	}
	return out, nil
}

// cut takes n bytes and the zero byte behind them off b.
func cut(b *[]byte, n uint32) (string, bool) {
	if uint64(n) >= uint64(len(*b)) || (*b)[n] != 0 {
		return "", false
	}
	s := string((*b)[:n])
	*b = (*b)[n+1:]
	return s, true
}
