package conversation

import (
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

// fields are the names of losses.
func fields(all []Loss) (names []string) {
	for _, l := range all {
		names = append(names, l.Field)
	}
	return names
}

// everything is an answer with all that not every dialect has a place for.
func everything() *Answer {
	return &Answer{
		Usage: &llm.Usage{InputTotal: 9, CacheWrite1h: 2},
		Other: []Field{{Name: "content_filters"}},
		Choices: []Choice{
			{Finish: FinishSequence, StopSequence: "END", Logprobs: []byte(`{"content":[{"token":"a","logprob":-1}],"refusal":[{"token":"b","logprob":-2}]}`), Parts: []Part{
				{Kind: Text, Text: "a", Citations: []Citation{{Title: "without an address", At: "content[0].citations[0]"}, {URL: "u"}, {Title: "nobody says where"}}},
				{Kind: Media, Media: &Medium{Type: "audio/wav", Data: "QUJD"}, At: "parts[1]"},
				{Kind: Media, Media: &Medium{Type: "image/png", Data: "QUJD"}},
				{Kind: Media, Media: &Medium{Type: "image/png", FileID: "gs://b/o", Vendor: VendorGoogle}},
				{Kind: Native, Native: &Foreign{Dialect: llm.Gemini}, At: "parts[4]"},
				{Kind: ToolResult, Result: &Result{}},
			}},
			{Finish: "other:odd", Parts: []Part{{Kind: Text, Text: "c"}}},
		},
	}
}

// TestWhatHasNoPlaceIsListed, once each, of a whole answer and of one in pieces.
func TestWhatHasNoPlaceIsListed(t *testing.T) {
	all := []string{"content[0].citations[0]", "choices[0].message.content[0].annotations[2]", "parts[1]", "choices[0].message.content[3]", "parts[4]", "choices[0].message.content[5]",
		"choices[0].logprobs", "choices[0].stop_sequence", "choices[1]", "choices[1].finish_reason", "usage.cache_write_tokens", "content_filters"}
	for i := range all {
		all[i] = answerMark + all[i]
	}
	for name, c := range map[string]struct {
		places Places
		want   []string
	}{
		"none":  {Places{}, all},
		"words": {Places{Choices: true, Sequence: true, Citations: true, CacheWrites: true, Logprobs: WordLogprobs, Native: llm.OpenAI}, append([]string{answerMark + "choices[0].logprobs.refusal"}, remove(all, 0, 1, 6, 7, 8, 10)...)},
		"all":   {Places{Choices: true, Sequence: true, Citations: true, CacheWrites: true, Media: true, Logprobs: AllLogprobs, Native: llm.Gemini}, []string{all[5], all[9], all[11]}},
	} {
		whole, pieces := Losses{Places: c.places}, Losses{Places: c.places}
		whole.Answer(everything())
		for _, d := range everything().Deltas(nil) {
			pieces.Delta(&d)
		}
		pieces.Left(everything().Other)
		for form, l := range map[string]*Losses{"whole": &whole, "in pieces": &pieces} {
			got := fields(l.All())
			for _, field := range c.want {
				if !slices.Contains(got, field) {
					t.Errorf("%s, %s: no %s in %q", name, form, field, got)
				}
			}
			if len(got) != len(c.want) || !reflect.DeepEqual(got, fields(l.All())) {
				t.Errorf("%s, %s: %q, want %q", name, form, got, c.want)
			}
		}
	}
}

// remove returns all but those at some places.
func remove(all []string, places ...int) (rest []string) {
	at := map[int]bool{}
	for _, i := range places {
		at[i] = true
	}
	for i, s := range all {
		if !at[i] {
			rest = append(rest, s)
		}
	}
	return rest
}

// TestProbabilitiesWithoutWords have no place beside words.
func TestProbabilitiesWithoutWords(t *testing.T) {
	for name, c := range map[string]struct {
		parts []Part
		lost  int
	}{"words": {[]Part{{Kind: Text, Text: "a"}}, 0}, "a call": {[]Part{call("c", "f")}, 1}} {
		a := &Answer{Choices: []Choice{{Parts: c.parts, Finish: FinishStop, Logprobs: []byte(`{"content":[{"token":"a","logprob":-1}]}`)}}}
		whole, pieces := Losses{Places: Places{Logprobs: WordLogprobs}}, Losses{Places: Places{Logprobs: WordLogprobs}}
		whole.Answer(a)
		for _, d := range a.Deltas(nil) {
			pieces.Delta(&d)
		}
		if len(whole.All()) != c.lost || len(pieces.All()) != c.lost {
			t.Errorf("%s: %q and %q", name, fields(whole.All()), fields(pieces.All()))
		}
	}
}

// TestLossesAreBounded: their number is an upstream's word.
func TestLossesAreBounded(t *testing.T) {
	var l Losses
	for i := range 3 * mostListed {
		l.Left([]Field{{Name: strconv.Itoa(i)}})
	}
	if all := fields(l.All()); len(all) != mostListed+1 || all[mostListed] != answerMark+andMore {
		t.Errorf("%d, the last is %q", len(all), all[len(all)-1])
	}
}

// TestNothingLostCostsNothing: neither a piece of a stream of which all is told, nor keeping the way to what is read.
func TestNothingLostCostsNothing(t *testing.T) {
	const event = `{"choices":[{"index":0,"delta":{"content":"words","refusal":null,"annotations":[],"x":""}}]}`
	read := func(r *Reader) {
		r.Each("the event", func(string) {
			r.Items("choices", func(int) {
				r.Each("choice", func(k string) {
					if k != "delta" {
						r.Skip()
						return
					}
					r.Each(k, func(k string) {
						if r.At() != "" || k == "content" {
							r.Skip()
						} else {
							r.Leave()
						}
					})
				})
			})
		})
		if r.End() != nil {
			t.Error(r.Err())
		}
	}
	var left Left
	plain := testing.AllocsPerRun(100, func() { read(NewReader([]byte(event))) })
	if n := testing.AllocsPerRun(100, func() { read(left.Reader([]byte(event))) }); n > plain {
		t.Errorf("%v allocations of an event, %v without a list", n, plain)
	}
	l := Losses{Places: Places{Logprobs: AllLogprobs}}
	d := Delta{Kind: More, Text: "words", Citations: []Citation{{URL: "u"}}, Logprobs: []byte(`{"content":[]}`)}
	open := Delta{Kind: Open, Part: &Part{Kind: Text}}
	if n := testing.AllocsPerRun(100, func() { l.Delta(&open); l.Delta(&d); l.Left(left.Fields); l.All() }); n > 0 {
		t.Errorf("%v allocations of a delta", n)
	}
	if len(left.Fields) > 0 {
		t.Errorf("%+v", left.Fields)
	}
}

// TestWhatIsLeftIsListedOnce, with the way to it, in all events of a stream.
func TestWhatIsLeftIsListedOnce(t *testing.T) {
	var left Left
	for range 3 {
		r := left.Reader([]byte(`{"a":{"b":[{"c":1,"d":false},{"c":2}]},"e":"f"}`))
		r.Each("the event", func(k string) {
			if k != "a" {
				r.Leave(`"f"`)
				return
			}
			r.Each(k, func(k string) { r.Items(k, func(int) { r.LeaveEach(k) }) })
		})
	}
	if want := []Field{{Name: "a.b[0].c"}, {Name: "a.b[1].c"}}; !reflect.DeepEqual(left.Fields, want) {
		t.Errorf("%+v, want %+v", left.Fields, want)
	}
}

// TestLogprobsOfAllPieces are those of the whole answer.
func TestLogprobsOfAllPieces(t *testing.T) {
	one, two := `{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}`, `{"token":"b","logprob":-2}`
	for name, c := range map[string]struct {
		pieces []string
		want   string
	}{
		"none":              {[]string{"", ""}, ""},
		"one":               {[]string{"", `{ "content" : [` + one + `] }`}, `{ "content" : [` + one + `] }`},
		"one of no form":    {[]string{`{"tokens":["a"]}`}, `{"tokens":["a"]}`},
		"several":           {[]string{`{"content":[` + one + `],"refusal":null}`, "", `{"content":[]}`, `{"content":[` + two + `,` + one + `]}`}, `{"content":[` + one + `,` + two + `,` + one + `],"refusal":null}`},
		"of a refusal, too": {[]string{`{"content":null,"refusal":[` + one + `]}`, `{"content":[` + two + `],"refusal":[` + two + `]}`}, `{"content":[` + two + `],"refusal":[` + one + `,` + two + `]}`},
	} {
		var all Collector
		deltas := []Delta{{Kind: Begin}, {Kind: Open, Part: &Part{Kind: Text}}}
		for i, p := range c.pieces {
			d := Delta{Kind: More, Text: strconv.Itoa(i)}
			if p != "" {
				d.Logprobs = []byte(p)
			}
			deltas = append(deltas, d)
		}
		if err := all.Add(append(deltas, Delta{Kind: Close}, Delta{Kind: Finished, Finish: FinishStop})...); err != nil {
			t.Fatal(err)
		}
		if got := string(all.Answer.Choices[0].Logprobs); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
