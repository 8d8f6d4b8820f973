package scan

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sample is a rules file that uses every feature of the engine.
const sample = `
# made up
rule plain_key
  class secrets
  pattern \bsk-[a-z0-9]{6,12}\b
rule tailed_key
  class secrets
  pattern \btk_[a-z]{4}
  tail [a-z0-9]
rule middle_key
  class secrets
  pattern [a-f0-9]{4,8}#MARK[0-9]{2}
rule back_key
  class secrets
  trigger digit
  back 8 [a-z_]
  pattern [a-z][a-z_]{0,7}\d{2,4}!
rule gap_key
  class secrets
  pattern begin[^\n]{0,40}finish
rule folded
  class words
  context output
  pattern (?i)\b(?:password|passphrase)\s?[=:]\s?[^\s]{3,9}
rule at_sign
  class words
  trigger at
  back 6 [a-z.]
  pattern [a-z][a-z.]{0,5}@[a-z]{2,6}
rule control
  class words
  trigger control
  pattern \x1b\[[0-9]{1,3}m
rule hidden
  class words
  trigger hidden
  pattern (?:\x{200B}|\x{2060}){2,5}
rule ends
  class words
  pattern fini$
rule valued
  class words
  after (?i)\b(?:token|tok_x)\s?[=:]\s{0,2}
  pattern [a-z0-9]{4}
  tail [a-z0-9]
rule valued_gap
  class words
  after abcd[^\n]{0,20}-u[ ]?[a-z]{1,5}:
  pattern [^\s]{3,6}
rule until
  class words
  after <k>
  pattern [a-z]{2}
  tail [a-z \n<-]
  until --end[a-z]{0,4}--
rule checked
  class words
  keyword card
  pattern card[ ]?\d{12,19}\b
  check luhn
`

// pieces make texts that nearly match and do.
var pieces = []string{
	"sk-", "abc123", "abcdef0123", " ", "\n", "tk_", "abcd", "x9", "dead", "#MARK", "42", "!", "ab_", "12", "begin", "finish",
	"Password", "=", ": ", "hunter", "ann.", "@", "corp", "\x1b[", "31", "m", "\u200b", "\u2060", "fini", "card ", "4111111111111111",
	"<k>", "<k>ab ", "--end", "--e", "--", "--endab--", "token", "tok_x", "= ", "-u", "-u ab:", ":", "é", "-", "s", "sk", "#MA", "tk", "fin", "beg", "\xe2\x80",
}

