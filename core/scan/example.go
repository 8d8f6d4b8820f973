package scan

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	digits = "0123456789"
	lowers = "abcdefghijklmnopqrstuvwxyz"
	uppers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// alphabets are the kinds of placeholder in examples: {hex:32} stands for 32 random characters.
var alphabets = map[string]string{
	"digits": digits, "lower": lowers, "alpha": lowers + uppers, "alnum": lowers + uppers + digits, "lowernum": lowers + digits,
	"upper": uppers + digits, "hex": digits + "abcdef", "base32": uppers + "234567", "b64": lowers + uppers + digits + "+/",
	"b64u": lowers + uppers + digits + "-_",
}

// Expand returns an example with random values in the place of its placeholders: {hex:32} and the
// other alphabets, {jwt}, {snowflake}, {card}, {iban}, {ssn}, {ipv4}. \n stands for a line feed, \r
// for a carriage return, \u{202E} for a code point and \\ for a backslash.
func Expand(rnd *rand.Rand, example string) string {
	var b strings.Builder
	for i := 0; i < len(example); i++ {
		rest := example[i:]
		end := strings.IndexByte(rest, '}')
		switch {
		case strings.HasPrefix(rest, `\\`):
			b.WriteByte('\\')
			i++
		case strings.HasPrefix(rest, `\n`):
			b.WriteByte('\n')
			i++
		case strings.HasPrefix(rest, `\r`):
			b.WriteByte('\r')
			i++
		case strings.HasPrefix(rest, `\u{`) && end > 0:
			r, _ := strconv.ParseUint(rest[3:end], 16, 21)
			b.WriteRune(rune(r))
			i += end
		case rest[0] == '{' && end > 0:
			v, ok := generate(rnd, rest[1:end])
			if !ok {
				b.WriteByte('{')
				continue
			}
			b.WriteString(v)
			i += end
		default:
			b.WriteByte(rest[0])
		}
	}
	return b.String()
}

func draw(rnd *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rnd.IntN(len(alphabet))]
	}
	return string(b)
}

// generate makes the value of one placeholder.
func generate(rnd *rand.Rand, placeholder string) (string, bool) {
	raw := base64.RawURLEncoding
	switch placeholder {
	case "jwt":
		return raw.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
			raw.EncodeToString([]byte(`{"sub":"`+draw(rnd, digits, 12)+`","iat":17`+draw(rnd, digits, 8)+`}`)) + "." +
			draw(rnd, alphabets["b64u"], 43), true
	case "snowflake":
		return raw.EncodeToString([]byte(draw(rnd, digits, 18))), true
	case "card":
		return card(rnd), true
	case "iban":
		return ibanOf(rnd), true
	case "ssn":
		return fmt.Sprintf("%03d-%02d-%04d", 100+rnd.IntN(500), 1+rnd.IntN(99), 1+rnd.IntN(9999)), true
	case "ipv4":
		return fmt.Sprintf("%d.%d.%d.%d", 11+rnd.IntN(80), rnd.IntN(256), rnd.IntN(256), 1+rnd.IntN(254)), true
	}
	kind, count, _ := strings.Cut(placeholder, ":")
	n, err := strconv.Atoi(count)
	if err != nil || alphabets[kind] == "" || n < 1 || n > maxExample {
		return "", false
	}
	return draw(rnd, alphabets[kind], n), true
}

// maxExample bounds one placeholder's value.
const maxExample = 4096

// card draws a number that the check luhn accepts.
func card(rnd *rand.Rand) string {
	kinds := [...]struct {
		prefix string
		length int
	}{{"4", 16}, {"4", 13}, {"51", 16}, {"55", 16}, {"2221", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"3528", 16}, {"36", 14}, {"4", 19}}
	k := kinds[rnd.IntN(len(kinds))]
	n := k.prefix + draw(rnd, digits, k.length-len(k.prefix)-1)
	for c := range digits {
		if luhn([]byte(n + digits[c:c+1])) {
			return n + digits[c:c+1]
		}
	}
	return card(rnd) // no digit makes one of a kind of equal digits
}

// ibanOf draws an IBAN that the check iban accepts.
func ibanOf(rnd *rand.Rand) string {
	codes := [...]string{"DE", "GB", "FR", "ES", "IT", "NL", "SE", "PL", "CH", "AT", "BE", "PT"}
	country := codes[rnd.IntN(len(codes))]
	account := draw(rnd, digits, ibanLen[[2]byte{country[0], country[1]}]-4)
	for n := 2; n < 99; n++ {
		if v := fmt.Sprintf("%s%02d%s", country, n, account); iban([]byte(v)) {
			return v
		}
	}
	return ibanOf(rnd)
}

// try runs the examples of the rules: the rules file is wrong where one does not do what it shall.
func (s *Set) try(rules []Rule) error {
	rnd := rand.New(rand.NewPCG(1, 1))
	var errs []error
	for i, r := range rules {
		for _, example := range r.Yes {
			if !s.matches(int32(i), Expand(rnd, example)) {
				errs = append(errs, &LineError{r.Line, fmt.Errorf("rule %s misses its example %q", r.ID, example)})
			}
		}
		for _, example := range r.No {
			if s.matches(int32(i), Expand(rnd, example)) {
				errs = append(errs, &LineError{r.Line, fmt.Errorf("rule %s matches %q, which it must not", r.ID, example)})
			}
		}
	}
	return errors.Join(errs...)
}

// matches reports whether a rule matches a text.
func (s *Set) matches(rule int32, text string) bool {
	ms, err := s.Scan(nil, []byte(text))
	for _, m := range ms {
		if m.Rule == rule {
			return true
		}
	}
	return err != nil
}
