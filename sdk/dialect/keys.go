package dialect

import "math/bits"

// maxKey bounds the length of a key in Keys.
const maxKey = 40

// Keys are the member names of one kind of object that a codec reads, at most 64. It is immutable.
type Keys struct {
	names []string
	key   []int8         // what each name stands for
	byLen [maxKey]uint64 // the names of each length, one bit per index
	loose bool           // underscores do not matter in what is nearly a name
}

// NewKeys returns the set of names, whose indices are their places in the list. It panics on a set
// that is too large, which a codec's first use shows.
func NewKeys(names ...string) *Keys {
	k := &Keys{}
	for i, name := range names {
		k.add(name, i)
	}
	return k
}

// NewSnakeKeys returns the set of names in lower camel case, each of which may be written in snake
// case too, as the JSON form of protocol buffers has it. Both spellings are the same key, so that an
// object with both is refused.
func NewSnakeKeys(names ...string) *Keys {
	k := &Keys{loose: true}
	for i, name := range names {
		k.add(name, i)
		if other := snake(name); other != name {
			k.add(other, i)
		}
	}
	return k
}

func (k *Keys) add(name string, key int) {
	if len(k.names) == 64 {
		panic("dialect: too many keys")
	}
	if len(name) >= maxKey {
		panic("dialect: key too long: " + name)
	}
	k.byLen[len(name)] |= 1 << len(k.names)
	k.names, k.key = append(k.names, name), append(k.key, int8(key))
}

// snake returns a name in lower camel case in snake case.
func snake(name string) string {
	out := make([]byte, 0, len(name)+4)
	for i := range len(name) {
		if c := name[i]; c != lower(c) {
			out = append(out, '_', lower(c))
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// name returns how a key is written first of all.
func (k *Keys) name(key int) string {
	for i, of := range k.key {
		if int(of) == key {
			return k.names[i]
		}
	}
	return ""
}

// find returns the key that the raw name stands for, in any case and with any escapes, or -1; exact
// reports whether it is written as the key is.
func (k *Keys) find(raw []byte) (key int, exact bool) {
	for _, c := range raw {
		if c == '\\' || c >= 0x80 {
			return k.findFolded(raw), false
		}
	}
	if len(raw) < maxKey {
		for set := k.byLen[len(raw)]; set != 0; set &= set - 1 {
			i := bits.TrailingZeros64(set)
			if string(raw) == k.names[i] {
				return int(k.key[i]), true
			}
			if foldEqual(raw, k.names[i]) {
				return int(k.key[i]), false
			}
		}
	}
	if k.loose {
		return k.findLoose(raw), false
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
			return int(k.key[i])
		}
	}
	if k.loose {
		return k.findLoose(text)
	}
	return -1
}

// findLoose looks up a name without regard to case and underscores: a reader that takes two spellings
// may take a third.
func (k *Keys) findLoose(text []byte) int {
	for i, name := range k.names {
		if looseEqual(text, name) {
			return int(k.key[i])
		}
	}
	return -1
}

func looseEqual(a []byte, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && a[i] == '_' {
			i++
		}
		for j < len(b) && b[j] == '_' {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if lower(a[i]) != lower(b[j]) {
			return false
		}
		i, j = i+1, j+1
	}
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
