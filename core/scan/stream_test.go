package scan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// feed scans a text in the given pieces and checks what a stream promises at every step.
func feed(t testing.TB, s *Set, parts []string) []Match {
	t.Helper()
	st := s.NewStream()
	var all []Match
	at, safe := 0, 0
	check := func(ms []Match, n int) {
		for _, m := range ms {
			if m.Start < safe && !slices.ContainsFunc(st.open, func(o Match) bool { return o.Rule == m.Rule && o.Start == m.Start }) {
				t.Fatalf("%q: match %v begins before what was safe, %d", parts, m, safe)
			}
		}
		at += n
		if st.Safe()+st.Held() != at {
			t.Fatalf("%q: safe %d and held %d of %d", parts, st.Safe(), st.Held(), at)
		}
		if st.Safe() < safe {
			t.Fatalf("%q: safe went from %d to %d", parts, safe, st.Safe())
		}
		safe = st.Safe()
	}
	for _, p := range parts {
		n := len(all)
		var err error
		if all, err = st.Write(all, []byte(p)); err != nil {
			t.Fatal(err)
		}
		check(all[n:], len(p))
		st.Open() // remembered in st.open for the next check
	}
	n := len(all)
	var err error
	if all, err = st.Close(all); err != nil {
		t.Fatal(err)
	}
	check(all[n:], 0)
	sortMatches(all)
	return all
}

func cut(rnd *rand.Rand, text string) (parts []string) {
	for len(text) > 0 {
		n := 1 + rnd.IntN(min(len(text), 1+rnd.IntN(12)))
		parts, text = append(parts, text[:n]), text[n:]
	}
	return parts
}

func TestAnyChunkingFindsWhatAScanFinds(t *testing.T) {
	s := mustCompile(t, sample)
	rnd := rand.New(rand.NewPCG(9, 10))
	for i := range 20000 {
		n := 1 + rnd.IntN(14)
		if i%100 == 0 {
			n = 400 // beyond what the buffer keeps
		}
		text := randomText(rnd, n)
		parts := cut(rnd, text)
		if got, want := feed(t, s, parts), mustScan(t, s, text); !slices.Equal(got, want) {
			t.Fatalf("%q:\n%q, want\n%q", parts, ids(s, got, text), ids(s, want, text))
		}
	}
}

func FuzzStream(f *testing.F) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 40 {
		f.Add(randomText(rnd, 1+rnd.IntN(10)), uint64(rnd.IntN(1000)))
	}
	s := mustCompile(f, sample)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if len(text) > 4096 {
			return
		}
		want, err := s.Scan(nil, []byte(text))
		if err != nil {
			return
		}
		parts := cut(rand.New(rand.NewPCG(seed, 1)), text)
		if got := feed(t, s, parts); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", parts, got, want)
		}
	})
}

func TestAStreamHoldsOnlyWhatMayBecomeAMatch(t *testing.T) {
	s := mustCompile(t, `
rule key
  class secrets
  pattern \bsk-[a-z0-9]{8}
  tail [a-z0-9]
`)
	for _, c := range []struct {
		text string
		held int
		open int
	}{
		{"hello", 0, 0}, {"tasks", 0, 0}, {"a s", 1, 0}, {"a sk", 2, 0}, {"a skip", 0, 0}, {"a sk-", 3, 0}, {"a sk-abc", 6, 0},
		{"a sk-abcdefg", 10, 0}, {"a sk-abcdefgh", 0, 1}, {"a sk-abcdefghij", 0, 1}, {"a sk-abcdefghij.", 0, 0}, {"ask-", 0, 0},
	} {
		st := s.NewStream()
		for i := range c.text {
			if _, err := st.Write(nil, []byte(c.text[i:i+1])); err != nil {
				t.Fatal(err)
			}
		}
		if st.Held() != c.held || len(st.Open()) != c.open {
			t.Errorf("%q: held %d, open %v; want %d and %d", c.text, st.Held(), st.Open(), c.held, c.open)
		}
	}
}

func TestATailEndsAtItsBound(t *testing.T) {
	s := mustCompile(t, "rule a\nclass x\npattern key_a\ntail a\n")
	text := "key_" + strings.Repeat("a", MaxTail+100)
	ms := feed(t, s, []string{text[:1000], text[1000:60000], text[60000:]})
	if len(ms) != 1 || ms[0].End != 5+MaxTail {
		t.Errorf("%v", ms)
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	s := mustCompile(t, sample)
	st := s.NewStream()
	p := []byte("some words of a chat, and sk-abc123 too; ")
	var ms []Match
	write := func() { ms, _ = st.Write(ms[:0], p) }
	for range 100 {
		write()
	}
	if n := testing.AllocsPerRun(200, write); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
