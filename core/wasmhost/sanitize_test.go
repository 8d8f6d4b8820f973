package wasmhost

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/scan"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func random(rnd *rand.Rand, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rnd.IntN(len(alphabet))]
	}
	return string(b)
}

// secretKinds make secrets that the filter knows, and say what becomes of them.
var secretKinds = []struct{ before, prefix, placeholder string }{
	{"", "sk-proj-", "[REDACTED:openai_key]"},
	{"", "ghp_", "[REDACTED:github_token]"},
	{"api_key = ", "", "[REDACTED:secret_assignment]"},
	{"", "glpat-", "[REDACTED:gitlab_token]"},
	{"-----BEGIN PRIVATE KEY-----\n", "", "[REDACTED:private_key]"},
}

var chatter = []string{"Here is a key: ", " and ", "\nthen s", "k", " tokens are 12, ", " — é ü ", "sk", "-", " the answer\n", "g", "gh", "x = [1, 2]; ", "secret ", "api_key ", "= "}

// chatWith returns a text with secrets, what it shall become, and the secrets.
func chatWith(rnd *rand.Rand) (text, want string, secrets []string) {
	var in, out strings.Builder
	for range 1 + rnd.IntN(6) {
		for range rnd.IntN(6) {
			c := chatter[rnd.IntN(len(chatter))]
			in.WriteString(c)
			out.WriteString(c)
		}
		k := secretKinds[rnd.IntN(len(secretKinds))]
		n := 40 + rnd.IntN(30)
		if rnd.IntN(4) == 0 && k.prefix != "" {
			n = 300 + rnd.IntN(900) // far longer than a window
		}
		s := k.prefix + random(rnd, n)
		secrets = append(secrets, s)
		end := " ."
		if k.placeholder == "[REDACTED:private_key]" {
			end = ""
			s += "\n" + random(rnd, 64) + "\n-----END PRIVATE KEY-----"
		}
		in.WriteString(" " + k.before + s + end)
		out.WriteString(" " + k.before + k.placeholder + end)
	}
	return in.String(), out.String(), secrets
}

// escaped writes a text as the content of a JSON string, some of it as \u escapes.
func escaped(rnd *rand.Rand, text string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 && rnd.IntN(6) == 0 {
			b.WriteString("\\u00" + string(hex[r>>4]) + string(hex[r&15]))
			continue
		}
		b.Write(dialect.AppendQuoted(nil, []byte(string(r))))
	}
	return b.String()
}

func unescaped(text string) string { return string(dialect.AppendUnquoted(nil, []byte(text))) }

// cutRunes cuts a text at random, between two characters.
func cutRunes(rnd *rand.Rand, text string, most int) (parts []string) {
	runes := []rune(text)
	for len(runes) > 0 {
		n := 1 + rnd.IntN(min(len(runes), most))
		parts, runes = append(parts, string(runes[:n])), runes[n:]
	}
	return parts
}

func TestSanitizeRedactsAStreamHoweverItIsCut(t *testing.T) {
	f := newBuiltin(t, "sanitize", Spec{})
	for seed := range uint64(80) {
		rnd := rand.New(rand.NewPCG(seed, 21))
		text, want, secrets := chatWith(rnd)
		var parts []string
		for _, p := range cutRunes(rnd, text, 1+int(seed)/2) {
			parts = append(parts, escaped(rnd, p))
		}
		raw, v := stream(t, f, newExchange(""), parts)
		got := unescaped(raw)
		for _, s := range secrets {
			if strings.Contains(got, s[len(s)-12:]) || strings.Contains(got, s[8:20]) {
				t.Fatalf("%q leaks %q:\n%q", parts, s, got)
			}
		}
		if got != want || v.Action != exchange.Continue {
			t.Fatalf("%q becomes\n%q, want\n%q", parts, got, want)
		}
	}
}

