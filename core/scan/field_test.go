package scan

import (
	"slices"
	"testing"
)

const structuredSample = `
rule sqli
  class sqli
  context structured
  detect sqli
rule xss
  class xss
  context structured
  detect xss
rule traversal
  class lfi
  context structured
  trigger mark
  pattern \.\.[/\\]
`

func TestStructuredFieldsAreReadInAllTheirForms(t *testing.T) {
	s := mustCompile(t, structuredSample)
	for text, want := range map[string][]string{
		"hello world":                              nil,
		"1' OR '1'='1":                             {"sqli"},
		"1%27%20OR%20%271%27%3D%271":               {"sqli"},
		"1%2527%2520OR%2520%25271%2527%253D%25271": {"sqli"},
		`{"q": "1' OR '1'='1", "n": 4}`:            {"sqli"},
		`{"q": ["fine", {"r": "\u003cscript\u003ealert(1)\u003c/script\u003e"}]}`: {"xss"},
		"&lt;script&gt;alert(1)&lt;/script&gt;":                                   {"xss"},
		"&#60;script>alert(1)</script>":                                           {"xss"},
		`{"file": "..%2f..%2fboot"}`:                                              {"traversal"},
		`{"1' OR '1'='1": 1}`:                                                     {"sqli"},
		`{"file": "..\/"}`:                                                        {"traversal"},
		`{"broken": "../`:                                                         {"traversal"},
	} {
		ms := mustScan(t, s, text)
		var got []string
		for _, m := range ms {
			got = append(got, s.Rules()[m.Rule].ID)
			if m.Start != 0 || m.End != len(text) {
				t.Errorf("%q: %v does not cover the text", text, m)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTheValuesOfAQueryAreReadOneByOne(t *testing.T) {
	s := mustCompile(t, structuredSample)
	for query, want := range map[string]int{
		"": 0, "q=hello&page=2": 0, "a=1&b=2;c=3": 0, "limit=100&order=asc": 0, "q=1%27+OR+%271%27%3D%271": 1, "file=..%2F": 1,
	} {
		ms, err := s.ScanQuery(nil, []byte(query))
		if err != nil || len(ms) != want {
			t.Errorf("%q: %v %v, want %d", query, ms, err, want)
		}
	}
}

func TestLinesAreReadOneByOne(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules")))
	ordinary := "text/html,application/xml;q=0.9,*/*;q=0.8\n\"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\n" +
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\na=b; _ga=GA1.2.3; s=a--b\nbytes=0-1023\n"
	for text, want := range map[string]int{"": 0, ordinary: 0, ordinary + "x' or '1'='1\n": 1} {
		if ms, err := s.ScanLines(nil, []byte(text)); err != nil || min(len(ms), 1) != want {
			t.Errorf("%q: %v %v", text, ms, err)
		}
	}
}

func TestOrdinaryFieldsCostNoAllocation(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules")))
	var ms []Match
	for _, text := range []string{"gpt-4o-mini-2024-07-18", `{"city": "New York, NY", "note": "it's for O'Hara & sons", "x": "a\nb%20c"}`, "report.pdf"} {
		b := []byte(text)
		if n := testing.AllocsPerRun(50, func() { ms, _ = s.Scan(ms[:0], b) }); n != 0 && !raceEnabled || len(ms) > 0 {
			t.Errorf("%s: %v allocations, %v", text, n, ms)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a": "b%27 or 1=1 &lt;b&gt;"}`)
	f.Add(`["\ud800%u0041\x41&#x41;"`)
	f.Add("%25252527&amp;amp;lt;")
	s := mustCompile(f, structuredSample)
	f.Fuzz(func(t *testing.T, text string) {
		before := text + ""
		if _, err := s.Scan(nil, []byte(text)); err != nil && len(text) < 1000 {
			t.Fatal(err)
		}
		if _, err := s.ScanQuery(nil, []byte(text)); err != nil && len(text) < 1000 {
			t.Fatal(err)
		}
		if u := unescape(nil, []byte(text)); len(u) > len(text) || text != before {
			t.Fatalf("%q became %q", text, u)
		}
	})
}
