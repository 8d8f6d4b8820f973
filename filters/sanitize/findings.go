package main

import (
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

const (
	notFound = abi.NotFound
	maxNamed = 8 // rules that a report names
)

// span is a stretch of a text that a placeholder takes the place of.
type span struct {
	from, to  int
	rule      int
	continued bool // its placeholder was written by an earlier callback
}

// with returns what takes the place of the span.
func (s span) with(r *rules) []byte {
	if s.continued {
		return nil
	}
	return r.placeholders[s.rule]
}

// spans is reused by every callback.
var spans []span

// collect joins matches that overlap: the one that begins first, or stands first in the rules, names
// the placeholder. The spans are ordered; they are valid until the next call.
func collect(ms filter.Matches) []span {
	spans = spans[:0]
	for i := range ms.Len() {
		m := ms.At(i)
		s := span{m.Start, m.End, m.Rule, m.Continued()}
		at := len(spans)
		for at > 0 && (spans[at-1].from > s.from || spans[at-1].from == s.from && spans[at-1].rule > s.rule) {
			at--
		}
		spans = append(spans, span{})
		copy(spans[at+1:], spans[at:])
		spans[at] = s
	}
	n := 0
	for _, s := range spans {
		if n > 0 && s.from < spans[n-1].to {
			spans[n-1].to = max(spans[n-1].to, s.to)
			spans[n-1].continued = spans[n-1].continued || s.continued
			continue
		}
		spans[n] = s
		n++
	}
	spans = spans[:n]
	return spans
}

// findings counts what a callback found, for one note, one event and the metrics.
type findings struct {
	found [3]int // by class
	named [maxNamed]string
	names int
}

var classes = [...]string{classSecrets, classXSS, classSQLi}

// judge counts the matches of structured rules and returns the strictest action that any asks for.
// A text that could not be checked within its budget counts as a match of every class.
func (f *findings) judge(ms filter.Matches, err error) (worst action, class string) {
	if err != nil {
		if err == filter.Error(abi.Limit) {
			if config.xss > config.sqli {
				return config.xss, classXSS
			}
			return config.sqli, classSQLi
		}
		return off, ""
	}
	for i := range ms.Len() {
		rule := ms.At(i).Rule
		c := structured.classes[rule]
		a := config.of(c)
		if a == off {
			continue
		}
		f.add(c, structured.id(rule))
		if a > worst {
			worst, class = a, c
		}
	}
	return worst, class
}

// secrets counts spans that begin here.
func (f *findings) secrets(r *rules, spans []span) {
	for _, s := range spans {
		if !s.continued {
			f.add(classSecrets, r.id(s.rule))
		}
	}
}

func (f *findings) add(class, id string) {
	for i, c := range classes {
		if c == class {
			f.found[i]++
		}
	}
	for _, n := range f.named[:f.names] {
		if n == id {
			return
		}
	}
	if f.names < maxNamed {
		f.named[f.names] = id
		f.names++
	}
}

// report leaves a note per class, counts it and sends an event. It names rules, never what they
// matched. What the host refuses, because its bounds are reached, is left out.
func (f *findings) report(x filter.Exchange, where string) {
	for i, n := range f.found {
		if n == 0 {
			continue
		}
		class, a := classes[i], actions[config.of(classes[i])]
		_ = x.Annotate("sanitize."+class, a+" "+strconv.Itoa(n)+" in the "+where)
		_ = filter.Count(class+"_found", float64(n))
		_ = filter.Emit("sanitize", f.event(class, a, where, n))
	}
}

// event is a JSON object; all its strings are names.
func (f *findings) event(class, action, where string, n int) []byte {
	b := append(make([]byte, 0, 160), `{"class":"`+class+`","action":"`+action+`","where":"`+where+`","count":`...)
	b = append(strconv.AppendInt(b, int64(n), 10), `,"rules":[`...)
	for i, name := range f.named[:f.names] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"')
	}
	return append(b, "]}"...)
}

// refuse denies the exchange. The message says the class and the place, never the pattern.
func refuse(x filter.Exchange, class, where string) filter.Action {
	f := findings{}
	_ = x.Annotate("sanitize."+class, "deny")
	_ = filter.Count(class+"_denied", 1)
	_ = filter.Emit("sanitize", f.event(class, "deny", "request", 1))
	return x.Deny(class, "denied by sanitize: "+class+": "+where)
}

// unchecked closes the exchange to a text that could not be scanned within its budget.
func unchecked(x filter.Exchange, err error) filter.Action {
	if err == filter.Error(abi.Limit) && config.secrets >= redact {
		return refuse(x, classSecrets, "a text that cannot be checked")
	}
	return failed("scan", err)
}

func failed(what string, err error) filter.Action {
	filter.Log(filter.LevelError, what+": "+err.Error())
	return filter.Failed
}

func done(err error) filter.Action {
	if err != nil {
		return failed("redact", err)
	}
	return filter.Continue
}
