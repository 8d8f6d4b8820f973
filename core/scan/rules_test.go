package scan

import (
	"errors"
	"strings"
	"testing"
)

func TestMistakesInARulesFileAreToldWithTheirLines(t *testing.T) {
	for text, want := range map[string]string{
		"pattern x":                       `line 1: "pattern" before the first rule`,
		"rule a b\nclass x\npattern abcd": `line 1: "a b" is no name`,
		"rule a\nclass x\npattern abcd\n\nrule a\nclass x": `line 5: rule a stands at line 1 already`,
		"rule a\nclass x\nclass y\npattern abcd":           "line 3: a second class",
		"rule a\nclass x\npatern abcd":                     `line 3: unknown word "patern"`,
		"rule a\nclass\npattern abcd":                      "line 2: class without a value",
		"# comment\n\nrule a\npattern abcd":                "line 3: rule a: no class",
		"rule a\nclass x":                                  "line 1: rule a: want either pattern or detect",
		"rule a\nclass x\npattern abcd.*":                  "line 1: rule a: unbounded repeat",
		"rule a\nclass x\npattern ab(":                     "line 1: rule a: error parsing regexp",
		"rule a\nclass x\npattern abcd[a-z]{300}":          "line 1: rule a: a match may be longer than the window",
		"rule a\nclass x\npattern (?:abcd)?":               "line 1: rule a: the pattern matches the empty text",
		"rule a\nclass x\npattern [0-9]{9}":                "line 1: rule a: no literal of four bytes",
		"rule a\nclass x\npattern abc\nkeyword abc":        `line 1: rule a: keyword "abc"`,
		"rule a\nclass x\npattern abcd\ntrigger noon":      `line 1: rule a: unknown trigger "noon"`,
		"rule a\nclass x\npattern abcd\ncheck x":           `line 1: rule a: unknown check "x"`,
		"rule a\nclass x\npattern abcd\nback 999 [a]":      "line 4: back",
		"rule a\nclass x\npattern abcd\ntail ab":           "line 1: rule a: tail: not a class",
		"rule a\nclass x\npattern abcd\nuntil x":           "line 1: rule a: until without tail",
		"rule a\nclass x\npattern abcd\nafter x+":          "line 1: rule a: after: unbounded",
		"rule a\nclass x\npattern abcd\ncontext here":      `line 1: rule a: unknown context "here"`,
		"rule a\nclass x\ndetect sqli":                     "line 1: rule a: detect needs the context structured",
		"rule a\nclass x\ncontext structured\ndetect rain": `line 1: rule a: unknown detector "rain"`,
		"rule a\nclass x\npattern abcd\ntrigger mark":      "line 1: rule a: trigger mark needs the context structured",
	} {
		_, err := Compile([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		var line *LineError
		if !errors.As(err, &line) {
			t.Errorf("%q: %v is no LineError", text, err)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := Compile([]byte("rule a\nclass x\npattern abcd*\n\nrule b\nclass y\npattern [0-9]\n"))
	if err == nil || !strings.Contains(err.Error(), "line 1:") || !strings.Contains(err.Error(), "line 5:") {
		t.Errorf("%v", err)
	}
}

func TestRulesAreKeptInTheirOrder(t *testing.T) {
	s := mustCompile(t, sample+structuredSample)
	infos := s.Rules()
	if infos[0] != (Info{"plain_key", "secrets", "message"}) || infos[len(infos)-1] != (Info{"traversal", "lfi", "structured"}) {
		t.Errorf("%v", infos)
	}
	if s := mustCompile(t, ""); len(s.Rules()) != 0 || len(mustScan(t, s, "x")) != 0 {
		t.Error("a file without rules finds something")
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(sample, "a sk-abc123 b")
	f.Add(structuredSample, "' or 1=1")
	f.Add("rule a\nclass x\nafter (?i)key\npattern [a-z]{4}\ntail .\nuntil abcd", "keyabcdef")
	f.Fuzz(func(t *testing.T, rules, text string) {
		if len(rules) > 2000 || len(text) > 200 {
			return
		}
		s, err := Compile([]byte(rules))
		if err != nil {
			return
		}
		ms, err := s.Scan(nil, []byte(text))
		for _, m := range ms {
			if err == nil && (m.Start < 0 || m.Start > m.End || m.End > len(text)) {
				t.Fatalf("%v of %d bytes", m, len(text))
			}
		}
	})
}