func TestSanitizeRedactsARequest(t *testing.T) {
	f := newBuiltin(t, "sanitize", Spec{})
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 22))
		text, want, _ := chatWith(rnd)
		x := newExchange("")
		x.Request.Body = bodyOf(`{"messages":[{"content":"«` + escaped(rnd, text) + `»"}]}`)
		if v := run(t, f, exchange.PhaseRequestText, x); v.Action != exchange.Continue {
			t.Fatalf("%+v", v)
		}
		if got := string(x.Request.Body.Text(0).Value()); got != want {
			t.Fatalf("%q becomes\n%q, want\n%q", text, got, want)
		}
		if len(x.Notes) != 1 || !strings.HasPrefix(x.Notes[0].Value, "redact ") {
			t.Errorf("notes %v", x.Notes)
		}
	}
}

// What a request's placeholders stand for comes back in the answer, however it is cut, and to nobody
// else.
func TestSanitizeRestoresWhatItTookOut(t *testing.T) {
	f := newBuiltin(t, "sanitize", Spec{Config: []byte(`{"restore":true}`)})
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 25))
		address, token := "ann.b@"+strings.ToLower(random(rnd, 9))+".io", "ghp_"+random(rnd, 36)
		x := newExchange("")
		x.Request.Body = bodyOf(`{"messages":[{"content":"«write to ` + address + ` about ` + token + `, ` + address + `»"}]}`)
		if v := run(t, f, exchange.PhaseRequestText, x); v.Action != exchange.Continue {
			t.Fatalf("%+v", v)
		}
		if got := string(x.Request.Body.Text(0).Value()); got != "write to [REDACTED:email:1] about [REDACTED:github_token:2], [REDACTED:email:1]" {
			t.Fatalf("%q", got)
		}
		answer := "Dear [REDACTED:email:1], [REDACTED:github_token:2] and [REDACTED:email:7] or [REDACTED: so"
		want := "Dear " + address + ", " + token + " and [REDACTED:email:7] or [REDACTED: so"
		if got, _ := stream(t, f, x, cutRunes(rnd, answer, 1+int(seed))); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		if got, _ := stream(t, f, newExchange(""), cutRunes(rnd, answer, 9)); got != answer {
			t.Fatalf("another exchange: %q", got)
		}
	}
}

