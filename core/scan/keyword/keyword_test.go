package keyword

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func set(t testing.TB, literals ...string) *Set {
	t.Helper()
	s, err := New(literals)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func order(a, b Hit) int {
	if a.Pos != b.Pos {
		return int(a.Pos - b.Pos)
	}
	return int(a.Key) - int(b.Key)
}

func TestHitsAreThoseOfANaiveSearch(t *testing.T) {
	literals := []string{"abcd", "bcda", "abcdabcd", "key_", "-----begin", "xOxb", "d-ab"}
	s := set(t, literals...)
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		b := make([]byte, rnd.IntN(40))
		for i := range b {
			b[i] = "abcdABCDkey_-xo"[rnd.IntN(15)]
		}
		if rnd.IntN(2) == 0 {
			b = append(b, literals[rnd.IntN(len(literals))]...)
		}
		after := rnd.IntN(len(b) + 1)
		var want []Hit
		low := Lower(string(b))
		for pos := range len(low) {
			for k, l := range literals {
				if strings.HasPrefix(low[pos:], Lower(l)) && pos+len(l) > after {
					want = append(want, Hit{int32(pos), uint16(k)})
				}
			}
		}
		got := s.Append(nil, b, after)
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if !slices.Equal(got, want) {
			t.Fatalf("%q after %d: %v, want %v", b, after, got, want)
		}
	}
}

func TestBegunIsEveryLiteralThatGoesOn(t *testing.T) {
	literals := []string{"abcd", "abce", "abcdef", "bbbb", "ghp_", "ghs_", "\xe2\x80\xae-"}
	s := set(t, literals...)
	for _, text := range []string{"", "a", "A", "ab", "abcd", "abcde", "abcdef", "gh", "g", "z", "\xe2\x80", "bbbb"} {
		var got, want []string
		lo, hi := s.Begun([]byte(text))
		for i := lo; i < hi; i++ {
			got = append(got, literals[s.Begin(i)])
		}
		for _, l := range literals {
			if text != "" && len(l) > len(text) && strings.HasPrefix(l, Lower(text)) {
				want = append(want, l)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestLiteralsOfTheWrongLengthAreRefused(t *testing.T) {
	for _, l := range []string{"", "abc", strings.Repeat("a", MaxLen+1)} {
		if _, err := New([]string{l}); err == nil {
			t.Errorf("%q was taken", l)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	s := set(t, "sk-a", "ghp_", "akia")
	text := []byte(strings.Repeat("some words, no key; ", 100) + "GHP_0")
	var hits []Hit
	if n := testing.AllocsPerRun(100, func() { hits = s.Append(hits[:0], text, 0) }); n > 0 || len(hits) != 1 {
		t.Errorf("%v allocations, hits %v", n, hits)
	}
}

func BenchmarkAppend2KiB(b *testing.B) {
	var literals []string
	for i := range 300 {
		literals = append(literals, fmt.Sprintf("k%dx_%d", i*7919%1000, i))
	}
	s := set(b, literals...)
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, then naps. "), 40)[:2048]
	var hits []Hit
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		hits = s.Append(hits[:0], text, 0)
	}
}
