package scan

import (
	"bytes"
	"unicode/utf8"
)

// entities are the named character references that attacks are written with.
var entities = []struct {
	name string
	char byte
}{
	{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}, {"colon", ':'}, {"tab", '\t'}, {"newline", '\n'},
	{"lpar", '('}, {"rpar", ')'}, {"sol", '/'}, {"num", '#'}, {"equals", '='}, {"semi", ';'}, {"grave", '`'}, {"nbsp", ' '},
}

// unescape appends v with one layer of %XX, %uXXXX, \xXX, \uXXXX and character references taken
// off. The result is never longer than what was read, so that dst may share its bytes.
func unescape(dst, v []byte) []byte {
	for i := 0; i < len(v); {
		var r rune
		n := 0
		switch v[i] {
		case '%', '\\':
			r, n = hexEscape(v[i:])
		case '&':
			r, n = reference(v[i:])
		}
		switch {
		case n == 0:
			dst = append(dst, v[i])
			i++
		case r < utf8.RuneSelf || n == 3:
			dst = append(dst, byte(r))
			i += n
		default:
			dst = utf8.AppendRune(dst, narrow(r))
			i += n
		}
	}
	return dst
}

// hexEscape reads %XX, %uXXXX, \xXX or \uXXXX and returns its width, or 0.
func hexEscape(v []byte) (rune, int) {
	if len(v) < 3 {
		return 0, 0
	}
	skip, digits := 2, 2
	switch {
	case v[1]|0x20 == 'u':
		digits = 4
	case v[0] == '%':
		skip = 1
	case v[1] != 'x':
		return 0, 0
	}
	if len(v) < skip+digits {
		return 0, 0
	}
	r := rune(0)
	for _, c := range v[skip : skip+digits] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, 0
		}
		r = r<<4 | d
	}
	return r, skip + digits
}

// reference reads &name; &#N; or &#xN; whose semicolon may be missing, and returns its width, or 0.
func reference(v []byte) (rune, int) {
	if len(v) < 3 {
		return 0, 0
	}
	if v[1] != '#' {
		for _, e := range entities {
			if n := 1 + len(e.name); len(v) > n && v[n] == ';' && bytes.EqualFold(v[1:n], []byte(e.name)) {
				return rune(e.char), n + 1
			}
		}
		return 0, 0
	}
	i, base := 2, rune(10)
	if v[2]|0x20 == 'x' {
		i, base = 3, 16
	}
	begin, r := i, rune(0)
	for ; i < len(v) && i < begin+8; i++ {
		d, ok := hexDigit(v[i])
		if !ok || d >= base {
			break
		}
		r = r*base + d
	}
	if i == begin || r > utf8.MaxRune || utf8.RuneLen(r) > i-1 {
		return 0, 0
	}
	if i < len(v) && v[i] == ';' {
		i++
	}
	return r, i
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c-'0' < 10:
		return rune(c - '0'), true
	case c|0x20-'a' < 6:
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}

// narrow maps the full-width forms of ASCII, with which escapes like to be written, to ASCII.
func narrow(r rune) rune {
	if r >= 0xFF01 && r <= 0xFF5E {
		return r - 0xFEE0
	}
	return r
}
