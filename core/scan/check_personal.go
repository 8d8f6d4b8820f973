package scan

import (
	"bytes"
	"net/netip"
)

// email leaves alone the domains that RFC 2606 keeps for examples, and remotes of version control.
func email(m []byte) bool {
	at := bytes.IndexByte(m, '@')
	name := m[:at]
	return domain(m[at:]) && name[len(name)-1] != '.' && string(name) != "git"
}

// domain is email for what follows the name.
func domain(m []byte) bool {
	var buf [MaxWindow]byte
	low := appendLower(buf[:0], m[1:])
	for _, d := range [...]string{"example.com", "example.org", "example.net", "example.edu", "test.com", "email.com", "domain.com", "yourdomain.com", "company.com"} {
		if string(low) == d {
			return false
		}
	}
	for _, d := range [...]string{".example", ".test", ".invalid", ".localhost", ".png", ".jpg", ".js", ".py", ".md"} {
		if bytes.HasSuffix(low, []byte(d)) {
			return false
		}
	}
	return true
}

// ssn asks for the same mark twice, and leaves numbers alone that the Social Security Administration
// never gave out or that advertisements made known.
func ssn(m []byte) bool {
	if len(m) != 11 || m[3] != m[6] {
		return false
	}
	return string(m) != "078-05-1120" && string(m) != "219-09-9999" && string(m) != "123-45-6789"
}

// ip accepts an address of a host in the Internet: no private, loopback or documentation one, and
// none that stands as an example in everybody's manual.
func ip(m []byte) bool {
	switch string(m) {
	case "1.2.3.4", "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "4.4.4.4", "2.2.2.2", "3.3.3.3", "5.5.5.5":
		return false
	}
	a, err := netip.ParseAddr(string(m))
	if err != nil || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	b := a.As4()
	documents := b[0] == 192 && b[1] == 0 && b[2] <= 2 || b[0] == 198 && b[1] == 51 && b[2] == 100 || b[0] == 203 && b[1] == 0 && b[2] == 113
	// four small numbers are a version
	small := b[0] < 20 && b[1] < 20 && b[2] < 20 && b[3] < 20
	return b[0] != 0 && b[0] < 240 && !documents && !small && !(b[2] == 0 && b[3] == 0)
}

// ip6 is ip for the sixth version.
func ip6(m []byte) bool {
	a, err := netip.ParseAddr(string(m))
	return err == nil && a.Is6() && a.IsGlobalUnicast() && !a.IsPrivate() && !bytes.HasPrefix(m, []byte("2001:db8")) && !bytes.HasPrefix(m, []byte("2001:DB8"))
}

// said judges a number that a word announced: enough digits for a telephone, not all the same.
func said(m []byte) bool {
	var buf [MaxWindow]byte
	d := onlyDigits(buf[:0], m)
	return len(d) >= 6 && len(d) <= 15 && !sameDigits(d) && !isDate(m)
}

// phone judges what is formed like a telephone number: it refuses dates, versions, counts with
// separators, plain numbers and ranges.
func phone(m []byte) bool {
	for len(m) > 0 && m[0] == ' ' {
		m = m[1:]
	}
	var buf [MaxWindow]byte
	number := m
	if i := bytes.IndexAny(m, "xe"); i > 0 { // an extension
		number = bytes.TrimRight(m[:i], " ")
	}
	if number[0] == '(' && bytes.IndexByte(number, ')') < 0 {
		number = number[1:] // of the sentence
	}
	d := onlyDigits(buf[:0], number)
	if len(d) < 7 || len(d) > 15 || sameDigits(d) || unbalanced(number) || isDate(number) {
		return false
	}
	var groups [12]int
	n, seps, mixed := 0, byte(0), false
	for i := range number {
		c := number[i]
		switch {
		case c-'0' < 10:
			if i == 0 || number[i-1]-'0' >= 10 {
				if n == len(groups) {
					return false
				}
				n++
			}
			groups[n-1]++
		case c == '.' || c == '/' || c == '-' || c == ' ':
			mixed = mixed || seps != 0 && seps != c
			seps = c
		}
	}
	return formed(number, d, groups[:n], seps, mixed)
}