func TestSanitizeDeniesAttacksInFieldsNotInMessages(t *testing.T) {
	f := newBuiltin(t, "sanitize", Spec{})
	attack := `x' OR '1'='1`
	for name, c := range map[string]struct {
		phase exchange.Phase
		class string
		edit  func(*exchange.Exchange)
	}{
		"message":   {exchange.PhaseRequestText, "", func(x *exchange.Exchange) { x.Request.Body = bodyOf("«" + attack + "»") }},
		"query":     {exchange.PhaseRequestHead, "sqli", func(x *exchange.Exchange) { x.Query = "a=b&q=x%27+OR+%271%27%3D%271" }},
		"header":    {exchange.PhaseRequestHead, "xss", func(x *exchange.Exchange) { x.Request.Header.Set("x-title", "<script>alert(1)</script>") }},
		"path":      {exchange.PhaseRequestHead, "xss", func(x *exchange.Exchange) { x.Path = "/v1/<svg/onload=alert(1)>" }},
		"model":     {exchange.PhaseRequestText, "sqli", func(x *exchange.Exchange) { x.Model = attack }},
		"unseen":    {exchange.PhaseRequestText, "unseen", func(x *exchange.Exchange) { x.Unseen = "previous_response_id" }},
		"arguments": {exchange.PhaseRequestText, "sqli", func(x *exchange.Exchange) { x.Request.Body = typed(dialect.KindArguments, `{\"q\":\"`+attack+`\"}`) }},
		"metadata":  {exchange.PhaseRequestText, "sqli", func(x *exchange.Exchange) { x.Request.Body = typed(dialect.KindStructured, attack) }},
		"a query in a tool": {exchange.PhaseRequestText, "", func(x *exchange.Exchange) {
			x.Request.Body = typed(dialect.KindArguments, `{\"sql\":\"SELECT name FROM users WHERE age > 30\"}`)
		}},
	} {
		x := newExchange("")
		c.edit(x)
		v := run(t, f, c.phase, x)
		if c.class == "" {
			if v.Action != exchange.Continue {
				t.Errorf("%s: %+v", name, v.Reply)
			}
			continue
		}
		if v.Action != exchange.Respond || v.Reply.Class != c.class || v.Reply.Error == nil || v.Reply.Error.Code != llm.CodeDenied {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// typed returns a body that is one text of a kind.
func typed(kind dialect.Kind, raw string) exchange.Body {
	return exchange.NewBody([]byte(raw), []dialect.Text{{Span: dialect.Span{End: len(raw)}, Channel: dialect.Channel{Kind: kind}}})
}

// examples returns 2 KiB of what the rules of the filter find.
func examples(b *testing.B) string {
	b.Helper()
	rnd := rand.New(rand.NewPCG(23, 24))
	var all []scan.Rule
	for _, file := range []string{"secrets", "pii", "prompt"} {
		text, err := os.ReadFile("../../filters/sanitize/rules/" + file + ".rules")
		if err != nil {
			b.Fatal(err)
		}
		rules, err := scan.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, rules...)
	}
	var out strings.Builder
	for out.Len() < 2048 {
		out.WriteString(scan.Expand(rnd, all[rnd.IntN(len(all))].Yes[0]) + " ")
	}
	return out.String()[:2048]
}

// BenchmarkSanitizeRequest2KiB is a message with every class of messages on, and a request's head.
func BenchmarkSanitizeRequest2KiB(b *testing.B) {
	fill := func(s string) string { return strings.Repeat(s, 2048/len(s)+1)[:2048] }
	for name, text := range map[string]string{
		"nothing": fill("Birds of many kinds live along our river. In winter few of them sing, but when snow melts, many return. "),
		"chat": fill("Can you explain how to read a config with 12 keys? I set api_key from os.environ and call https://example.com/v1/chat, " +
			"then token is None on line 42. func main() { fmt.Println(a secret: , x[0]) } "),
		"everything": examples(b), "hostile": fill("curl -u a:"), "hostile-digits": fill("1 2 (3) +4 MTz."),
	} {
		b.Run(name, func(b *testing.B) {
			f := newBuiltin(b, "sanitize", Spec{Config: []byte(`{"secrets":"annotate","pii":"annotate","hidden":"annotate","unseen":"allow"}`)})
			x := newExchange("")
			x.Request.Body = bodyOf("«" + strings.NewReplacer("\\", "/", "\"", "'", "\n", " ", "\r", " ").Replace(text) + "»")
			callbacks(b, f, exchange.PhaseRequestText, x)
		})
	}
	b.Run("head", func(b *testing.B) {
		f := newBuiltin(b, "sanitize", Spec{})
		x := newExchange("")
		x.Query = ""
		x.Request.Header = llm.Header{{Name: "content-type", Value: "application/json"}, {Name: "accept", Value: "*/*"}, {Name: "user-agent", Value: "OpenAI/Python 1.30.1"}}
		callbacks(b, f, exchange.PhaseRequestHead, x)
	})
}

func BenchmarkSanitizeDelta(b *testing.B) {
	f := newBuiltin(b, "sanitize", Spec{})
	x := newExchange("")
	x.Stream = true
	flow := exchange.NewPipeline("p", f).Flow(x)
	if _, err := flow.Request(b.Context()); err != nil {
		b.Fatal(err)
	}
	text := "and so the quick brown fox jumps over it"
	out := func(*exchange.Event) {}
	b.ReportAllocs()
	for b.Loop() {
		e := &exchange.Event{Raw: []byte(text), Body: exchange.NewBody([]byte(text), []dialect.Text{{Span: dialect.Span{End: len(text)}}})}
		if _, err := flow.Event(context.Background(), e, out); err != nil {
			b.Fatal(err)
		}
	}
}
