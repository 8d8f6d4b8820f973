package automaton

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var patterns = []string{
	`abc`, `a{2,5}b`, `(?i)Key[=:]\s{0,3}[a-f0-9]{4,9}\b`, `\bsk-[a-z0-9]{3,8}\b`, `a(?:bc|b|bcd)`, `^ab`, `ab$`,
	`\b\d{2,4}\b`, `[^ab]{1,4}c`, `x?y?z?`, `\Bb\B`, `(?:a|ab)(?:c|bcd)d{0,2}`, `.a`, `(?s).a`,
}

func compile(t testing.TB, pattern string) *Automaton {
	t.Helper()
	re, err := Parse(pattern)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	a, err := Compile(re)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return a
}

// oracle is the leftmost-longest match of package regexp that begins at at, or -1. It sees the
// text before at, so that boundaries are judged as they stand.
func oracle(pattern, text string, at int) int {
	re := regexp.MustCompile(`(?s:^.{` + itoa(at) + `})(` + pattern + `)`)
	if strings.HasPrefix(pattern, "^") {
		if at > 0 {
			return -1
		}
		re = regexp.MustCompile("(" + pattern + ")")
	}
	re.Longest()
	m := re.FindStringSubmatchIndex(text)
	if m == nil {
		return -1
	}
	return m[3]
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func TestLongestIsWhatRegexpFinds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, p := range patterns {
		a := compile(t, p)
		for range 300 {
			b := make([]byte, rnd.IntN(24))
			for i := range b {
				b[i] = "abcdkeyKEY=: 0123-sxz\n"[rnd.IntN(22)]
			}
			for at := 0; at <= len(b); at++ {
				if got, want := a.Longest(b, at), oracle(p, string(b), at); got != want {
					t.Fatalf("%s on %q at %d: %d, want %d", p, b, at, got, want)
				}
			}
		}
	}
}

func TestRunInPiecesIsRunAtOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, p := range patterns {
		a := compile(t, p)
		for range 200 {
			b := make([]byte, 1+rnd.IntN(20))
			for i := range b {
				b[i] = "abcdkey=: 012-sz"[rnd.IntN(16)]
			}
			want := a.Longest(b, 0)
			r := a.Begin(b[:0], 0)
			for n := 0; n <= len(b); n++ {
				if a.Go(&r, b[:n], n == len(b)) {
					break
				}
			}
			if r.End != want {
				t.Fatalf("%s on %q: %d in pieces, %d at once", p, b, r.End, want)
			}
		}
	}
}

func TestWhatCannotBeBoundedIsRefused(t *testing.T) {
	for p, want := range map[string]error{
		`a*`: ErrUnbounded, `(ab)+c`: ErrUnbounded, `a{3,}`: ErrUnbounded, `(?m)^a`: ErrAnchor,
		`\p{Han}`: ErrClass, `(?:a|b)[ab]{0,40}a[ab]{20}`: ErrStates,
	} {
		re, err := Parse(p)
		if err == nil {
			_, err = Compile(re)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", p, err, want)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	a := compile(t, `(?i)key=[a-z0-9]{10,60}\b`)
	text := []byte("KEY=abcdefgh0123456789abcdefgh0123456789 ")
	if n := testing.AllocsPerRun(100, func() { a.Longest(text, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCompile(f *testing.F) {
	for _, p := range patterns {
		f.Add(p, "abkey=012")
	}
	f.Add(`[^\x00-\x{10FFFF}]`, "é")
	f.Fuzz(func(t *testing.T, p, text string) {
		if len(p) > 60 {
			return
		}
		re, err := Parse(p)
		if err != nil {
			return
		}
		a, err := Compile(re)
		if err != nil {
			return
		}
		for at := range text {
			if end := a.Longest([]byte(text), at); end > at+a.MaxLen() {
				t.Errorf("%q matches %d bytes of %q, more than %d", p, end-at, text, a.MaxLen())
			}
		}
	})
}
