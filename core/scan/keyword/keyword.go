// Package keyword finds which of a few hundred literals occur in a text, and where, in one cheap
// pass. ASCII letters compare without case.
//
// Of each literal it takes the four bytes that are rarest in prose and code, marks their hash in a
// 16 KiB bitmap and slides a window of four bytes over the text; only where the bitmap says
// "perhaps" is a literal compared. It knows nothing of patterns: package literal chooses the
// literals, package automaton verifies.
package keyword

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// The lengths that a literal may have.
const (
	MinLen = 4
	MaxLen = 64
)

const (
	hashBits  = 17
	slotBits  = 12
	startBits = 14
	multiply  = 0x9E3779B1
	fold      = 0x2020202020202020
	foldShort = 0x20202020
)

// ErrMany is the error of more literals than a set can hold.
var ErrMany = errors.New("too many keywords")

// Hit says that literal Key begins at byte Pos.
type Hit struct {
	Pos int32
	Key uint16
}

// Set is a set of literals. It is immutable and safe for concurrent use.
type Set struct {
	bits    [1 << (hashBits - 6)]uint64
	slots   [1 << slotBits]uint16 // index+1 into entries
	entries []entry
	keys    []string
	sorted  []uint16                     // keys in the order of their bytes
	heads   [257]uint16                  // first byte -> where it begins in sorted
	starts  [1 << (startBits - 6)]uint64 // by the hash of three bytes: a literal may begin with them
	maxLen  int
}

type entry struct {
	gram   uint32
	next   uint16 // index+1 of the next entry of the slot
	key    uint16
	offset uint8
}

// New returns a set of the literals; their indexes are the keys.
func New(literals []string) (*Set, error) {
	if len(literals) >= 1<<16-1 {
		return nil, ErrMany
	}
	s := &Set{}
	for i, l := range literals {
		if len(l) < MinLen || len(l) > MaxLen {
			return nil, fmt.Errorf("keyword %q: its length must be %d to %d bytes", l, MinLen, MaxLen)
		}
		s.add(uint16(i), Lower(l))
	}
	s.sorted = make([]uint16, len(s.keys))
	for i := range s.sorted {
		s.sorted[i] = uint16(i)
	}
	slices.SortFunc(s.sorted, func(a, b uint16) int {
		if s.keys[a] < s.keys[b] {
			return -1
		}
		return 1
	})
	for _, k := range s.sorted {
		s.heads[int(s.keys[k][0])+1]++
	}
	for i := 1; i < len(s.heads); i++ {
		s.heads[i] += s.heads[i-1]
	}
	return s, nil
}

func (s *Set) add(key uint16, l string) {
	s.keys = append(s.keys, l)
	s.maxLen = max(s.maxLen, len(l))
	at, _ := rarest(l)
	g := gram(l[at:])
	h := g * multiply >> (32 - hashBits)
	s.bits[h>>6] |= 1 << (h & 63)
	slot := &s.slots[h&(1<<slotBits-1)]
	s.entries = append(s.entries, entry{gram: g, next: *slot, key: key, offset: uint8(at)})
	*slot = uint16(len(s.entries))
	h = start(l[0], l[1], l[2])
	s.starts[h>>6] |= 1 << (h & 63)
}

// start is the hash of the first three bytes of a literal, in whichever case.
func start(a, b, c byte) uint32 {
	return (uint32(a) | uint32(b)<<8 | uint32(c)<<16 | foldShort) * multiply >> (32 - startBits)
}

// Len returns the number of literals, MaxLen the length of the longest one.
func (s *Set) Len() int { return len(s.keys) }

// MaxLen returns the length of the longest literal.
func (s *Set) MaxLen() int { return s.maxLen }

// KeyLen returns the length of a literal.
func (s *Set) KeyLen(key uint16) int { return len(s.keys[key]) }

// Append adds to dst every literal that lies in t as a whole and ends after byte after.
func (s *Set) Append(dst []Hit, t []byte, after int) []Hit {
	i, end := max(after-s.maxLen+1, 0), len(t)-MinLen+1
	for ; i+8 <= len(t); i += 4 {
		w := binary.LittleEndian.Uint64(t[i:]) | fold
		a := uint32(w) * multiply >> (32 - hashBits)
		b := uint32(w>>8) * multiply >> (32 - hashBits)
		c := uint32(w>>16) * multiply >> (32 - hashBits)
		d := uint32(w>>24) * multiply >> (32 - hashBits)
		x := s.bits[a>>6]>>(a&63) | s.bits[b>>6]>>(b&63) | s.bits[c>>6]>>(c&63) | s.bits[d>>6]>>(d&63)
		if x&1 == 0 {
			continue
		}
		for j := range 4 {
			dst = s.verify(dst, t, i+j, uint32(w>>(8*j)), after)
		}
	}
	for ; i < end; i++ {
		dst = s.verify(dst, t, i, binary.LittleEndian.Uint32(t[i:])|foldShort, after)
	}
	return dst
}

func (s *Set) verify(dst []Hit, t []byte, at int, g uint32, after int) []Hit {
	h := g * multiply >> (32 - hashBits)
	if s.bits[h>>6]>>(h&63)&1 == 0 {
		return dst
	}
	for e := s.slots[h&(1<<slotBits-1)]; e != 0; {
		en := &s.entries[e-1]
		e = en.next
		if en.gram != g {
			continue
		}
		key, pos := s.keys[en.key], at-int(en.offset)
		if end := pos + len(key); pos >= 0 && end <= len(t) && end > after && equal(t[pos:end], key) {
			dst = append(dst, Hit{int32(pos), en.key})
		}
	}
	return dst
}

// Begun returns the range of Begin's indexes whose literals begin with t and are longer than it.
func (s *Set) Begun(t []byte) (lo, hi int) {
	if len(t) == 0 || len(t) >= s.maxLen {
		return 0, 0
	}
	if len(t) > 2 {
		if h := start(t[0], t[1], t[2]); s.starts[h>>6]>>(h&63)&1 == 0 {
			return 0, 0
		}
	}
	b := lower(t[0])
	lo, hi = int(s.heads[b]), int(s.heads[int(b)+1])
	for i := 1; i < len(t) && lo < hi; i++ {
		b := lower(t[i])
		base, n := lo, hi-lo
		at := func(k int) int {
			key := s.keys[s.sorted[base+k]]
			if i >= len(key) {
				return -1
			}
			return int(key[i])
		}
		lo = base + sort.Search(n, func(k int) bool { return at(k) >= int(b) })
		hi = base + sort.Search(n, func(k int) bool { return at(k) > int(b) })
	}
	for lo < hi && len(s.keys[s.sorted[lo]]) == len(t) {
		lo++
	}
	return lo, hi
}

// Begin returns the key at an index of Begun's range.
func (s *Set) Begin(index int) uint16 { return s.sorted[index] }

// Lower returns s with its ASCII letters in lower case; other bytes stay, UTF-8 or not.
func Lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

func lower(b byte) byte {
	if b-'A' < 26 {
		return b | 0x20
	}
	return b
}

func equal(t []byte, key string) bool {
	for i := range t {
		if lower(t[i]) != key[i] {
			return false
		}
	}
	return true
}
