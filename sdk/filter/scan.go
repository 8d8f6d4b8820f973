package filter

import (
	"encoding/binary"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// Set is a compiled set of rules. The host matches it natively over texts that the guest never
// copies.
type Set struct{ id uint32 }

// Match is one match of a rule.
type Match struct {
	Rule       int // index of the rule in its file
	Start, End int
	Flags      uint32
}

// Growing reports whether the match is certain but its tail may go on in text that is to come; it
// is then returned again, as Continued where this callback edited it.
func (m Match) Growing() bool { return m.Flags&abi.GrowingFlag != 0 }

// Continued reports whether the match began in text that an earlier callback edited: it now begins
// where that edit ended, and a redactor, whose placeholder stands there already, just removes it.
func (m Match) Continued() bool { return m.Flags&abi.ContinuedFlag != 0 }

// Matches is the result of a scan; it is valid until the next one.
type Matches struct{ records []byte }

// Len returns the number of matches.
func (m Matches) Len() int { return len(m.records) / abi.MatchRecord }

// At returns match i.
func (m Matches) At(i int) Match {
	r := m.records[i*abi.MatchRecord:]
	return Match{
		Rule:  int(binary.LittleEndian.Uint32(r)),
		Start: int(binary.LittleEndian.Uint32(r[4:])),
		End:   int(binary.LittleEndian.Uint32(r[8:])),
		Flags: binary.LittleEndian.Uint32(r[12:]),
	}
}

// found holds the records of the last scan, apart from scratch so that a filter can read other
// things between two matches.
var found = make([]byte, 64*abi.MatchRecord)

// Compile compiles a rules file; only Init may call it. The host keeps one copy for all instances.
func Compile(rules []byte) (Set, error) {
	n := sysScanCompile(rules)
	if n < 0 {
		return Set{}, Error(n)
	}
	return Set{uint32(n)}, nil
}

// Text scans a text of the conversation, or the window as it stands.
func (s Set) Text(t Text) (Matches, error) { return s.scan(abi.SourceText, t.index) }

// Field scans a field of the exchange.
func (s Set) Field(f Field) (Matches, error) { return s.scan(abi.SourceField, uint32(f)) }

// Headers scans the values of the request's headers, one per line.
func (s Set) Headers() (Matches, error) { return s.scan(abi.SourceField, abi.Header) }

// Window scans what is new in the window, remembering what came before it in the channel: a match
// is found however the text was cut. Offsets count from the window's beginning, as it stood when the
// callback began. The last open bytes of the window may still become a match: a filter that redacts
// or denies returns Hold(open).
func (s Set) Window() (m Matches, open int, err error) {
	m, err = s.scan(abi.SourceWindow, 0)
	if n := m.Len(); n > 0 && uint32(m.At(n-1).Rule) == abi.Open {
		last := m.At(n - 1)
		return Matches{m.records[:(n-1)*abi.MatchRecord]}, last.End - last.Start, err
	}
	return m, 0, err
}

func (s Set) scan(source, i uint32) (Matches, error) {
	for {
		n := sysScan(s.id, source, i, found)
		if n < 0 {
			return Matches{}, Error(n)
		}
		if int(n) <= len(found) {
			return Matches{found[:n]}, nil
		}
		found = make([]byte, n)
	}
}