// formed reports whether the groups of digits d are those of a telephone number.
func formed(m, d []byte, groups []int, sep byte, mixed bool) bool {
	international, parens := m[0] == '+', bytes.IndexByte(m, '(') >= 0
	first := groups[0]
	switch {
	case international:
		return len(d) >= 8
	case bytes.IndexByte(m, '/') >= 0:
		return !bytes.Contains(m, []byte("/19")) && !bytes.Contains(m, []byte("/20")) && (parens || d[0] == '0' && len(groups) <= 3 && len(d) >= 8 && len(d) <= 12)
	case sep == 0 && !parens:
		// digits alone: national with its trunk prefix, or a double zero
		return bytes.HasPrefix(d, []byte("00")) && d[2] != '0' && len(d) >= 11 || d[0] == '0' && d[1] != '0' && len(d) >= 10 && len(d) <= 11
	case parens:
		return len(d) >= 7
	}
	northAmerican := len(groups) == 3 && first == 3 && groups[1] == 3 && groups[2] == 4 && d[0] > '1' ||
		len(groups) == 4 && first == 1 && groups[1] == 3 && groups[2] == 3 && groups[3] == 4 && d[0] == '1'
	if northAmerican {
		return true
	}
	dots := bytes.IndexByte(m, '.') >= 0
	if dots && mixed { // the numbers of a drawing
		return false
	}
	if bytes.HasPrefix(d, []byte("00")) && len(d) >= 10 {
		return d[2] != '0'
	}
	for _, g := range groups[1:] {
		if g < 2 {
			return false
		}
	}
	if dots && len(groups) < 4 {
		return false
	}
	// a trunk prefix and two groups or more, as in 0171 234567 or 04 12 34 56 78
	return d[0] == '0' && d[1] != '0' && len(d) >= 9 && len(d) <= 12 && len(groups) <= 5 && first >= 2
}

func onlyDigits(dst, m []byte) []byte {
	for _, c := range m {
		if c-'0' < 10 {
			dst = append(dst, c)
		}
	}
	return dst
}

func sameDigits(d []byte) bool { return bytes.Count(d, d[:1]) == len(d) }

func unbalanced(m []byte) bool { return bytes.Count(m, []byte("(")) != bytes.Count(m, []byte(")")) }

// isDate reports whether m reads as a year, a month and a day in some order.
func isDate(m []byte) bool {
	if len(m) < 8 || len(m) > 10 {
		return false
	}
	parts := bytes.FieldsFunc(m, func(r rune) bool { return r == '-' || r == '/' || r == '.' || r == ' ' })
	if len(parts) != 3 || len(parts[1]) > 2 {
		return false
	}
	year := parts[2]
	if len(parts[0]) == 4 {
		year = parts[0]
	}
	return len(year) == 4 && (year[0] == '1' && year[1] == '9' || year[0] == '2' && year[1] == '0') || len(year) == 2 && len(m) == 8
}

// tags leaves the flags of regions alone: at most six tags and the one that ends them.
func tags(m []byte) bool {
	return len(m) > 4*7 || !bytes.HasSuffix(m, []byte("\U000E007F"))
}

// carries reports whether the last part of a URL looks like data rather than words.
func carries(m []byte) bool {
	if i := bytes.LastIndexAny(m, "=/"); i >= 0 {
		for i > 0 && i >= len(m)-2 { // the padding of base64
			m = m[:i]
			i = bytes.LastIndexAny(m, "=/")
		}
		m = m[i+1:]
	}
	m = m[max(0, len(m)-MaxWindow):]
	return entropy(m) >= 3.4 && generated(m) || bytes.Count(m, []byte("%")) >= 6
}
