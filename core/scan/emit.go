package scan

import "slices"

// emit appends the matches before which no other can begin any more.
func (e *engine) emit(w *work, dst []Match, t []byte, final bool) []Match {
	if len(w.ready) == 0 {
		return dst
	}
	slices.SortFunc(w.ready, func(a, b found) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return int(a.rule) - int(b.rule)
	})
	n := 0
	for _, m := range w.ready {
		if !final && m.start >= w.base+w.low {
			w.ready[n] = m
			n++
			continue
		}
		if m.start < w.last[m.rule] {
			continue
		}
		w.last[m.rule] = m.end
		if e.extend(w, m, t, final) {
			w.open = append(w.open, m)
			w.reserve(m)
			continue
		}
		dst = append(dst, Match{e.rules[m.rule].index, m.start, w.last[m.rule]})
	}
	w.ready = w.ready[:n]
	return dst
}

// grow lengthens the open matches by their tails and appends those whose tail has ended.
func (e *engine) grow(w *work, dst []Match, t []byte, final bool) []Match {
	n := 0
	for _, m := range w.open {
		if e.extend(w, m, t, final) {
			w.open[n] = m
			n++
			continue
		}
		dst = append(dst, Match{e.rules[m.rule].index, m.start, w.last[m.rule]})
	}
	w.open = w.open[:n]
	return dst
}

// extend moves the end of its rule's latest match over the tail and reports whether it may go on.
func (e *engine) extend(w *work, m found, t []byte, final bool) bool {
	ru := &e.rules[m.rule]
	if ru.tail == nil {
		return false
	}
	at, most, end := w.last[m.rule], m.end+MaxTail, w.base+len(t)
	for at < min(most, end) && ru.tail.Has(t[at-w.base]) {
		if ru.until != nil && ru.until.May(t, at-w.base) {
			r := ru.until.Begin(t, at-w.base)
			decided := ru.until.Go(&r, t, final)
			w.steps += 1 + r.At - (at - w.base)
			if !decided || r.End >= 0 {
				w.last[m.rule] = max(at, w.base+r.End)
				return !decided
			}
		}
		at++
	}
	w.last[m.rule] = at
	return !final && at == end && at < most
}

// reserve keeps the end of the text back where it may be what ends an open match.
func (w *work) reserve(m found) {
	w.low = min(w.low, w.last[m.rule]-w.base)
	w.keep = min(w.keep, w.low)
}
