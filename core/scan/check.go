package scan

import (
	"bytes"
	"math"
)

// checks are the validators that rules name. Each sees a match without its tail and reports
// whether it may stand.
var checks = map[string]func([]byte) bool{
	"luhn":     luhn,
	"iban":     iban,
	"random":   random,
	"mixed":    mixed,
	"assigned": assigned,
	"aws":      awsID,
	"jwt":      jwt,
	"bearer":   bearer,
	"password": password,
	"email":    email,
	"domain":   domain,
	"ssn":      ssn,
	"ip":       ip,
	"ip6":      ip6,
	"phone":    phone,
	"said":     said,
	"tags":     tags,
	"carries":  carries,
}

// placeholders stand in values that only show where a secret goes.
var placeholders = [][]byte{
	[]byte("xxxx"), []byte("your-"), []byte("your_"), []byte("yourapi"), []byte("yourkey"), []byte("yourtoken"), []byte("example"), []byte("placeholder"), []byte("changeme"), []byte("insert"),
	[]byte("redacted"), []byte("dummy"), []byte("<"), []byte("${"), []byte("{{"), []byte("...."), []byte("****"),
}

// random accepts what looks generated: at least 2.6 bits of entropy per byte and no placeholder.
func random(m []byte) bool {
	return entropy(m) >= 2.6 && !placeholder(m)
}

// mixed is random for what holds a digit, or letters of both cases.
func mixed(m []byte) bool {
	upper, lower := false, false
	for _, c := range m {
		switch sortOf(c) {
		case sortDigit:
			upper, lower = true, true
		case sortUpper:
			upper = true
		case sortLower:
			lower = true
		}
	}
	return upper && lower && random(m)
}

// assigned judges the value of an assignment: letters and digits mixed as generated ones are.
func assigned(v []byte) bool {
	return entropy(v) >= 2.9 && !placeholder(v) && generated(bytes.TrimRight(v, "="))
}

// bearer judges the credential of an authorization header.
func bearer(v []byte) bool {
	for _, word := range [...]string{"token", "TOKEN", "Token", "api_key", "API_KEY", "api-key"} {
		if bytes.Contains(v, []byte(word)) {
			return false
		}
	}
	return random(v) && bytes.ContainsAny(v, "0123456789=ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// generated reports whether letters and digits alternate as they do in generated text and not in
// names, paths or words with a number at their end: at least three changes between letter and
// digit, or from lower to upper case, and more where there is no digit.
func generated(v []byte) bool {
	changes, digits := 0, 0
	for i := 1; i < len(v); i++ {
		a, b := sortOf(v[i-1]), sortOf(v[i])
		if b == sortDigit {
			digits++
		}
		if a != b && a != sortOther && b != sortOther && !(a == sortUpper && b == sortLower) {
			changes++
		}
	}
	return changes >= 3 && (digits > 0 || 4*changes >= len(v))
}

const (
	sortOther = iota
	sortDigit
	sortUpper
	sortLower
)

func sortOf(b byte) int {
	switch {
	case b-'0' < 10:
		return sortDigit
	case b-'A' < 26:
		return sortUpper
	case b-'a' < 26:
		return sortLower
	}
	return sortOther
}

// awsID refuses the ids of the vendor's documentation, which end in EXAMPLE.
func awsID(m []byte) bool {
	return !bytes.HasSuffix(m, []byte("EXAMPLE")) && entropy(m) >= 2.5
}

// password refuses the words that stand where a password goes.
func password(p []byte) bool {
	p = bytes.TrimRight(p, "@")
	var buf [MaxWindow]byte
	low := appendLower(buf[:0], p)
	for _, word := range [...]string{"passwd", "pass", "pwd", "secret", "user", "token", "pw"} {
		if string(low) == word {
			return false
		}
	}
	return !bytes.ContainsAny(p, "<>{}$*[%(") && !bytes.Contains(low, []byte("password")) && !placeholder(p)
}

// jwt accepts the encoded beginning of a JSON object that names an algorithm, a type or a key.
func jwt(m []byte) bool {
	var buf [MaxWindow]byte
	head := appendBase64(buf[:0], m)
	for _, name := range [...]string{`"alg"`, `"typ"`, `"kid"`, `"enc"`} {
		if bytes.Contains(head, []byte(name)) {
			return true
		}
	}
	return false
}

// appendBase64 appends what the leading base64url characters of m stand for.
func appendBase64(dst, m []byte) []byte {
	acc, bits := uint32(0), 0
	for _, c := range m {
		var v uint32
		switch {
		case c-'A' < 26:
			v = uint32(c - 'A')
		case c-'a' < 26:
			v = uint32(c-'a') + 26
		case c-'0' < 10:
			v = uint32(c-'0') + 52
		case c == '-' || c == '+':
			v = 62
		case c == '_' || c == '/':
			v = 63
		default:
			return dst
		}
		acc = acc<<6 | v
		if bits += 6; bits >= 8 {
			bits -= 8
			dst = append(dst, byte(acc>>bits))
		}
	}
	return dst
}

func placeholder(m []byte) bool {
	var buf [MaxWindow]byte
	low := appendLower(buf[:0], m)
	for _, p := range placeholders {
		if bytes.Contains(low, p) {
			return true
		}
	}
	return false
}

// entropy is Shannon's, in bits per byte, of at most MaxWindow bytes.
func entropy(m []byte) float64 {
	if len(m) == 0 || len(m) > MaxWindow {
		return 0
	}
	var n [256]uint16
	for _, b := range m {
		n[b]++
	}
	sum := 0.0
	for _, b := range m {
		sum += log2[n[b]]
	}
	return log2[len(m)] - sum/float64(len(m))
}

var log2 = func() (t [MaxWindow + 1]float64) {
	for i := 1; i < len(t); i++ {
		t[i] = math.Log2(float64(i))
	}
	return t
}()

func appendLower(dst, m []byte) []byte {
	for _, c := range m {
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
