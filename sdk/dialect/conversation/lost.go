package conversation

import (
	"cmp"
	"strconv"
)

// Lost is a list of losses under construction.
type Lost []Loss

// Drop notes that the source's field was left out.
func (l *Lost) Drop(field, why string) { *l = append(*l, Loss{field, why}) }

// Named calls what was left out as the source of the request does.
func (l Lost) Named(r *Request) {
	for i := range l {
		l[i].Field = r.named(l[i].Field)
	}
}

// Others drops what the source said in its own words, or refuses it where it is vital, and the sources of words that
// were said before, which no request gives back. It is the last that is noted: what was before is called by the source's names.
func (l *Lost) Others(r *Request) error {
	l.Named(r)
	if err := r.vital(); err != nil {
		return err
	}
	for _, f := range r.Other {
		l.Drop(f.Name, "the provider of this model has nothing like it")
	}
	for i := range r.Turns {
		for j := range r.Turns[i].Parts {
			p := &r.Turns[i].Parts[j]
			if len(p.Citations) == 0 {
				continue
			}
			name := ".citations"
			if p.Citations[0].Vendor == VendorOpenAI {
				name = ".annotations"
			}
			l.Drop(p.Where(r.Turns[i].Where(i)+".content["+strconv.Itoa(j)+"]")+name, "the sources of what was said before are not given back")
		}
	}
	return nil
}

// Wishes drops wishes that only OpenAI's dialects have a place for.
func (l *Lost) Wishes(r *Request) {
	l.Alternatives(r)
	if r.Store {
		l.Drop("store", "the provider keeps no answers")
	}
	for _, f := range r.Shared {
		l.Drop(f.Name, "only OpenAI's dialects have it")
	}
}

// IsShared reports whether a member of a chat's request is one of Responses', too: text.verbosity and three that have the
// same name there.
func IsShared(name string) bool {
	switch name {
	case "metadata", "prompt_cache_retention", "service_tier", "verbosity":
		return true
	}
	return false
}

// Alternatives drops the number of alternatives to tokens whose probabilities nobody asks for.
func (l *Lost) Alternatives(r *Request) {
	if !r.Logprobs && r.TopLogprobs != "" && r.TopLogprobs != "0" {
		l.Drop("top_logprobs", "it says nothing without log probabilities")
	}
}

// Summary drops how the model's thoughts shall be summed up. Where they are shown, "auto" is heard.
func (l *Lost) Summary(r *Reasoning, shown bool) {
	if r.Summary != "" && (!shown || r.Summary != "auto") {
		l.Drop("reasoning.summary", "the provider of this model cannot be told how to sum up its thoughts")
	}
}

// About is what is said about a medium beside what it is.
type About uint8

// What may be said about a medium.
const (
	AboutName About = 1 << iota
	AboutDetail
	AboutDocument // its context, and that it shall be cited
)

// Medium drops what is said about a medium that stands at a place, but for what is kept.
func (l *Lost) Medium(at string, m *Medium, kept About) {
	const why = "the provider of this model has no place for it"
	if m.Name != "" && kept&AboutName == 0 {
		l.Drop(at+"."+cmp.Or(m.Named, "name"), why)
	}
	if m.Detail != "" && m.Detail != "auto" && kept&AboutDetail == 0 { // auto is what every provider does
		l.Drop(at+"."+cmp.Or(m.Detailed, "detail"), why)
	}
	if kept&AboutDocument != 0 {
		return
	}
	if m.Context != "" {
		l.Drop(at+".context", why)
	}
	if m.Cited {
		l.Drop(at+".citations", why)
	}
}
