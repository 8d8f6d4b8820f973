package scan

import (
	"github.com/ginnel/ginnel/core/scan/automaton"
	"github.com/ginnel/ginnel/core/scan/keyword"
)

// engine runs the rules of one kind of text. It is immutable.
type engine struct {
	rules  []rule
	keys   *keyword.Set
	byKey  [][]ref                // rules that a keyword wakes
	byHead [256][]uint16          // rules of no reach, by the first bytes of their keywords
	kinds  kind                   // triggers that some rule uses
	byKind [kindCount]*[256][]ref // rules that a trigger wakes, by the byte that fires it; nil = none
	headed [256][]uint16          // rules whose matches may begin before what wakes them, by their first byte
	far    [256]int               // and how far before it at most
	reach  int                    // the farthest of all
	detect []detector
}

// rule is a compiled rule.
type rule struct {
	index   int32
	parts   []part
	before  int // so many parts stand before the match
	back    *automaton.Bytes
	backMax int
	tail    *automaton.Bytes
	until   *automaton.Automaton // ends the tail, or nil
	check   func([]byte) bool
	reach   int // how far before the end of the text a match may begin that nothing woke yet
}

// part is a stretch of a pattern and the gap that may follow it.
type part struct {
	a   *automaton.Automaton
	gap int
	set *automaton.Bytes
}

// ref is a rule whose match begins min to max bytes before what wakes it.
type ref struct {
	rule     uint16
	min, max uint16
}

// candidate is a place where a match may begin, while it is undecided. Offsets index the buffer.
type candidate struct {
	rule  uint16
	start int // of the parts, those before the match included
	from  int // no match of it begins earlier
	end   int // of what woke the rule: a match must reach it
	run   automaton.Run
}

// work is the state of a scan. Offsets of matches count from the beginning of the text.
type work struct {
	hits  []keyword.Hit
	pend  []candidate
	ready []found
	open  []found
	last  []int // by rule: the end of its latest match
	tried []int // by rule: the latest beginning tried, plus one
	steps int
	limit int
	base  int // offset of the buffer in the text
	low   int // first byte of the buffer that may begin a match nothing told of yet
	keep  int // first byte of the buffer that is still needed
	from  int // where the match began that parts looked at last

	// Rules that fold only.
	folded  []byte // the text as it looks
	offsets []*int // of matches in it

	// Structured rules only.
	field []byte  // a string of a JSON text
	spare []byte  // a reading of it
	out   []Match // of one reading
	seen  []bool  // by index of the rule: it matched
	whole bool    // the value is a whole command
}

// found is a match by the engine's own number of its rule.
type found struct {
	rule       uint16
	start, end int
}

func newWork(engines ...*engine) *work {
	n := 0
	for _, e := range engines {
		if e != nil {
			n = max(n, len(e.rules))
		}
	}
	return &work{last: make([]int, n), tried: make([]int, n)}
}

// begin prepares for a new text of n bytes.
func (w *work) begin(n int) {
	w.pend, w.ready, w.open = w.pend[:0], w.ready[:0], w.open[:0]
	clear(w.last)
	clear(w.tried)
	w.steps, w.base, w.low, w.keep = 0, 0, 0, 0
	w.limit = budgetBase + budgetPerByte*n
}

// advance takes the bytes of t from scanned on and appends the matches that became certain.
func (e *engine) advance(w *work, dst []Match, t []byte, scanned int, final bool) ([]Match, error) {
	dst = e.grow(w, dst, t, final)
	n := 0
	for i := range w.pend {
		c := w.pend[i]
		if !e.step(w, &c, t, final) {
			w.pend[n] = c
			n++
		}
	}
	w.pend = w.pend[:n]
	w.hits = e.keys.Append(w.hits[:0], t, scanned)
	for _, h := range w.hits {
		end := int(h.Pos) + e.keys.KeyLen(h.Key)
		for _, r := range e.byKey[h.Key] {
			e.wake(w, t, int(h.Pos), end, r, final)
		}
		if w.steps > w.limit {
			return dst, ErrBudget
		}
	}
	if e.kinds != 0 {
		e.triggers(w, t, scanned, final)
	}
	if w.steps > w.limit {
		return dst, ErrBudget
	}
	w.low, w.keep = len(t), len(t)
	if !final {
		e.begun(w, t)
		for i := range w.pend {
			w.low = min(w.low, w.pend[i].from)
			w.keep = min(w.keep, w.pend[i].start)
		}
	}
	for _, m := range w.open {
		w.reserve(m)
	}
	return e.emit(w, dst, t, final), nil
}

// wake tries a rule at the beginnings that a waker at t[pos:end] allows.
func (e *engine) wake(w *work, t []byte, pos, end int, r ref, final bool) {
	ru := &e.rules[r.rule]
	lo, hi := pos-int(r.max), pos-int(r.min)
	if ru.back != nil {
		for lo = pos; lo > 0 && pos-lo < ru.backMax && ru.back.Has(t[lo-1]); lo-- {
		}
		w.steps += pos - lo
	}
	lo = max(lo, 0)
	if w.base > 0 {
		lo = max(lo, 1) // t[0] is context only
	}
	w.steps += 2 + max(hi-lo, 0)
	for ; lo <= hi; lo++ {
		at := w.base + lo
		if at+1 == w.tried[r.rule] {
			w.hasten(r.rule, lo, end)
			continue
		}
		if at < w.last[r.rule] && ru.before == 0 || !ru.parts[0].a.May(t, lo) {
			continue
		}
		w.tried[r.rule] = at + 1
		first := ru.parts[0].a.Begin(t, lo)
		decided := ru.parts[0].a.Go(&first, t, final)
		w.steps += 4 + first.At - lo
		if decided && first.End < 0 {
			if w.steps > w.limit {
				return
			}
			continue // the usual case
		}
		c := candidate{rule: r.rule, start: lo, from: lo, end: end, run: ru.parts[0].a.Begin(t, lo)}
		if !e.step(w, &c, t, final) {
			w.pend = append(w.pend, c)
		}
		if w.steps > w.limit {
			return
		}
	}
}

