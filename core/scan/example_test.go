package scan

import (
	"encoding/base64"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
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

func draw(rnd *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rnd.IntN(len(alphabet))]
	}
	return string(b)
}

// expand replaces the placeholders of an example by random values; \n stands for a line feed and
// \\ for a backslash.
func expand(t testing.TB, rnd *rand.Rand, example string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(example); i++ {
		switch {
		case strings.HasPrefix(example[i:], `\\`):
			b.WriteByte('\\')
			i++
		case strings.HasPrefix(example[i:], `\n`):
			b.WriteByte('\n')
			i++
		case example[i] == '{' && strings.IndexByte(example[i:], '}') > 0:
			end := i + strings.IndexByte(example[i:], '}')
			v, ok := generate(rnd, example[i+1:end])
			if !ok {
				b.WriteByte('{')
				continue
			}
			b.WriteString(v)
			i = end
		default:
			b.WriteByte(example[i])
		}
	}
	return b.String()
}

func generate(rnd *rand.Rand, placeholder string) (string, bool) {
	raw := base64.RawURLEncoding
	switch placeholder {
	case "jwt":
		return raw.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
			raw.EncodeToString([]byte(`{"sub":"`+draw(rnd, digits, 12)+`","iat":17`+draw(rnd, digits, 8)+`}`)) + "." +
			draw(rnd, alphabets["b64u"], 43), true
	case "snowflake":
		return raw.EncodeToString([]byte(draw(rnd, digits, 18))), true
	}
	kind, count, _ := strings.Cut(placeholder, ":")
	n, err := strconv.Atoi(count)
	if err != nil || alphabets[kind] == "" {
		return "", false
	}
	return draw(rnd, alphabets[kind], n), true
}
