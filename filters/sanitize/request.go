package main

import (
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// requestHead looks at the request line and the headers.
func requestHead(x filter.Exchange) filter.Action {
	if config.header != "" { // it says what this filter found, not what a client claims
		if err := x.DelHeader(config.header); err != nil {
			return failed("header "+config.header, err)
		}
	}
	if len(fields.all) == 0 {
		return filter.Continue
	}
	var f findings
	for _, field := range [...]filter.Field{filter.Path, filter.Query} {
		if a := oneField(x, &f, field); a != filter.Continue {
			return a
		}
	}
	ms, err := fields.Headers()
	if a := refuseOn(x, &f, ms, err, false); a != filter.Continue {
		return a
	}
	f.report(x, "request")
	return filter.Continue
}

// requestText looks at every text of the conversation and at the model's name.
func requestText(x filter.Exchange) filter.Action {
	if config.action[unseen] == deny {
		if what := x.Get(filter.Unseen); what != "" {
			return refuse(x, unseen, "the content of "+what+" cannot be checked")
		}
	}
	var f findings
	if len(fields.all) > 0 {
		if a := oneField(x, &f, filter.Model); a != filter.Continue {
			return a
		}
	}
	n := x.Texts()
	valid := config.action[validation]
	if most := config.limits.texts; valid != off && most > 0 && n > most {
		if a := invalid(x, &f, "more than "+strconv.Itoa(most)+" texts"); a != filter.Continue {
			return a
		}
	}
	var keep restorer
	for i := range n {
		t := x.Text(i)
		role, kind := t.Info()
		if valid != off {
			if why := config.limits.broken(t, kind); why != "" {
				if a := invalid(x, &f, why); a != filter.Continue {
					return a
				}
			}
		}
		if len(fields.all) > 0 && (kind == filter.KindStructured || kind == filter.KindArguments && config.arguments) {
			if a := structuredText(x, &f, t, kind); a != filter.Continue {
				return a
			}
		}
		if len(texts.all) > 0 {
			if a := words(x, &f, &keep, t, judged(role, kind)); a != filter.Continue {
				return a
			}
		}
	}
	if err := keep.save(x); err != nil {
		return failed("state", err)
	}
	f.report(x, "request")
	if err := f.tell(x); err != nil {
		return failed("header "+config.header, err)
	}
	return filter.Continue
}

// judged reports whether class prompt is about a text.
func judged(role filter.Role, kind filter.Kind) bool {
	switch kind {
	case filter.KindToolDef:
		return config.roles[filter.RoleSystem]
	case filter.KindText, filter.KindToolResult:
		return role == filter.RoleNone && config.roles[filter.RoleUser] || config.roles[role]
	}
	return false
}

// limit is the rule by which a request that breaks a limit is found.
var limit = rule{id: "limits", class: validation}

// invalid acts on a request that breaks a limit: what is wrong with it cannot be redacted.
func invalid(x filter.Exchange, f *findings, why string) filter.Action {
	if config.action[validation] >= redact {
		return refuse(x, validation, why)
	}
	f.add(&limit)
	return filter.Continue
}

// oneField looks at a field that cannot be edited: to redact it is to deny it.
func oneField(x filter.Exchange, f *findings, field filter.Field) filter.Action {
	ms, err := fields.Field(field)
	if err == filter.Error(abi.NotFound) {
		return filter.Continue
	}
	return refuseOn(x, f, ms, err, false)
}

func refuseOn(x filter.Exchange, f *findings, ms filter.Matches, err error, arguments bool) filter.Action {
	if err != nil {
		return unchecked(x, err, class.structured)
	}
	if w := f.judge(ms, arguments); w.action >= redact {
		return refuse(x, w.class, "a field of the request")
	}
	return filter.Continue
}

// judge counts the matches of structured rules and returns the strictest action that any asks for.
// The charset is that of fields; arguments may hold any.
func (f *findings) judge(ms filter.Matches, arguments bool) (w worse) {
	for i := range ms.Len() {
		r := &fields.all[ms.At(i).Rule]
		if arguments && r.class == validation {
			continue
		}
		f.add(r)
		w.take(r.class)
	}
	return w
}

// structuredText looks at a text that programs read.
func structuredText(x filter.Exchange, f *findings, t filter.Text, kind filter.Kind) filter.Action {
	ms, err := fields.Text(t)
	if err != nil {
		return unchecked(x, err, class.structured)
	}
	if ms.Len() == 0 {
		return filter.Continue
	}
	arguments := kind == filter.KindArguments
	switch w := f.judge(ms, arguments); w.action {
	case deny:
		if arguments {
			return refuse(x, w.class, "a tool's arguments")
		}
		return refuse(x, w.class, "a structured field")
	case redact:
		return done(t.Replace(stand(w.class, arguments)))
	}
	return filter.Continue
}

// stand is what stands in the place of a whole field; arguments stay JSON.
func stand(c class, arguments bool) []byte {
	if arguments {
		return []byte(`{"redacted":"` + c.String() + `"}`)
	}
	return []byte(placeholder + c.String() + "]")
}

// words looks for secrets, personal data, hidden text and injected prompts in a text. What is taken
// out may have parted a secret, so the text is then looked at again.
func words(x filter.Exchange, f *findings, keep *restorer, t filter.Text, judged bool) filter.Action {
	for range 2 {
		ms, err := texts.Text(t)
		if err != nil {
			return unchecked(x, err, func(c class) bool { return !c.structured() && !c.shown() && c != unseen })
		}
		if ms.Len() == 0 {
			return filter.Continue
		}
		var w worse
		score := sort(f, ms, &texts, &w, judged)
		if score >= config.threshold && config.action[prompt] != off && judged {
			f.found[prompt]++
			f.score = max(f.score, score)
			f.speech(ms)
			w.take(prompt)
		}
		switch {
		case w.action == deny:
			return refuse(x, w.class, "a text of the request")
		case w.class == prompt && w.action == redact:
			return done(t.Replace(stand(prompt, false)))
		case len(spans) == 0:
			return filter.Continue
		}
		stripped := false
		for _, s := range spans {
			stripped = stripped || len(s.rule.placeholder) == 0
		}
		if err := keep.replace(t, spans); err != nil {
			return failed("redact", err)
		}
		if !stripped {
			return filter.Continue
		}
	}
	return filter.Continue
}

// speech names the rules by which a text was found that speaks like an attack.
func (f *findings) speech(ms filter.Matches) {
	for i := range ms.Len() {
		if r := &texts.all[ms.At(i).Rule]; r.class == prompt {
			f.name(r)
		}
	}
}

// stamps says in which scan each rule was met last, so that a rule counts once.
var (
	stamps []int
	stamp  int
)

// sort counts matches, leaves in spans those that are to be replaced, and returns the score of class
// prompt: the sum of the weights of the rules that match.
func sort(f *findings, ms filter.Matches, r *rules, w *worse, judged bool) (score int) {
	spans = spans[:0]
	if len(stamps) < len(r.all) {
		stamps = make([]int, len(r.all))
	}
	stamp++
	for i := range ms.Len() {
		m := ms.At(i)
		one := &r.all[m.Rule]
		if one.class == prompt {
			if judged && stamps[m.Rule] != stamp {
				stamps[m.Rule] = stamp
				score += one.weight
			}
			continue
		}
		if !m.Continued() && one.class != none {
			f.add(one)
		}
		if one.class != none {
			w.take(one.class)
		}
		if one.class == none || config.action[one.class] >= redact {
			put(span{m.Start, m.End, one, m.Continued()})
		}
	}
	join()
	return score
}
