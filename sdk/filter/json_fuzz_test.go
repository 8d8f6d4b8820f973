package filter

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9"],"b":null}`, `[]`, `{}`, `"\ud800"`, `-0`, `[[[[]]]]`, `{"a":{"a":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is no JSON", b)
		}
		walk(v, 0)
	})
}

func walk(v Value, depth int) {
	_, _, _ = v.String(""), v.Int(0), v.Float(0)
	v.Items(func(i Value) bool { walk(i, depth+1); return true })
	v.Members(func(_ string, i Value) bool { walk(i, depth+1); return true })
}

// FuzzAppendJSON: what is written is read back, but for what is no UTF-8.
func FuzzAppendJSON(f *testing.F) {
	f.Add("a \"word\" \\ \n\t\x00\x1f\u2028 \U0001f600 \xff")
	f.Fuzz(func(t *testing.T, text string) {
		b := AppendJSON(nil, text)
		v, err := Parse(b)
		if want := strings.ToValidUTF8(text, "\ufffd"); utf8.ValidString(text) && (err != nil || v.String("none") != want) || !json.Valid(b) {
			t.Errorf("%q is written %s: %v", text, b, err)
		}
	})
}