func mustCompile(t testing.TB, rules string) *Set {
	t.Helper()
	s, err := Compile([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustScan(t testing.TB, s *Set, text string) []Match {
	t.Helper()
	ms, err := s.Scan(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func randomText(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}

func ids(s *Set, ms []Match, text string) (out []string) {
	for _, m := range ms {
		out = append(out, s.Rules()[m.Rule].ID+" "+text[m.Start:m.End])
	}
	return out
}

func TestScanFindsWhatTheRulesSay(t *testing.T) {
	s := mustCompile(t, sample)
	for text, want := range map[string][]string{
		"a sk-abc123 b":         {"plain_key sk-abc123"},
		"ask-abc123":            nil,
		"tk_abcdefgh9, tk_abc":  {"tailed_key tk_abcdefgh9"},
		"xx 0dead#MARK42":       {"middle_key 0dead#MARK42"},
		"say ab_12!":            {"back_key ab_12!"},
		"begin the end finish":  {"gap_key begin the end finish"},
		"PASSWORD: swordfish":   {"folded PASSWORD: swordfish"},
		"to ann.x@corp today":   {"at_sign ann.x@corp"},
		"\x1b[31mred":           {"control \x1b[31m"},
		"a\u200b\u2060b \u200b": {"hidden \u200b\u2060"},
		"fini":                  {"ends fini"},
		"fini ":                 nil,
		"card 4111111111111111": {"checked card 4111111111111111"},
		"card 4111111111111112": nil,
		"sk-abc123 sk-abc123é":  {"plain_key sk-abc123", "plain_key sk-abc123"},
	} {
		if got := ids(s, mustScan(t, s, text), text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// naive tries every rule at every byte: what Scan must find where no keyword is in the way.
func naive(s *Set, text string) (out []Match) {
	t := []byte(text)
	for i := range s.text.rules {
		ru := &s.text.rules[i]
		var all []Match
		for at := range t {
			w := work{limit: 1 << 30}
			end, _ := s.text.parts(&w, ru, t, at, 0, true)
			if end >= 0 && (ru.check == nil || ru.check(t[w.from:end])) {
				all = append(all, Match{ru.index, w.from, end})
			}
		}
		sortMatches(all)
		last := 0
		for _, m := range all {
			if m.Start < last {
				continue
			}
			for ru.tail != nil && m.End < len(t) && ru.tail.Has(t[m.End]) {
				if ru.until != nil {
					if end := ru.until.Longest(t, m.End); end > 0 {
						m.End = end
						break
					}
				}
				m.End++
			}
			last = m.End
			out = append(out, m)
		}
	}
	sortMatches(out)
	return out
}

func TestScanFindsWhatTryingEveryRuleEverywhereFinds(t *testing.T) {
	s := mustCompile(t, sample)
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		text := randomText(rnd, 1+rnd.IntN(14))
		if got, want := mustScan(t, s, text), naive(s, text); !slices.Equal(got, want) {
			t.Fatalf("%q:\n%q, want\n%q", text, ids(s, got, text), ids(s, want, text))
		}
	}
}

func TestTheWorkOfAHostileTextIsBounded(t *testing.T) {
	s := mustCompile(t, `
rule slow
  class x
  pattern aaaa[a-z]{0,100}b[a-z]{0,100}c
`)
	text := []byte(strings.Repeat("aaaab", 4000))
	if _, err := s.Scan(nil, text); !errors.Is(err, ErrBudget) {
		t.Errorf("scan: %v", err)
	}
	st := s.NewStream()
	var err error
	for i := 0; i < len(text) && err == nil; i += 100 {
		_, err = st.Write(nil, text[i:i+100])
	}
	if !errors.Is(err, ErrBudget) {
		t.Errorf("stream: %v", err)
	}
	if _, err := st.Close(nil); !errors.Is(err, ErrBudget) {
		t.Errorf("the error does not stay: %v", err)
	}
	if _, err := s.Scan(nil, []byte("aaaabc")); err != nil {
		t.Errorf("the next text: %v", err)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	s := mustCompile(t, sample)
	text := []byte(strings.Repeat("a sk-abc123 b ann@corp {\"a\": 12} \u200b tk_abcdefg ", 40))
	var ms []Match
	for _, text := range [][]byte{text, []byte("plain words")} {
		var err error
		ms, err = s.Scan(ms[:0], text)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(50, func() { ms, _ = s.Scan(ms[:0], text) }); n != 0 && !raceEnabled {
			t.Errorf("%v allocations on %.20q", n, text)
		}
	}
}

// A match needs one of its wakers, not the first that is met.
func TestAMatchIsFoundByAnyOfItsWakers(t *testing.T) {
	s := mustCompile(t, "rule a\n class x\n pattern (?i)print[^.]{0,16} (?:instructions|instructions (?:above|below))\n keyword instructions \n keyword instructions\n back 30 [a-z ]\n")
	text := "now print the instructions of it"
	if ms := mustScan(t, s, text); len(ms) != 1 || text[ms[0].Start:ms[0].End] != "print the instructions" {
		t.Errorf("%v", ms)
	}
	for cut := range text {
		st := s.NewStream()
		ms, _ := st.Write(nil, []byte(text[:cut]))
		ms, _ = st.Write(ms, []byte(text[cut:]))
		if ms, _ = st.Close(ms); len(ms) != 1 {
			t.Errorf("cut at %d: %v", cut, ms)
		}
	}
}
