package filter

import (
	"encoding/json"
	"testing"
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
