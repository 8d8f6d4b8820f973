package guard

import "strings"

// Properties of a byte.
const (
	isToken = 1 << iota // RFC 9110, 5.6.2
	isPath              // pchar without the percent sign: RFC 3986, 3.3
	isQuery             // any visible character but the number sign
	isHost              // of a registered name or an address
	isHex
)

var chars = table()

func table() (t [256]uint8) {
	mark := func(set string, property uint8) {
		for i := range len(set) {
			t[set[i]] |= property
		}
	}
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(alnum+"!#$%&'*+-.^_`|~", isToken)
	mark(alnum+"-._~!$&'()*+,;=:@/", isPath)
	mark(alnum+"-._", isHost)
	mark("0123456789abcdefABCDEF", isHex)
	for c := 0x21; c < 0x7f; c++ {
		if c != '#' {
			t[c] |= isQuery
		}
	}
	return t
}

// target reads a head's target: an absolute path, or a whole URI whose authority becomes Host until
// the Host field has confirmed it.
func target(h *Head) *Refusal {
	t := h.Target
	if t[0] != '/' {
		var ok bool
		if t, ok = cutScheme(t); !ok {
			return ErrTarget
		}
		slash := strings.IndexAny(t, "/?")
		if slash < 0 {
			slash = len(t)
		}
		if h.Host = t[:slash]; !validHost(h.Host) {
			return ErrHost
		}
		if t = t[slash:]; t == "" {
			h.Path = "/"
			return nil
		}
		if t[0] == '?' {
			return ErrTarget
		}
	}
	h.Path = t
	if q := strings.IndexByte(t, '?'); q >= 0 {
		h.Path, h.Query = t[:q], t[q+1:]
		for i := 0; i < len(h.Query); i++ {
			if chars[h.Query[i]]&isQuery == 0 {
				return ErrTarget
			}
		}
	}
	if !normalPath(h.Path) {
		return ErrTarget
	}
	return nil
}

func cutScheme(t string) (string, bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(t) > len(scheme) && strings.EqualFold(t[:len(scheme)], scheme) {
			return t[len(scheme):], true
		}
	}
	return t, false
}

// normalPath reports whether every reader splits and decodes the path alike: no empty segment, no
// dot segment, and nothing percent-encoded that need not be or that could become a separator, a dot
// or a control character.
func normalPath(p string) bool {
	start := 1 // of the current segment
	for i := 1; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '/':
			if i == start || dots(p[start:i]) {
				return false
			}
			start = i + 1
		case c == '%':
			if i+2 >= len(p) || chars[p[i+1]]&isHex == 0 || chars[p[i+2]]&isHex == 0 || !mayEncode(unhex(p[i+1])<<4|unhex(p[i+2])) {
				return false
			}
			i += 2
		case chars[c]&isPath == 0:
			return false
		}
	}
	return !dots(p[start:])
}

func dots(segment string) bool { return segment == "." || segment == ".." }

// mayEncode reports whether an encoded byte has a reason to be encoded and is harmless.
func mayEncode(c byte) bool {
	switch {
	case c < 0x20 || c == 0x7f, c == '/', c == '\\', c == '.':
		return false
	case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_', c == '~':
		return false // unreserved: encoding it makes a second name for the same path
	}
	return true
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// validHost reports whether s is a name or an address with an optional port, and nothing else.
func validHost(s string) bool {
	name, port := s, ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 3 {
			return false
		}
		for i := 1; i < end; i++ {
			if c := s[i]; chars[c]&isHex == 0 && c != ':' && c != '.' {
				return false
			}
		}
		name, port = "", s[end+1:]
	default:
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			name, port = s[:colon], s[colon:]
		}
		if name == "" || name[0] == '.' || len(name) > 255 || strings.Contains(name, "..") {
			return false
		}
	}
	for i := 0; i < len(name); i++ {
		if chars[name[i]]&isHost == 0 {
			return false
		}
	}
	return validPort(port)
}

// validPort reports whether s is empty or a colon and a number that is a port.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' || len(s) < 2 || len(s) > 6 {
		return false
	}
	n := 0
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n > 0 && n < 1<<16
}

func sameHost(a, b string) bool { return strings.EqualFold(a, b) }

// NormalHost makes a host's name of an authority: lower case, without port and trailing dot, an
// IPv6 address without its brackets. TLS and routing both use it, so that they never differ.
func NormalHost(authority string) string {
	s := authority
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 {
			return strings.ToLower(s[1:end])
		}
	}
	if colon := strings.LastIndexByte(s, ':'); colon >= 0 && strings.IndexByte(s, ':') == colon {
		s = s[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

// control reports whether s has a control character other than a tab. It looks at eight bytes at a
// time: the classical bit trick for "some byte is less than 0x20" and "some byte is 0x7f".
func control(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0 && controlByte(s[:8]) {
			return true
		}
		s = s[8:]
	}
	return controlByte(s)
}

func controlByte(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
