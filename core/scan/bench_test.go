package scan

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// quiet is prose that wakes no rule, talk is what chats look like.
const (
	quiet = "Birds of many kinds live along our river. In winter few of them sing, but when snow melts, many return. "
	talk  = "Can you explain how to read a config with 12 keys? I set api_key from os.environ and call https://example.com/v1/chat, " +
		"then \"token\" is None on line 42.\n```go\nfunc main() { fmt.Println(\"a secret: \", x[0]) }\n```\n"
)

func fill(s string) []byte { return []byte(strings.Repeat(s, 2048/len(s)+1)[:2048]) }

func BenchmarkScan2KiB(b *testing.B) {
	text := builtin(b, "secrets.rules", "request.rules", "pii.rules", "prompt.rules", "hidden.rules")
	s := mustCompile(b, string(text))
	rules, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(17, 18))
	var all strings.Builder
	for all.Len() < 2048 {
		r := rules[rnd.IntN(len(rules))]
		all.WriteString(expand(b, rnd, r.Yes[0]) + " ")
	}
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"nothing", fill(quiet)}, {"chat", fill(talk)}, {"everything", []byte(all.String()[:2048])},
		{"hostile", fill("curl -u a:")}, {"hostile-keys", fill("sk-a\x00sk-_ghp_")}, {"hostile-digits", fill("1 2 MTz.")},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ms []Match
			b.SetBytes(2048)
			for b.Loop() {
				ms, _ = s.Scan(ms[:0], c.text)
			}
			b.ReportMetric(float64(len(ms)), "matches")
		})
	}
}

func BenchmarkDelta40(b *testing.B) {
	s := mustCompile(b, string(builtin(b, "secrets.rules", "answer.rules", "pii.rules", "output.rules")))
	for name, text := range map[string]string{"nothing": quiet, "chat": talk} {
		b.Run(name, func(b *testing.B) {
			parts := []string{}
			for at := 0; at+40 <= len(text); at += 40 {
				parts = append(parts, text[at:at+40])
			}
			st := s.NewStream()
			var ms []Match
			i := 0
			for b.Loop() {
				ms, _ = st.Write(ms[:0], []byte(parts[i%len(parts)]))
				i++
			}
		})
	}
}

func BenchmarkField(b *testing.B) {
	s := mustCompile(b, string(builtin(b, "structured.rules", "injection.rules", "fields.rules")))
	for name, text := range map[string]string{
		"model": "gpt-4o-mini-2024-07-18", "arguments": `{"city": "New York, NY", "unit": "celsius", "days": 5, "note": "it's for O'Hara & sons"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var ms []Match
			for b.Loop() {
				ms, _ = s.Scan(ms[:0], []byte(text))
			}
			if len(ms) > 0 {
				b.Fatal(ms)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, file := range []string{"secrets.rules", "prompt.rules", "pii.rules", "output.rules", "structured.rules", "injection.rules"} {
		text := builtin(b, file)
		b.Run(file, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewStream(b *testing.B) {
	s := mustCompile(b, string(builtin(b, "secrets.rules")))
	b.ReportAllocs()
	for b.Loop() {
		s.NewStream()
	}
}
