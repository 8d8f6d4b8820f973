package proxywasm

import (
	"encoding/binary"
	"strings"
	"time"
)

// Path reads a property's path: its parts stand between zero bytes, and one more may end it.
func Path(b []byte) []string {
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// Int encodes a number, a duration or a time as a property's value.
func Int(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

// Time encodes a time as a property's value: nanoseconds since 1970.
func Time(t time.Time) []byte { return Int(t.UnixNano()) }

// Bool encodes a truth value as a property's value.
func Bool(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}
