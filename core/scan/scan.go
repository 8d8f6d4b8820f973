// Package scan finds secrets, attacks and hidden text: one pass over a text for all rules of a
// rules file. It decides nothing about what is found; filters do.
//
// A keyword prefilter and a few byte triggers say where a match of a rule may begin; there an
// automaton of the rule's pattern decides, and a check may still refuse. Each decision depends on a
// bounded stretch of text, so a Stream fed in any pieces finds what a scan of the whole finds, and
// holds back only what may still become a match.
//
// A rules file is lines of a word and its value, parted by one space; the value is taken as it
// stands. Blank lines and lines that begin with # are skipped; leading space does not count. A rule
// begins with its id:
//
//	rule acme_key                      the id: letters, digits and _, unique in the file
//	  class secrets                    required
//	  context message                  message (default), output or structured
//	  pattern \bacme-[a-z0-9]{32}\b    RE2; every repeat needs an upper bound
//	  after key[=:]\s?                 what stands before a match and is no part of it
//	  keyword acme-                    literals that begin it (or what stands before), instead of extracted ones
//	  trigger digit                    instead of keywords; see below
//	  back 26 [A-Za-z_-]               a match may begin so many bytes of the class before the trigger
//	  tail [a-z0-9]                    bytes that lengthen a match, up to MaxTail
//	  until -----END                   a pattern that ends the tail and belongs to it
//	  check random                     a validator that may refuse a match
//	  unless command                   structured rules: not in a field that is a whole command, a query's and a header's aside
//	  fold ascii                       message rules: it also sees the text with look-alikes as ASCII
//	  weight 40                        what a match adds to a score, for who reads the file; 100 where absent
//	  detect sqli                      a native detector, instead of a pattern: sqli or xss
//	  yes key acme-{hex:32}            an example that must match, no one that must not; see Expand
//
// Triggers are digit (the first of a run), at (the sign), control (characters other than tab and
// line ends), hidden (code points that hide text) and, for structured rules only, mark (ASCII
// punctuation) and word (the first byte of one). A stretch [class]{0,n} of twelve bytes or more at
// the top level of a pattern is a gap: it ends where the rest first matches.
//
// Rules of the contexts message and output look at the text as it stands. Those of the context
// structured are for short fields that programs read (a query value, a tool's arguments): they see
// every string of a JSON text, or the text itself, as written and unescaped, and a match of theirs
// covers the whole text. A Stream leaves structured rules and folding out.
package scan

import (
	"errors"
	"slices"
	"sync"
)

// Bounds of a match: MaxWindow bytes without its tail, MaxTail bytes of tail.
const (
	MaxWindow = 256
	MaxTail   = 64 << 10
)

// ErrBudget is the error of a text that asks for more work than any real text does. What was found
// until then is no answer: treat the text as a match.
var ErrBudget = errors.New("scan: text exceeds the work budget")

// The steps that a text may cost; typical chat takes one or two per byte. A piece of a stream looks
// again at what is undecided.
const (
	budgetBase     = 64 << 10
	budgetPerByte  = 80
	budgetPerWrite = 256
)

// Info is what a rule says about itself.
type Info struct{ ID, Class, Context string }

// Match is one finding: bytes Start to End of the text. Rule indexes Rules.
type Match struct {
	Rule       int32
	Start, End int
}

// Set is a compiled rules file. It is immutable and safe for concurrent use.
type Set struct {
	infos   []Info
	unless  []bool  // by rule: not in a whole command
	text    *engine // rules of the contexts message and output, or nil
	folding *engine // those of them that fold, or nil
	field   *engine // structured rules, or nil
	pool    sync.Pool
}

// Rules returns the rules in the order of the file. The result must not be changed.
func (s *Set) Rules() []Info { return s.infos }

// Scan appends the matches in text to dst, ordered by beginning and rule. It allocates only to grow
// dst. Matches of one rule do not overlap. The only error is ErrBudget.
func (s *Set) Scan(dst []Match, text []byte) ([]Match, error) {
	return s.scan(dst, text, s.strings)
}

func (s *Set) scan(dst []Match, text []byte, read func(*work, []byte) error) ([]Match, error) {
	w := s.pool.Get().(*work)
	defer s.pool.Put(w)
	from := len(dst)
	var err error
	if s.text != nil {
		w.begin(len(text))
		if dst, err = s.text.advance(w, dst, text, 0, true); err != nil {
			return dst, err
		}
	}
	if s.folding != nil && !ascii(text) {
		if dst, err = s.looks(w, dst, from, text); err != nil {
			return dst, err
		}
	}
	if s.field != nil {
		if dst, err = s.fields(w, dst, text, read); err != nil {
			return dst, err
		}
	}
	sortMatches(dst[from:])
	return dst, nil
}

func byStart(a, b Match) int {
	if a.Start != b.Start {
		return a.Start - b.Start
	}
	return int(a.Rule - b.Rule)
}

func sortMatches(m []Match) {
	if len(m) > 1 {
		slices.SortFunc(m, byStart)
	}
}
