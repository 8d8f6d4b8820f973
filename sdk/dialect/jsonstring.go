package dialect

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendUnquoted appends the text that the raw content of a JSON string (RFC 8259, section 7,
// without its quotes) stands for. A lone surrogate becomes U+FFFD, a byte that is no UTF-8 stays; raw
// must have passed the span reader, so an escape is never cut short.
func AppendUnquoted(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		r, n := unescape(raw[i:])
		dst = utf8.AppendRune(dst, r)
		raw = raw[i+n:]
	}
	return dst
}

// Escaped reports whether the raw content of a JSON string differs from the text it stands for.
func Escaped(raw []byte) bool { return bytes.IndexByte(raw, '\\') >= 0 }

// RawOffset returns where in the raw content of a JSON string the byte at offset n of its text
// begins. An offset inside a character that is written as an escape gives the escape's beginning;
// one past the end gives len(raw).
func RawOffset(raw []byte, n int) int {
	text := 0
	for i := 0; i < len(raw); {
		size, width := 1, 1
		if raw[i] == '\\' {
			var r rune
			r, width = unescape(raw[i:])
			size = utf8.RuneLen(r)
		}
		if text+size > n {
			return i
		}
		text += size
		i += width
	}
	return len(raw)
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends text as the content of a JSON string, without quotes: control characters,
// the quote and the backslash are escaped, bytes that are no UTF-8 become U+FFFD.
func AppendQuoted(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, text[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(dst, text[start:]...)
}

// unescape decodes the escape at the beginning of raw and returns its width.
func unescape(raw []byte) (rune, int) {
	if len(raw) < 2 {
		return utf8.RuneError, len(raw)
	}
	switch raw[1] {
	case 'n':
		return '\n', 2
	case 't':
		return '\t', 2
	case 'r':
		return '\r', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		r, ok := hex4(raw[2:])
		if !ok {
			return utf8.RuneError, min(len(raw), 6)
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
			if low, ok := hex4(raw[8:]); ok {
				if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
					return full, 12
				}
			}
		}
		return utf8.RuneError, 6
	}
	return rune(raw[1]), 2 // quote, backslash, slash
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
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
