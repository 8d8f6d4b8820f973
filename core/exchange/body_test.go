package exchange

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// bodyOf builds a body from JSON in which each string between « and » is a text.
func bodyOf(marked string) Body {
	var raw []byte
	var texts []dialect.Text
	for {
		head, rest, ok := strings.Cut(marked, "«")
		raw = append(raw, head...)
		if !ok {
			return NewBody(raw, texts)
		}
		text, tail, _ := strings.Cut(rest, "»")
		texts = append(texts, dialect.Text{Span: Span{Start: len(raw), End: len(raw) + len(text)}})
		raw = append(raw, text...)
		marked = tail
	}
}

func TestBodyWithoutEditsIsItself(t *testing.T) {
	b := bodyOf(`{"a":"«x\u0041»","b":"«»"}`)
	if b.Edited() || &b.Bytes()[0] != &b.Raw()[0] {
		t.Error("an untouched body was built anew")
	}
	if got := string(b.Text(0).Value()); got != "xA" || b.Edited() {
		t.Errorf("value %q, edited %v", got, b.Edited())
	}
}

func TestTextEditKeepsWhatItDoesNotTouch(t *testing.T) {
	for _, c := range []struct {
		raw      string
		from, to int
		with     string
		want     string
	}{
		{`plain text`, 6, 10, "word", `plain word`},
		{`a\u0041\n\/z`, 1, 2, "B", `aB\n\/z`},
		{`\u00e9\u00e8`, 2, 4, "e", `\u00e9e`},
		{`\ud83d\ude00!`, 4, 5, "?", `\ud83d\ude00?`},
		{`quote`, 0, 5, "\"\n\\", `\"\n\\`},
		{`ab`, 1, 1, "-", `a-b`},
		{`ab`, 2, 2, "-", `ab-`},
		{`é€😀`, 1, 4, "x", `x😀`},
		{`\u00e9x`, 0, 1, "", `x`},
		{`\u00e9x`, 1, 2, "", `x`},
		{`aéb`, 2, 2, "-", `a-éb`},
		{`\ud800x`, 1, 2, "", `x`},
	} {
		b := bodyOf(`["«` + c.raw + `»"]`)
		if err := b.Text(0).Edit(c.from, c.to, []byte(c.with)); err != nil {
			t.Fatal(err)
		}
		if got := string(b.Bytes()); got != `["`+c.want+`"]` || !json.Valid(b.Bytes()) {
			t.Errorf("%s %d-%d: %s, want %s", c.raw, c.from, c.to, got, c.want)
		}
	}
	b := bodyOf(`"«abc»"`)
	for _, bad := range [][2]int{{-1, 0}, {2, 1}, {0, 4}} {
		if err := b.Text(0).Edit(bad[0], bad[1], nil); !errors.Is(err, ErrSpan) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestSplicesAndTextsComeOutInOrder(t *testing.T) {
	b := bodyOf(`{"model":"old","a":"«one»","n":1,"b":"«two»","end":true}`)
	at := func(s string) Span {
		i := strings.Index(string(b.Raw()), s)
		return Span{Start: i, End: i + len(s)}
	}
	for _, s := range []struct{ old, with string }{{"true", "false"}, {"old", "new"}, {`"n":1`, `"n":22`}} {
		if err := b.Splice(at(s.old), []byte(s.with)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Splice(Span{Start: 1, End: 1}, []byte(`"x":0,`)); err != nil {
		t.Fatal(err)
	}
	for i, with := range []string{"first", "second"} {
		if err := b.Text(i).Edit(0, 3, []byte(with)); err != nil {
			t.Fatal(err)
		}
	}
	c := b.Clone()
	if err := c.Text(0).Edit(0, 5, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := string(b.Bytes()), `{"x":0,"model":"new","a":"first","n":22,"b":"second","end":false}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := string(c.Bytes()); !strings.Contains(got, `"a":""`) {
		t.Errorf("clone %s", got)
	}
	for _, bad := range []Span{at("ld"), at("one"), {Start: at("one").Start + 1, End: at("one").Start + 1}, {Start: -1}, {Start: 2, End: 1}, {Start: 0, End: 999}} {
		if err := b.Splice(bad, nil); !errors.Is(err, ErrSpan) {
			t.Errorf("splice %v: %v", bad, err)
		}
	}
	b.Replace([]byte("{}"))
	if !b.Edited() || string(b.Bytes()) != "{}" || b.Len() != 0 {
		t.Errorf("replaced body %s, edited %v", b.Bytes(), b.Edited())
	}
}

func TestReplacedEventBodyIsSent(t *testing.T) {
	e := &Event{Raw: []byte("data: {\"a\":1}\n\n"), Body: NewBody([]byte(`{"a":1}`), nil)}
	e.Body.Replace([]byte(`{"a":2}`))
	if got := string(e.Bytes()); got != "data: {\"a\":2}\n\n" {
		t.Errorf("%q", got)
	}
}

func TestRandomEditsMatchEditsOfThePlainText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{`a`, `\u00e9`, `é`, `\n`, `\"`, `😀`, `\ud83d\ude00`, `\/`, `zz`}
	for range 3000 {
		raw := ""
		for range rng.IntN(8) {
			raw += pieces[rng.IntN(len(pieces))]
		}
		b := bodyOf(`["«` + raw + `»"]`)
		plain := string(b.Text(0).Value())
		for range 1 + rng.IntN(3) {
			from := rng.IntN(len(plain) + 1)
			to := from + rng.IntN(len(plain)-from+1)
			if !utf8.ValidString(plain[:from]) || !utf8.ValidString(plain[from:to]) {
				continue // cuts a character: the table above
			}
			with := pieces[rng.IntN(len(pieces))]
			if err := b.Text(0).Edit(from, to, []byte(with)); err != nil {
				t.Fatal(err)
			}
			plain = plain[:from] + with + plain[to:]
		}
		var got []string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got[0] != plain || string(b.Text(0).Value()) != plain {
			t.Fatalf("%s: %q, want %q (%v)", raw, got, plain, err)
		}
	}
}
