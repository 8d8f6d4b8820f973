package filter

import (
	"strconv"
	"unicode/utf8"
)

// Value is a JSON value as it was written; the zero Value stands for one that is absent. Its
// methods never fail: they give the default for what is absent or of another kind, because the
// host has checked a config against the manifest's schema before the guest sees it.
type Value struct{ raw []byte }

// Parse checks that b is one JSON value (RFC 8259) and returns it. It keeps b.
func Parse(b []byte) (Value, error) {
	i, ok := skipValue(b, skipSpace(b, 0), 0)
	if !ok || skipSpace(b, i) != len(b) {
		return Value{}, Error(-3)
	}
	return Value{b[skipSpace(b, 0):i]}, nil
}

// Raw returns the value as it was written.
func (v Value) Raw() []byte { return v.raw }

// Exists reports whether the value is there and not null.
func (v Value) Exists() bool { return len(v.raw) > 0 && v.raw[0] != 'n' }

// Get returns the last member of that name of an object.
func (v Value) Get(name string) Value {
	var found Value
	v.Members(func(key string, member Value) bool {
		if key == name {
			found = member
		}
		return true
	})
	return found
}

// Members calls yield with each member of an object until it returns false.
func (v Value) Members(yield func(key string, member Value) bool) {
	v.each('{', func(key, item Value) bool { return yield(key.String(""), item) })
}

// Items calls yield with each item of an array until it returns false.
func (v Value) Items(yield func(item Value) bool) {
	v.each('[', func(_, item Value) bool { return yield(item) })
}

// Strings returns the strings of an array.
func (v Value) Strings() []string {
	var all []string
	v.Items(func(item Value) bool {
		all = append(all, item.String(""))
		return true
	})
	return all
}

// String returns the decoded text of a string.
func (v Value) String(absent string) string {
	if len(v.raw) < 2 || v.raw[0] != '"' {
		return absent
	}
	return unquote(v.raw[1 : len(v.raw)-1])
}

// Int returns a number without a fraction.
func (v Value) Int(absent int64) int64 {
	if n, err := strconv.ParseInt(string(v.raw), 10, 64); err == nil {
		return n
	}
	return absent
}

// Float returns a number.
func (v Value) Float(absent float64) float64 {
	if n, err := strconv.ParseFloat(string(v.raw), 64); err == nil {
		return n
	}
	return absent
}

// Bool returns a boolean.
func (v Value) Bool(absent bool) bool {
	switch string(v.raw) {
	case "true":
		return true
	case "false":
		return false
	}
	return absent
}

// each walks an object or an array that was checked.
func (v Value) each(open byte, yield func(key, item Value) bool) {
	b := v.raw
	if len(b) == 0 || b[0] != open {
		return
	}
	for i := skipSpace(b, 1); i < len(b)-1; {
		var key Value
		if open == '{' {
			end, _ := skipString(b, i)
			key = Value{b[i:end]}
			i = skipSpace(b, skipSpace(b, end)+1)
		}
		end, ok := skipValue(b, i, 0)
		if !ok || !yield(key, Value{b[i:end]}) {
			return
		}
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
}

// maxDepth bounds the nesting that Parse accepts.
const maxDepth = 64

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value at i.
func skipValue(b []byte, i, depth int) (int, bool) {
	if i >= len(b) || depth > maxDepth {
		return i, false
	}
	switch b[i] {
	case '{', '[':
		return skipComposite(b, i, depth)
	case '"':
		return skipString(b, i)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipComposite(b []byte, i, depth int) (int, bool) {
	object, end := b[i] == '{', b[i]+2 // the closing bracket of both stands two further
	if i = skipSpace(b, i+1); i < len(b) && b[i] == end {
		return i + 1, true
	}
	for {
		var ok bool
		if object {
			if i, ok = skipString(b, i); !ok {
				return i, false
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return i, false
			}
			i = skipSpace(b, i+1)
		}
		if i, ok = skipValue(b, i, depth+1); !ok {
			return i, false
		}
		if i = skipSpace(b, i); i >= len(b) {
			return i, false
		}
		if b[i] == end {
			return i + 1, true
		}
		if b[i] != ',' {
			return i, false
		}
		i = skipSpace(b, i+1)
	}
}

func skipString(b []byte, i int) (int, bool) {
	if i >= len(b) || b[i] != '"' {
		return i, false
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, true
		case c < 0x20:
			return i, false
		case c == '\\':
			if i++; i >= len(b) {
				return i, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b, i+1); !ok {
					return i, false
				}
				i += 4
			default:
				return i, false
			}
		}
	}
	return i, false
}

func skipWord(b []byte, i int, word string) (int, bool) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, false
	}
	return i + len(word), true
}

func skipNumber(b []byte, i int) (int, bool) {
	digits := func() bool {
		start := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

func hex4(b []byte, i int) (rune, bool) {
	if len(b)-i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unquote decodes the content of a string that was checked.
func unquote(b []byte) string {
	plain := true
	for _, c := range b {
		plain = plain && c != '\\'
	}
	if plain {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		switch c := b[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, _ := hex4(b, i+1)
			i += 4
			if low, ok := lowSurrogate(b, i+1); ok && 0xd800 <= r && r < 0xdc00 {
				r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
				i += 6
			}
			out = utf8.AppendRune(out, r) // U+FFFD for a lone surrogate
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// lowSurrogate returns the second half of a pair that is escaped at i.
func lowSurrogate(b []byte, i int) (rune, bool) {
	if len(b)-i < 6 || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	r, ok := hex4(b, i+2)
	return r, ok && 0xdc00 <= r && r < 0xe000
}
