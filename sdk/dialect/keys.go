package dialect

import "math/bits"

// maxKey bounds the length of a key in Keys.
const maxKey = 40

// Keys are the member names of one kind of object that a codec reads, at most 64. It is immutable.
type Keys struct {
	names []string
	byLen [maxKey]uint64 // the names of each length, one bit per index
}

// NewKeys returns the set of names, whose indices are their places in the list. It panics on a set
// that is too large, which a codec's first use shows.
func NewKeys(names ...string) *Keys {
	if len(names) > 64 {
		panic("dialect: too many keys")
	}
	k := &Keys{names: names}
	for i, name := range names {
		if len(name) >= maxKey {
			panic("dialect: key too long: " + name)
		}
		k.byLen[len(name)] |= 1 << i
	}
	return k
}

// find returns the index of the key that the raw name stands for, in any case and with any escapes,
// or -1; exact reports whether it is written as the key is.
func (k *Keys) find(raw []byte) (index int, exact bool) {
	for _, c := range raw {
		if c == '\\' || c >= 0x80 {
			return k.findFolded(raw), false
		}
	}
	if len(raw) >= maxKey {
		return -1, false
	}
	for set := k.byLen[len(raw)]; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		if string(raw) == k.names[i] {
			return i, true
		}
		if foldEqual(raw, k.names[i]) {
			return i, false
		}
	}
	return -1, false
}

// findFolded looks up a name with escapes or characters outside ASCII.
func (k *Keys) findFolded(raw []byte) int {
	if len(raw) > 6*maxKey {
		return -1
	}
	var buf [6 * maxKey]byte
	text := AppendUnquoted(buf[:0], raw)
	n := 0
	for i := 0; i < len(text); n++ {
		// The two letters outside ASCII that Unicode folds into it: a reader that folds, such as
		// encoding/json, takes them for s and k.
		switch {
		case i+1 < len(text) && text[i] == 0xC5 && text[i+1] == 0xBF:
			text[n] = 's'
			i += 2
		case i+2 < len(text) && text[i] == 0xE2 && text[i+1] == 0x84 && text[i+2] == 0xAA:
			text[n] = 'k'
			i += 3
		default:
			text[n] = text[i]
			i++
		}
	}
	text = text[:n]
	for i, name := range k.names {
		if foldEqual(text, name) {
			return i
		}
	}
	return -1
}

func foldEqual(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
