// Package automaton compiles a pattern in RE2 syntax into a byte automaton that answers one
// question: how long is the longest match that begins here?
//
// It reads bytes, not runes: '.', negated classes and counts take a character outside ASCII as
// its UTF-8 bytes, and case folding is ASCII's. A pattern that it cannot bound is refused. It
// does not search: package keyword says where to begin.
package automaton

// Next to a target state in the table: a match ends before the byte that leads there.
const accepts = 1 << 15

const (
	dead  = 0 // no match can follow
	done  = 1 // a match ends with this byte and nothing lengthens it
	first = 2
)

// Automaton is a compiled pattern. It is immutable and safe for concurrent use.
type Automaton struct {
	class  [256]uint8
	width  int      // classes, the last one is the end of the text
	table  []uint16 // state*width+class: the next state and accepts
	start  [3]uint16
	maxLen int
	heads  [3]Bytes // by what stands before
}

// Run is an attempt at a match, kept while the text still grows.
type Run struct {
	At    int // next byte to read
	End   int // end of the longest match so far, or -1
	state uint16
}

// MaxLen returns the number of bytes of the longest possible match.
func (a *Automaton) MaxLen() int { return a.maxLen }

// Heads returns the bytes that a match may begin with, whatever stands before.
func (a *Automaton) Heads() Bytes {
	all := a.heads[0]
	all.Merge(&a.heads[1])
	all.Merge(&a.heads[2])
	return all
}

// May reports whether the byte at t[at] and what stands before it let a match begin there.
func (a *Automaton) May(t []byte, at int) bool { return a.heads[before(t, at)].Has(t[at]) }

// Size returns the number of bytes of the tables.
func (a *Automaton) Size() int { return 2*len(a.table) + 256 }

// Begin returns a run that begins at t[at]; t[0] begins the text.
func (a *Automaton) Begin(t []byte, at int) Run {
	return Run{At: at, End: -1, state: a.start[before(t, at)]}
}

// Go reads on and reports whether the outcome is decided: r.End is then the end of the longest
// match, or -1. Without final, t may still grow and a run that reaches its end is undecided.
func (a *Automaton) Go(r *Run, t []byte, final bool) bool {
	st := r.state
	if st == dead {
		return true
	}
	for i := r.At; i < len(t); i++ {
		next := a.table[int(st)*a.width+int(a.class[t[i]])]
		if next&accepts != 0 {
			r.End = i
		}
		if st = next &^ accepts; st < first {
			if st == done {
				r.End = i + 1
			}
			r.At, r.state = i+1, dead
			return true
		}
	}
	r.At, r.state = len(t), st
	if !final {
		return false
	}
	if a.table[int(st)*a.width+a.width-1]&accepts != 0 {
		r.End = len(t)
	}
	return true
}

// Longest returns the end of the longest match that begins at t[at], or -1.
func (a *Automaton) Longest(t []byte, at int) int {
	r := a.Begin(t, at)
	a.Go(&r, t, true)
	return r.End
}

// Bytes is a set of bytes.
type Bytes [4]uint64

// Has reports whether b is in the set.
func (s *Bytes) Has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// Add puts b into the set.
func (s *Bytes) Add(b byte) { s[b>>6] |= 1 << (b & 63) }

// Merge adds the bytes of another set.
func (s *Bytes) Merge(o *Bytes) {
	for i := range s {
		s[i] |= o[i]
	}
}

func before(t []byte, at int) int {
	switch {
	case at == 0:
		return beforeText
	case wordByte(t[at-1]):
		return beforeWord
	}
	return beforeOther
}

func wordByte(b byte) bool {
	return b == '_' || b-'0' < 10 || b|0x20-'a' < 26
}
