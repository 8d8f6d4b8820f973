package server

import (
	"math/rand/v2"
	"time"
)

// newID returns "req_" and 26 characters in Crockford's base 32: ten of the time in milliseconds,
// so that ids sort, and sixteen random ones. The generator is the runtime's ChaCha8, which the
// system's entropy seeds.
func newID(t time.Time) string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	b := [30]byte{'r', 'e', 'q', '_'}
	for i, ms := 13, uint64(t.UnixMilli()); i >= 4; i-- {
		b[i] = alphabet[ms&31]
		ms >>= 5
	}
	for i, r := 14, rand.Uint64(); i < 22; i++ {
		b[i] = alphabet[r&31]
		r >>= 5
	}
	for i, r := 22, rand.Uint64(); i < 30; i++ {
		b[i] = alphabet[r&31]
		r >>= 5
	}
	return string(b[:])
}
