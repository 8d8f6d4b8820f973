package literal

import (
	"errors"
	"slices"
	"testing"

	"github.com/ginnel/ginnel/core/scan/automaton"
)

func TestRequired(t *testing.T) {
	for pattern, want := range map[string][]Key{
		`\bghp_[a-z]{30}`:           {{"ghp_", 0, 0}},
		`(?i)Bearer\s[a-z]{9}`:      {{"bearer", 0, 0}},
		`[a-z]{3,5}://x[0-9]{1,9}@`: {{"://x", 3, 5}},
		`(?:abcd|wxyz)[0-9]{9}`:     {{"abcd", 0, 0}, {"wxyz", 0, 0}},
		`SG\.[AB][0-9]{0,9}`:        {{"sg.a", 0, 0}, {"sg.b", 0, 0}},
		`sk-(?:live|z{9})`:          {{"sk-live", 0, 0}, {"sk-zzzzzzzzz", 0, 0}},
		`ab[cd]?zz`:                 {{"abczz", 0, 0}, {"abdzz", 0, 0}, {"abzz", 0, 0}},
		`[a-f]{2,9}zqx_[0-9]{9}`:    {{"zqx_", 2, 9}},
	} {
		re, err := automaton.Parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Required(re)
		slices.SortFunc(got, func(a, b Key) int {
			if a.Text < b.Text {
				return -1
			}
			return 1
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v, want %v", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{`\d{9}`, `abc`, `(?:abcd|x)\d{2}`, `[a-z]{4}`} {
		re, err := automaton.Parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Required(re); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v %v, want %v", pattern, got, err, ErrNone)
		}
	}
}