// hasten notes that a candidate which is undecided has a waker that ends at end too: a match that
// holds one of its wakers is one.
func (w *work) hasten(rule uint16, start, end int) {
	for i := range w.pend {
		if c := &w.pend[i]; c.rule == rule && c.start == start {
			c.end = min(c.end, end)
		}
	}
}

// step reads on in a candidate and reports whether it is decided; a match goes to ready.
func (e *engine) step(w *work, c *candidate, t []byte, final bool) bool {
	ru := &e.rules[c.rule]
	end := -1
	if len(ru.parts) == 1 {
		at := c.run.At
		decided := ru.parts[0].a.Go(&c.run, t, final)
		w.steps += 1 + c.run.At - at
		if !decided {
			return false
		}
		end = c.run.End
	} else {
		var decided bool
		end, decided = e.parts(w, ru, t, c.start, 0, final)
		c.from = w.from
		if !decided {
			return false
		}
	}
	if end < c.end {
		if end >= 0 {
			w.tried[c.rule] = 0 // another waker, within the match, may follow
		}
		return true
	}
	if ru.check != nil {
		w.steps += 4 * (end - c.from)
		if !ru.check(t[c.from:end]) {
			return true
		}
	}
	w.ready = append(w.ready, found{c.rule, w.base + c.from, w.base + end})
	return true
}

// parts matches a pattern with gaps from part k on: a gap ends where the rest first matches. It
// leaves in w.from where the match begins or, undecided, where it begins at the earliest.
func (e *engine) parts(w *work, ru *rule, t []byte, at, k int, final bool) (end int, decided bool) {
	p := &ru.parts[k]
	if k <= ru.before {
		w.from = at
	}
	r := p.a.Begin(t, at)
	decided = p.a.Go(&r, t, final)
	w.steps += 1 + r.At - at
	if !decided && k == 0 && ru.before > 0 {
		if w.from = len(t); r.End >= 0 {
			w.from = r.End
		}
	}
	if !decided || r.End < 0 || k == len(ru.parts)-1 {
		return r.End, decided
	}
	for g := r.End; g <= r.End+p.gap && w.steps <= w.limit; g++ {
		end, decided := e.parts(w, ru, t, g, k+1, final)
		if !decided || end >= 0 {
			return end, decided
		}
		if g >= len(t) || p.gap == 0 || !p.set.Has(t[g]) {
			break
		}
	}
	return -1, true
}

// alive reports whether a match of a rule may begin at t[at] and go beyond the end of t; w.from is
// then where it begins at the earliest.
func (e *engine) alive(w *work, rule uint16, t []byte, at int) bool {
	ru := &e.rules[rule]
	if w.base+at < w.last[rule] && ru.before == 0 || !ru.parts[0].a.May(t, at) {
		return false
	}
	if len(ru.parts) > 1 {
		_, decided := e.parts(w, ru, t, at, 0, false)
		return !decided
	}
	w.from = at
	r := ru.parts[0].a.Begin(t, at)
	decided := ru.parts[0].a.Go(&r, t, false)
	w.steps += 1 + r.At - at
	return !decided
}

// begun lowers w.low and w.keep to where a match may begin that nothing has woken yet: at a keyword
// that is cut off by the end of t, or at what may stand before one.
func (e *engine) begun(w *work, t []byte) {
	floor := 0
	if w.base > 0 {
		floor = 1
	}
	for at := max(len(t)-e.keys.MaxLen()+1, floor); at < w.low; at++ {
		if at == len(t)-1 {
			for _, id := range e.byHead[t[at]] {
				e.lower(w, id, t, at)
			}
			break
		}
		if len(e.byHead[t[at]]) == 0 {
			continue
		}
		lo, hi := e.keys.Begun(t[at:])
		id := -1
		for i := lo; i < hi; i++ {
			for _, r := range e.byKey[e.keys.Begin(i)] {
				if int(r.rule) != id && e.rules[r.rule].reach == 0 {
					id = int(r.rule)
					e.lower(w, r.rule, t, at)
				}
			}
		}
	}
	for at := max(len(t)-e.reach, floor); at < w.low; at++ {
		if len(t)-at > e.far[t[at]] {
			continue
		}
		for _, id := range e.headed[t[at]] {
			if len(t)-at <= e.rules[id].reach {
				e.lower(w, id, t, at)
			}
		}
	}
}

// lower lowers w.low and w.keep to at where a match of the rule may begin there and go on.
func (e *engine) lower(w *work, rule uint16, t []byte, at int) {
	if e.alive(w, rule, t, at) {
		w.low, w.keep = min(w.low, w.from), min(w.keep, at)
	}
}
