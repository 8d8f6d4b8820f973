package dialect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

var stringSeeds = []string{
	``, `plain`, `a\nb\tc\"d\\e\/f\b\f\r`, `\u0041\u00e9\u20ac\ud83d\ude00`, `\ud83d`, `\ude00x`, `\ud83d\u0041`, `\ud83d\ud83d\ude00`, `é€😀`, `tail\\`,
}

func TestUnquotedIsWhatTheStandardLibraryDecodes(t *testing.T) {
	for _, raw := range stringSeeds {
		var want string
		if err := json.Unmarshal([]byte(`"`+raw+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if got := AppendUnquoted([]byte("x"), []byte(raw)); string(got) != "x"+want {
			t.Errorf("%s: %q, want %q", raw, got[1:], want)
		}
	}
}

func TestQuotedDecodesToItself(t *testing.T) {
	for _, text := range []string{"", "plain", "\"\\/\n\r\t\b\f\x00\x1f\x7f", "é€😀\u2028", "bad\xff\xc3utf8\xe2\x82"} {
		raw := AppendQuoted(nil, []byte(text))
		var got string
		if err := json.Unmarshal([]byte(`"`+string(raw)+`"`), &got); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		var want strings.Builder // the standard library replaces each byte that is no UTF-8
		for _, r := range text {
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Errorf("%q: %q, want %q", text, got, want.String())
		}
	}
}

func checkOffsets(t *testing.T, raw []byte) {
	text := AppendUnquoted(nil, raw)
	last := 0
	for n := 0; n <= len(text); n++ {
		at := RawOffset(raw, n)
		if at < last || at > len(raw) {
			t.Fatalf("%q: offset %d of the text is %d, after %d", raw, n, at, last)
		}
		last = at
		head := AppendUnquoted(nil, raw[:at])
		if len(head) > n || !bytes.HasPrefix(text, head) {
			t.Fatalf("%q: %q stands before offset %d of %q", raw, head, n, text)
		}
		if n == len(text) && at != len(raw) {
			t.Fatalf("%q: the end is at %d", raw, at)
		}
		if utf8.Valid(raw) && n < len(text) && utf8.RuneStart(text[n]) && len(head) != n {
			t.Fatalf("%q: %d bytes stand before offset %d", raw, len(head), n)
		}
	}
}

func TestRawOffsetCountsTheText(t *testing.T) {
	for _, raw := range stringSeeds {
		checkOffsets(t, []byte(raw))
	}
}

func FuzzJSONString(f *testing.F) {
	for _, s := range stringSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got string
		quoted := AppendQuoted(nil, data)
		if err := json.Unmarshal([]byte(`"`+string(quoted)+`"`), &got); err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		if utf8.Valid(data) && got != string(data) {
			t.Fatalf("%q became %q", data, got)
		}
		whole := []byte(`"` + string(data) + `"`)
		r := NewReader(whole)
		if s, ok := r.String(); !ok || r.End() != nil || s.Len() != len(data) {
			return
		}
		if err := json.Unmarshal(whole, &got); err != nil {
			t.Fatal(err)
		}
		if text := AppendUnquoted(nil, data); utf8.Valid(data) && string(text) != got {
			t.Fatalf("%q: %q, want %q", data, text, got)
		}
		if len(data) < 1024 {
			checkOffsets(t, data)
		}
	})
}
