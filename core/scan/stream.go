package scan

// keep is the number of settled bytes a stream gathers before it moves its buffer.
const keep = 512

// Stream scans a text that arrives in pieces. It is used by one goroutine at a time. Its matches,
// of all calls together, are those of Set.Scan on the whole text, structured rules left out. They
// come ordered by beginning and rule, but that one with a tail comes where its tail ends.
type Stream struct {
	set     *Set
	w       *work
	buf     []byte
	scanned int // bytes of buf seen before
	open    []Match
	err     error
}

// NewStream begins a stream.
func (s *Set) NewStream() *Stream {
	st := &Stream{set: s, w: newWork(s.text)}
	st.w.begin(0)
	return st
}

// Write takes the next piece, which it copies, and appends the matches that became certain.
// ErrBudget stays once it is returned.
func (st *Stream) Write(dst []Match, p []byte) ([]Match, error) {
	st.buf = append(st.buf, p...)
	st.w.limit += budgetPerWrite + budgetPerByte*len(p)
	return st.advance(dst, false)
}

// Close ends the text and appends the matches that are left.
func (st *Stream) Close(dst []Match) ([]Match, error) { return st.advance(dst, true) }

// Safe returns the offset before which no match begins that was not returned yet and is not among
// Open.
func (st *Stream) Safe() int { return st.w.base + st.w.low }

// Held returns the number of bytes at the end that may still begin a match: those from Safe on.
func (st *Stream) Held() int { return len(st.buf) - st.w.low }

// Open returns the matches that are certain but whose tail still grows; End is where the tail
// ends so far. A redactor writes its placeholder for one at once and drops bytes until it is
// returned. The result is valid until the next call.
func (st *Stream) Open() []Match {
	st.open = st.open[:0]
	for _, m := range st.w.open {
		st.open = append(st.open, Match{st.set.text.rules[m.rule].index, m.start, st.w.last[m.rule]})
	}
	return st.open
}

func (st *Stream) advance(dst []Match, final bool) ([]Match, error) {
	e := st.set.text
	if e == nil || st.err != nil {
		st.w.base, st.w.low, st.buf = st.w.base+len(st.buf), 0, st.buf[:0]
		return dst, st.err
	}
	from := len(dst)
	dst, st.err = e.advance(st.w, dst, st.buf, st.scanned, final)
	st.scanned = len(st.buf)
	if len(dst)-from > 1 {
		sortMatches(dst[from:])
	}
	st.move()
	return dst, st.err
}

// move drops the settled bytes; the last one stays as context.
func (st *Stream) move() {
	n := st.w.keep - 1
	if n < keep && (n < 1 || n < len(st.buf)-1) {
		return
	}
	st.buf = st.buf[:copy(st.buf, st.buf[n:])]
	st.scanned -= n
	st.w.base += n
	st.w.low, st.w.keep = st.w.low-n, st.w.keep-n
	for i := range st.w.pend {
		c := &st.w.pend[i]
		c.start, c.from, c.end = c.start-n, c.from-n, c.end-n
		c.run.At -= n
		if c.run.End >= 0 {
			c.run.End -= n
		}
	}
}
