package keyword

import "strings"

// prose holds the bytes that prose and code are made of, commonest first.
const prose = " etaoinsrlhdcumpfgybwv"

// usual are stretches of four bytes that prose and code are full of; any four of them in a row
// count as common.
const usual = "the and ing tion ment that this with from your have write code text name data list " +
	"value type string number return import include class public true false else print error file " +
	"user message request http answer question create example question please should would could " +
	"there their where which about these using function character story para como following other"

var usualGrams = func() map[uint32]bool {
	m := map[uint32]bool{}
	for w := range strings.FieldsSeq(usual) {
		for _, s := range []string{" " + w, w + " ", w} {
			for i := 0; i+MinLen <= len(s); i++ {
				m[gram(s[i:])] = true
			}
		}
	}
	return m
}()

// Rarity estimates, in bits, how seldom a literal stands in prose and code.
func Rarity(l string) int {
	_, bits := rarest(l)
	return bits + min(len(l)-MinLen, 6)
}

// rarest returns the offset of the four bytes of a lower-case literal that are rarest.
func rarest(l string) (at, bits int) {
	for i := 0; i+MinLen <= len(l); i++ {
		n := int(weights[l[i]]) + int(weights[l[i+1]]) + int(weights[l[i+2]]) + int(weights[l[i+3]])
		if usualGrams[gram(l[i:])] {
			n = 9
		}
		if n > bits {
			at, bits = i, n
		}
	}
	return at, bits
}

// weights is about -log2 of each byte's share in prose and code.
var weights = func() (t [256]uint8) {
	for b := range t {
		t[b] = 10
		if 'a' <= b && b <= 'z' {
			t[b] = 11
		}
	}
	for i, c := range []byte(prose) {
		t[c] = uint8(2 + i/3)
	}
	return t
}()

func gram(s string) uint32 {
	return (uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24) | foldShort
}
