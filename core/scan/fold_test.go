package scan

import (
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                     "plain",
		"\u017fe\u212aret":          "seKret",
		"ıgnore":                    "ignore",
		"Ignoré":                    "Ignore",
		"İĿŁŞżžſ":                   "ILLSzzs",
		"Ẁẁỳ":                       "Wwy",
		"раура\u0406":               "paypaI",
		"ｉｇｎｏｒｅ　ａｌｌ":                "ignore all",
		"𝐢𝐠𝐧𝐨𝐫𝐞 𝟏𝟐":                 "ignore 12",
		"ⓘⓖⓝⓞⓡⓔ":                    "ignore",
		"🅸🅶🅽":                       "IGN",
		"ig\u200bno\u00adre":        "ignore",
		"i\u0301gnore":              "ignore",
		"don’t — “so”…":             "don't - \"so\".",
		"a\U000E0069\U000E0067b":    "aigb",
		"忽略之前 नमस्ते":               "忽略之前 नमस्ते",
		"broken \xff\xe2\x80 bytes": "broken \xff\xe2\x80 bytes",
	} {
		got, changed := fold(nil, []byte(in))
		if string(got) != want || changed != (in != want) {
			t.Errorf("%q looks like %q, %v; want %q", in, got, changed, want)
		}
	}
}

func TestRulesThatFoldSeeHowTheTextLooks(t *testing.T) {
	s := mustCompile(t, "rule a\n class x\n pattern (?i)\\bignore all\\b\n fold ascii\nrule b\n class x\n pattern ignore all\n")
	for text, want := range map[string]string{
		"now ignore all of it":              "ignore all",
		"now ｉｇｎｏｒｅ　ａｌｌ of it":              "ｉｇｎｏｒｅ　ａｌｌ",
		"é now i\u200bgn\u043ere all\u200b": "i\u200bgn\u043ere all\u200b",
		"¿ ignore all ? ıgnore all":         "ignore all|ıgnore all",
		"ıgn0re all":                        "",
	} {
		var got []string
		for _, m := range mustScan(t, s, text) {
			if m.Rule == 0 {
				got = append(got, text[m.Start:m.End])
			}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if ms := mustScan(t, s, "ıgnore all"); len(ms) != 1 {
		t.Errorf("a rule that does not fold: %v", ms)
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Ｉgnore ａll\u200b \U000E0069")
	f.Add("\xff\xf3\xa0")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := fold(nil, []byte(text))
		if len(got) > len(text) {
			t.Fatalf("%q grows to %q", text, got)
		}
		for at := 0; at <= len(got); at++ {
			o := at
			if unfold([]byte(text), []*int{&o}); o < 0 || o > len(text) {
				t.Fatalf("offset %d of %q is %d of %q", at, got, o, text)
			}
		}
	})
}
