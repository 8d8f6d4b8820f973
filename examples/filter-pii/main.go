// Command filter-pii is an example of a filter that takes personal data out of what a model gets and
// puts it back into what the client gets: the provider sees [EMAIL_1], the client its own address.
package main

import (
	"bytes"
	_ "embed"
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
)

//go:embed pii.rules
var rules []byte

// words are the placeholders' words, by the index of the rule.
var words = []string{"EMAIL", "PHONE", "IBAN"}

var set filter.Set

func init() {
	filter.Register(filter.Filter{
		Init: func([]byte) (err error) {
			set, err = filter.Compile(rules)
			return err
		},
		RequestText: redact,
		Delta:       restore,
	})
}

func main() {}

// redact puts a placeholder in the place of everything that the rules find, the same one for the same
// words, and keeps what it stands for with the exchange.
func redact(x filter.Exchange) filter.Action {
	var k kept
	for i := range x.Texts() {
		t := x.Text(i)
		ms, err := set.Text(t)
		if err != nil {
			return filter.Failed
		}
		if ms.Len() == 0 {
			continue
		}
		text := t.Bytes()
		type edit struct {
			from, to int
			with     string
		}
		var edits []edit
		end := 0
		for j := range ms.Len() {
			if m := ms.At(j); m.Start >= end { // the first of those that overlap
				edits = append(edits, edit{m.Start, m.End, k.placeholder(words[m.Rule], string(text[m.Start:m.End]))})
				end = m.End
			}
		}
		for j := len(edits) - 1; j >= 0; j-- {
			if t.Splice(edits[j].from, edits[j].to, []byte(edits[j].with)) != nil {
				return filter.Failed
			}
		}
	}
	if len(k) == 0 {
		return filter.Continue
	}
	x.Annotate("redacted", strconv.Itoa(len(k)))
	if x.PutState(k.encode()) != nil {
		return filter.Failed
	}
	return filter.Continue
}

// restore puts the client's words back, in whichever pieces the placeholders come.
func restore(x filter.Exchange, w filter.Window) filter.Action {
	k := decode(x.State())
	if len(k) == 0 {
		return filter.Continue
	}
	text := append([]byte(nil), w.Bytes()...)
	for end := len(text); end > 0; {
		at := bytes.LastIndexByte(text[:end], '[')
		if at < 0 {
			break
		}
		end = at
		for _, e := range k {
			if bytes.HasPrefix(text[at:], []byte(e.placeholder)) && w.Splice(at, at+len(e.placeholder), []byte(e.original)) != nil {
				return filter.Failed
			}
		}
	}
	if w.Final() {
		return filter.Continue
	}
	return filter.Hold(k.begun(text))
}
