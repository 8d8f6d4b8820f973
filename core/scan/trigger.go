package scan

import "math/bits"

// kind is a set of byte triggers.
type kind uint8

const (
	kindDigit   kind = 1 << iota // the first digit of a run
	kindAt                       // '@'
	kindControl                  // a control character other than tab, line feed, carriage return
	kindHidden                   // the first byte of a code point that hides text, perhaps
	kindMark                     // ASCII punctuation
	kindWord                     // the first byte of a word

	kindCount = 6
)

func kindOf(name string) kind {
	for i, n := range [kindCount]string{"digit", "at", "control", "hidden", "mark", "word"} {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

func kindIndex(k kind) int { return bits.TrailingZeros8(uint8(k)) }

// kindsOf holds the triggers that a byte may fire.
var kindsOf = func() (t [256]kind) {
	for i := range t {
		b := byte(i)
		switch {
		case b-'0' < 10:
			t[i] = kindDigit | kindWord
		case isWord(b):
			t[i] = kindWord
		case b == '@':
			t[i] = kindAt | kindMark
		case b < 0x20 && b != '\t' && b != '\n' && b != '\r' || b == 0x7f:
			t[i] = kindControl
		case b > 0x20 && b < 0x7f:
			t[i] = kindMark
		case b == 0xC2 || b == 0xE2 || b == 0xEF || b == 0xF3:
			t[i] = kindHidden
		}
	}
	return t
}()

// triggers wakes the rules whose trigger stands in t from scanned on.
func (e *engine) triggers(w *work, t []byte, scanned int, final bool) {
	before := byte(0)
	if scanned > 0 {
		before = t[scanned-1]
	}
	for i := scanned; i < len(t); i++ {
		b := t[i]
		k := kindsOf[b] & e.kinds
		if k != 0 {
			e.fire(w, t, i, k, before, final)
			if w.steps > w.limit {
				return
			}
		}
		before = b
	}
}

func (e *engine) fire(w *work, t []byte, i int, k kind, before byte, final bool) {
	if before-'0' < 10 {
		k &^= kindDigit
	}
	if isWord(before) {
		k &^= kindWord
	}
	for ; k != 0; k &= k - 1 {
		for _, r := range e.byKind[kindIndex(k)][t[i]] {
			e.wake(w, t, i, i+1, r, final)
		}
	}
}

func isWord(b byte) bool {
	return b == '_' || b-'0' < 10 || b|0x20-'a' < 26
}
