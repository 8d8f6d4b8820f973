package main

import "github.com/ginnel/ginnel/sdk/filter"

// delta looks for secrets in the text of an answer. What may still become one is held back; the
// placeholder is written as soon as one is certain, and what its tail still grows by is removed
// when it comes.
func delta(x filter.Exchange, w filter.Window) filter.Action {
	if config.secrets == off {
		return filter.Continue
	}
	ms, open, err := answers.Window()
	if err != nil {
		return unchecked(x, err)
	}
	if ms.Len() == 0 {
		if config.secrets == annotate {
			return filter.Continue
		}
		return filter.Hold(open)
	}
	spans := collect(ms)
	var f findings
	f.secrets(&answers, spans)
	switch config.secrets {
	case deny:
		return refuse(x, classSecrets, "the answer")
	case annotate:
		f.report(x, "answer")
		return filter.Continue
	}
	left := open // of the window's end, what no placeholder replaced
	for i := len(spans) - 1; i >= 0; i-- {
		s := spans[i]
		if i == len(spans)-1 {
			left = min(left, w.Len()-s.to)
		}
		if err := w.Splice(s.from, s.to, s.with(&answers)); err != nil {
			return failed("redact", err)
		}
	}
	f.report(x, "answer")
	return filter.Hold(left)
}
