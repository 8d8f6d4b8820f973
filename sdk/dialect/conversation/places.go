package conversation

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Places is what a dialect has a place for in its answers, of what not every dialect has. What it has none for is lost.
type Places struct {
	Choices     bool         // more answers than one
	Logprobs    LogprobPlace // log probabilities
	Sequence    bool         // which stop sequence ended an answer
	Citations   bool         // sources without an address
	Media       bool         // media that are no images
	CacheWrites bool         // what of the input was written to a cache
	Native      llm.Dialect  // whose parts of a vendor's own it has; "" = none
}

// LogprobPlace is where a dialect has log probabilities.
type LogprobPlace uint8

// The places.
const (
	NoLogprobs    LogprobPlace = iota
	WordLogprobs               // beside words: of an answer that has some
	TokenLogprobs              // beside the answer
	AllLogprobs                // those of a refusal apart
)

// Losses lists what of an answer, whole or in pieces, a client of a dialect is not told. It is used by one goroutine at a
// time.
type Losses struct {
	Places Places
	lost   Lost
	spoke  bool   // the first choice has words ...
	told   bool   // ... or log probabilities
	citing [2]int // the text whose citations came last, ...
	cited  int    // ... and how many
}

// answerMark stands before the way to what was lost of an answer, where it is told from what was lost of a request.
const answerMark = "answer:"

// Answer notes what of a whole answer is lost.
func (l *Losses) Answer(a *Answer) {
	for i := range a.Choices {
		c := &a.Choices[i]
		for j := range c.Parts {
			l.part(i, j, &c.Parts[j])
			l.citations(i, j, c.Parts[j].Citations)
		}
		l.logprobs(i, c.Logprobs)
		l.finish(i, c.Finish)
	}
	l.usage(a.Usage)
	l.Left(a.Other)
}

// Delta notes what of a piece of a stream is lost.
func (l *Losses) Delta(d *Delta) {
	switch d.Kind {
	case Open:
		l.part(d.Choice, d.Block, d.Part)
		l.citations(d.Choice, d.Block, d.Part.Citations)
	case More:
		l.citations(d.Choice, d.Block, d.Citations)
	case Finished:
		l.finish(d.Choice, d.Finish)
	case Usage:
		l.usage(d.Usage)
	}
	if d.Logprobs != nil {
		l.logprobs(d.Choice, d.Logprobs)
	}
}

// Left notes what was read over.
func (l *Losses) Left(fields []Field) {
	for _, f := range fields {
		l.drop(f.Name, "no other dialect has a place for it")
	}
}

// All returns what was lost so far, each once, in the words of the source, behind "answer:".
func (l *Losses) All() []Loss {
	if l.told && !l.spoke && l.Places.Logprobs == WordLogprobs {
		l.drop("choices[0].logprobs", "the client's dialect has a place for those of words only")
	}
	return l.lost
}

const noPlace = "the client's dialect has no place for it"

func (l *Losses) part(choice, number int, p *Part) {
	l.spoke = l.spoke || p.Kind == Text && choice == 0
	switch {
	case choice > 0 && !l.Places.Choices:
		l.drop("choices["+strconv.Itoa(choice)+"]", "the client's dialect has one answer")
	case p.Kind == Native && (p.Native.Dialect != l.Places.Native || l.Places.Native == ""), p.Kind == ToolResult:
		l.drop(p.Where(place(choice, number)), noPlace)
	case p.Kind == Media && !l.Places.carries(p.Media):
		l.drop(p.Where(place(choice, number)), noPlace)
	}
}

// carries reports whether a medium has a place.
func (p *Places) carries(m *Medium) bool {
	if m.Data == "" && m.URL == "" {
		return m.Vendor == VendorGoogle && p.Media // a file that it keeps
	}
	return p.Media || m.IsImage()
}

// place is where a part stands in the model, in the words of Chat Completions.
func place(choice, number int) string {
	return "choices[" + strconv.Itoa(choice) + "].message.content[" + strconv.Itoa(number) + "]"
}

func (l *Losses) citations(choice, number int, all []Citation) {
	if at := [2]int{choice, number}; at != l.citing {
		l.citing, l.cited = at, 0
	}
	if l.cited += len(all); l.cited >= MaxCitations {
		l.drop(place(choice, number)+".annotations", "of so many only the first are kept")
	}
	if l.Places.Citations {
		return
	}
	for i := range all {
		if c := &all[i]; c.URL == "" {
			at := c.At
			if at == "" {
				at = place(choice, number) + ".annotations[" + strconv.Itoa(i) + "]"
			}
			l.drop(at, "the client's dialect has no place for a source without an address")
		}
	}
}

func (l *Losses) logprobs(choice int, raw []byte) {
	if len(raw) == 0 || l.Places.Logprobs == AllLogprobs {
		return
	}
	l.told = l.told || choice == 0
	name := "choices[" + strconv.Itoa(choice) + "].logprobs"
	if l.Places.Logprobs == NoLogprobs {
		l.drop(name, noPlace)
		return
	}
	words, refusal := LogprobItems(raw)
	switch {
	case len(refusal) > 0:
		l.drop(name+".refusal", noPlace)
	case len(words) == 0 && !bytes.Contains(raw, []byte(`"content"`)):
		l.drop(name, "they have a form that no other dialect knows")
	}
}

func (l *Losses) finish(choice int, f Finish) {
	switch {
	case f == FinishSequence && !l.Places.Sequence:
		l.drop("choices["+strconv.Itoa(choice)+"].stop_sequence", noPlace)
	case len(f) > len(otherReason) && f[:len(otherReason)] == otherReason:
		l.drop("choices["+strconv.Itoa(choice)+"].finish_reason", "the client's dialect has no such reason")
	}
}

// otherReason is what a reason begins with that the model does not know.
const otherReason = "other:"

func (l *Losses) usage(u *llm.Usage) {
	if u != nil && !l.Places.CacheWrites && u.CacheWrite5m+u.CacheWrite1h > 0 {
		l.drop("usage.cache_write_tokens", noPlace)
	}
}

func (l *Losses) drop(field, why string) {
	field = answerMark + field
	switch {
	case len(l.lost) > mostListed || slices.ContainsFunc(l.lost, func(o Loss) bool { return o.Field == field }):
		return
	case len(l.lost) == mostListed:
		field = answerMark + andMore
	}
	l.lost.Drop(field, why)
}
