package main

import "github.com/ginnel/ginnel/sdk/filter"

// delta looks at the text of an answer. What may still become a match is held back; the placeholder
// is written as soon as one is certain, and what its tail still grows by is removed when it comes.
func delta(x filter.Exchange, w filter.Window) filter.Action {
	set := &answers
	if !x.Stream() {
		set = &whole
	}
	if len(set.all) == 0 {
		return filter.Continue
	}
	ms, open, err := set.Window()
	if err != nil {
		return unchecked(x, err, func(c class) bool { return !c.structured() && !c.spoken() && c != unseen })
	}
	if ms.Len() == 0 {
		return hold(open)
	}
	var (
		f     findings
		worst worse
	)
	sort(&f, ms, set, &worst, false)
	if worst.action == deny {
		return refuse(x, worst.class, "the answer")
	}
	left := open // of the window's end, what no placeholder replaced
	for i := len(spans) - 1; i >= 0; i-- {
		s := spans[i]
		with, replace := s.rule.placeholder, true
		switch {
		case s.continued:
			with = nil
		case s.rule.class == none:
			with, replace = back(x, w, s)
		}
		if !replace {
			continue
		}
		if i == len(spans)-1 {
			left = min(left, w.Len()-s.to)
		}
		if err := w.Splice(s.from, s.to, with); err != nil {
			return failed("redact", err)
		}
	}
	f.report(x, "answer")
	return hold(left)
}

// hold keeps the end of the window back, unless nothing is ever replaced or denied.
func hold(open int) filter.Action {
	if open == 0 || strictest < redact && !config.restore {
		return filter.Continue
	}
	return filter.Hold(open)
}

// back returns what a numbered placeholder stands for.
func back(x filter.Exchange, w filter.Window, s span) (value []byte, ok bool) {
	state := x.State()
	if len(state) == 0 {
		return nil, false
	}
	text := w.Bytes()
	if s.to > len(text) {
		return nil, false
	}
	value, ok = original(state, text[s.from:s.to])
	if !ok {
		return nil, false
	}
	if kind := w.Kind(); kind == filter.KindArguments && !plain(value) {
		return nil, false
	}
	return value, true
}
