package conversation

import (
	"strings"
	"testing"
)

// TestCitationsOfSeveralTexts: each has its own, counted in it.
func TestCitationsOfSeveralTexts(t *testing.T) {
	parts := []Part{{Text: "Grüße, "}, {Kind: Thinking, Text: "hm"}, {Text: "Welt!"}}
	Cite(parts, []Citation{{URL: "a", Start: 0, End: 7}, {URL: "b", Start: 9, End: 13}, {URL: "c"}, {URL: "d", Start: 7, End: 12}, {URL: "e", Start: 90, End: 99}})
	got := ""
	for _, p := range parts {
		for _, c := range p.Citations {
			start, end := c.Span(p.Text)
			got += c.URL + " " + p.Text[start:end] + "; "
		}
	}
	if want := "a Grüße; d , ; b Welt; c Welt!; e ; "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPlacesAreOfWholeCharacters wherever a vendor puts them.
func TestPlacesAreOfWholeCharacters(t *testing.T) {
	const text = "aäöb"
	for _, c := range []struct {
		start, end int
		want       string
	}{{0, 0, text}, {1, 3, "ä"}, {2, 4, "äö"}, {-5, 2, "aä"}, {3, 99, "öb"}, {99, 5, ""}, {4, 4, "ö"}} {
		one := Citation{Start: c.start, End: c.end}
		if from, to := one.Span(text); text[from:to] != c.want {
			t.Errorf("%d to %d: %q, want %q", c.start, c.end, text[from:to], c.want)
		}
	}
	for _, c := range [][4]int{{0, 2, 0, 3}, {1, 4, 1, 6}, {3, 4, 5, 6}, {2, 1, 0, 0}, {0, 5, 0, 0}, {-1, 2, 0, 0}} {
		one := Citation{Start: c[0], End: c[1]}
		if one.InBytes(NewRuler(text)); one.Start != c[2] || one.End != c[3] {
			t.Errorf("characters %d to %d: bytes %d to %d, want %d to %d", c[0], c[1], one.Start, one.End, c[2], c[3])
		}
	}
}

// TestARulerCounts as one does who counts from the beginning.
func TestARulerCounts(t *testing.T) {
	for _, text := range []string{"", "a", strings.Repeat("aäö\U0001F600\xff", 3*stride)} {
		r := NewRuler(text)
		n := 0
		for at := range text {
			if r.at(n) != at || r.number(at) != n {
				t.Fatalf("character %d begins at %d: %d, %d", n, at, r.at(n), r.number(at))
			}
			n++
		}
		if r.chars != n || r.at(n) != len(text) || r.number(len(text)) != n {
			t.Errorf("%d characters in %d bytes: %d, %d, %d", n, len(text), r.chars, r.at(n), r.number(len(text)))
		}
	}
}
