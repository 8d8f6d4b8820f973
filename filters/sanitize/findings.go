package main

import (
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

const maxNamed = 12 // rules that a report names

// span is a stretch of a text that something else takes the place of.
type span struct {
	from, to  int
	rule      *rule
	continued bool // its placeholder was written by an earlier callback
}

// spans is reused by every callback.
var spans []span

// put adds a span in the order of beginnings.
func put(s span) {
	at := len(spans)
	for at > 0 && spans[at-1].from > s.from {
		at--
	}
	spans = append(spans, span{})
	copy(spans[at+1:], spans[at:])
	spans[at] = s
}

// join makes one of spans that overlap: the one that begins first, or stands first in the rules,
// names the placeholder.
func join() {
	n := 0
	for _, s := range spans {
		if n > 0 && s.from < spans[n-1].to {
			last := &spans[n-1]
			last.to = max(last.to, s.to)
			last.continued = last.continued || s.continued
			if len(last.rule.placeholder) == 0 && last.rule.class != none {
				last.rule = s.rule
			}
			continue
		}
		spans[n] = s
		n++
	}
	spans = spans[:n]
}

// findings is what a callback found, for one note, event and metric per class.
type findings struct {
	found [classCount]uint16
	score int // of class prompt: that of the worst text
	named [maxNamed]*rule
	names int
}

func (f *findings) add(r *rule) {
	f.found[r.class]++
	f.name(r)
}

func (f *findings) name(r *rule) {
	for _, n := range f.named[:f.names] {
		if n == r {
			return
		}
	}
	if f.names < maxNamed {
		f.named[f.names] = r
		f.names++
	}
}

// worse keeps the strictest action that a match asks for.
type worse struct {
	action action
	class  class
}

func (w *worse) take(c class) {
	if a := config.action[c]; a > w.action {
		w.action, w.class = a, c
	}
}

// report leaves a note per class, counts it and sends an event. It names rules, never what they
// matched. What the host refuses, because its bounds are reached, is left out.
func (f *findings) report(x filter.Exchange, where string) {
	for i, n := range f.found {
		if n == 0 {
			continue
		}
		c := class(i)
		name, a := c.String(), actions[config.action[c]]
		note := a + " " + strconv.Itoa(int(n)) + " in the " + where
		if c == prompt {
			note += ", score " + strconv.Itoa(f.score)
		}
		_ = x.Annotate("sanitize."+name, note)
		_ = filter.Count(name+"_found", float64(n))
		_ = filter.Emit("sanitize", f.event(c, a, where, int(n)))
	}
}

// event is a JSON object; all its strings are names.
func (f *findings) event(c class, action, where string, n int) []byte {
	b := append(make([]byte, 0, 192), `{"class":"`+c.String()+`","action":"`+action+`","where":"`+where+`","count":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	if c == prompt {
		b = strconv.AppendInt(append(b, `,"score":`...), int64(f.score), 10)
	}
	b = append(b, `,"rules":[`...)
	first := true
	for _, r := range f.named[:f.names] {
		if r.class != c {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), r.id...), '"')
	}
	return append(b, "]}"...)
}

// tell writes what was found into the request's header for the upstream, if it shall know.
func (f *findings) tell(x filter.Exchange) error {
	if config.header == "" {
		return nil
	}
	var b []byte
	for i, n := range f.found {
		if n == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, classNames[i]+"="+actions[config.action[i]]+";n="...)
		b = strconv.AppendInt(b, int64(n), 10)
		if class(i) == prompt {
			b = strconv.AppendInt(append(b, ";score="...), int64(f.score), 10)
		}
	}
	if len(b) == 0 {
		return x.DelHeader(config.header)
	}
	return x.SetHeader(config.header, string(b))
}

// refuse denies the exchange. The message says the class and the place, never the pattern.
func refuse(x filter.Exchange, c class, where string) filter.Action {
	f := findings{}
	_ = x.Annotate("sanitize."+c.String(), "deny")
	_ = filter.Count(c.String()+"_denied", 1)
	_ = filter.Emit("sanitize", f.event(c, "deny", where, 1))
	return x.Deny(c.String(), "denied by sanitize: "+c.String()+": "+where)
}

// unchecked closes the exchange to a text that could not be scanned within its budget: it counts as a
// match of the class whose action is the strictest.
func unchecked(x filter.Exchange, err error, is func(class) bool) filter.Action {
	if err != filter.Error(abi.Limit) {
		return failed("scan", err)
	}
	a, c := config.strictest(is)
	if a >= redact {
		return refuse(x, c, "a text that cannot be checked")
	}
	_ = x.Annotate("sanitize.unchecked", "a text exceeds the work budget")
	return filter.Continue
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
