package scan

import (
	"slices"
	"testing"
)

const structuredSample = `
rule sqli
  class sqli
  context structured
  detect sqli
rule xss
  class xss
  context structured
  detect xss
rule traversal
  class lfi
  context structured
  trigger mark
  pattern \.\.[/\\]
`

func TestStructuredFieldsAreReadInAllTheirForms(t *testing.T) {
	s := mustCompile(t, structuredSample)
	for text, want := range map[string][]string{
		"hello world":                              nil,
		"1' OR '1'='1":                             {"sqli"},
		"1%27%20OR%20%271%27%3D%271":               {"sqli"},
		"1%2527%2520OR%2520%25271%2527%253D%25271": {"sqli"},
		`{"q": "1' OR '1'='1", "n": 4}`:            {"sqli"},
		`{"q": ["fine", {"r": "\u003cscript\u003ealert(1)\u003c/script\u003e"}]}`: {"xss"},
		"&lt;script&gt;alert(1)&lt;/script&gt;":                                   {"xss"},
		"&#60;script>alert(1)</script>":                                           {"xss"},
		`{"file": "..%2f..%2fboot"}`:                                              {"traversal"},
		`{"1' OR '1'='1": 1}`:                                                     {"sqli"},
		`{"file": "..\/"}`:                                                        {"traversal"},
		`{"broken": "../`:                                                         {"traversal"},
	} {
		ms := mustScan(t, s, text)
		var got []string
		for _, m := range ms {
			got = append(got, s.Rules()[m.Rule].ID)
			if m.Start != 0 || m.End != len(text) {
				t.Errorf("%q: %v does not cover the text", text, m)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTheValuesOfAQueryAreReadOneByOne(t *testing.T) {
	s := mustCompile(t, structuredSample)
	for query, want := range map[string]int{
		"": 0, "q=hello&page=2": 0, "a=1&b=2;c=3": 0, "limit=100&order=asc": 0, "q=1%27+OR+%271%27%3D%271": 1, "file=..%2F": 1,
	} {
		ms, err := s.ScanQuery(nil, []byte(query))
		if err != nil || len(ms) != want {
			t.Errorf("%q: %v %v, want %d", query, ms, err, want)
		}
	}
}

func TestLinesAreReadOneByOne(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules")))
	ordinary := "text/html,application/xml;q=0.9,*/*;q=0.8\n\"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\n" +
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\na=b; _ga=GA1.2.3; s=a--b\nbytes=0-1023\n"
	for text, want := range map[string]int{"": 0, ordinary: 0, ordinary + "x' or '1'='1\n": 1} {
		if ms, err := s.ScanLines(nil, []byte(text)); err != nil || min(len(ms), 1) != want {
			t.Errorf("%q: %v %v", text, ms, err)
		}
	}
}

func TestOrdinaryFieldsCostNoAllocation(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules")))
	var ms []Match
	for _, text := range []string{"gpt-4o-mini-2024-07-18", `{"city": "New York, NY", "note": "it's for O'Hara & sons", "x": "a\nb%20c"}`, "report.pdf"} {
		b := []byte(text)
		if n := testing.AllocsPerRun(50, func() { ms, _ = s.Scan(ms[:0], b) }); n != 0 && !raceEnabled || len(ms) > 0 {
			t.Errorf("%s: %v allocations, %v", text, n, ms)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a": "b%27 or 1=1 &lt;b&gt;"}`)
	f.Add(`["\ud800%u0041\x41&#x41;"`)
	f.Add("%25252527&amp;amp;lt;")
	s := mustCompile(f, structuredSample)
	f.Fuzz(func(t *testing.T, text string) {
		before := text + ""
		if _, err := s.Scan(nil, []byte(text)); err != nil && len(text) < 1000 {
			t.Fatal(err)
		}
		if _, err := s.ScanQuery(nil, []byte(text)); err != nil && len(text) < 1000 {
			t.Fatal(err)
		}
		if u := unescape(nil, []byte(text)); len(u) > len(text) || text != before {
			t.Fatalf("%q became %q", text, u)
		}
	})
}

// What clients send every day in headers, names and arguments is no attack: it would be denied.
func TestOrdinaryFieldsAreNoAttacks(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules", "injection.rules", "fields.rules")))
	for _, v := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0", "python-requests/2.32.3", "OpenAI/Python 1.35.7",
		"AsyncOpenAI/JS 4.52.0", "Go-http-client/2.0", "axios/1.7.2", "node", "PostmanRuntime/7.39.0", "okhttp/4.12.0", "Apache-HttpClient/4.5.14 (Java/17.0.11)",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "*/*", "application/json, text/event-stream",
		"gzip, deflate, br, zstd", "en-GB,en;q=0.9,de;q=0.8", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "no-cache", "max-age=0",
		`"Chromium";v="126", "Not(A:Brand";v="24"`, "?0", `"Windows"`, "cors", "keep-alive", "timeout=5, max=100", "1; mode=block",
		"session=abc123; id=42; theme=dark; _ga=GA1.2.1234567890.1234567890; host=a; env=prod", "sid=s%3AabcDEF.1+2/3%3D; path=/; csrftoken=xyz",
		"https://app.example.com/chat?thread=12&from=home#top", "https://www.google.com/search?q=select+a+chair+from+ikea", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl", `W/"67ab43", "54ed21"`, "Wed, 21 Oct 2026 07:28:00 GMT",
		"bytes=0-1023", "for=192.0.2.60;proto=http;by=203.0.113.43", "203.0.113.195, 70.41.3.18", "assistants=v2", "rayon-8f2b", "application/json; charset=utf-8",
		"gpt-4o-mini-2024-07-18", "claude-3-5-sonnet@20240620", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "ft:gpt-4o:acme:support:9xYz", "accounts/fireworks/models/mixtral-8x7b",
		"Quarterly report (final) v2.pdf", "o'hara & sons.docx", "photo 1/2.png", "main.go", "user_1234", "ann@example.org", "order #12-34; gift", "C++ & C#", "50% off -- today only!",
		"What's up? It's 5 o'clock", "rock 'n' roll", "Tom & Jerry; the cat", "a || b", "x > 3 and y < 5", "price: $20 or less", "{name}", "{{name}}", "${amount}", "<b>bold</b> and <i>more</i>",
		`{"city":"New York, NY","unit":"celsius"}`, `{"query":"best restaurants near me","limit":10,"filters":{"price":"$$","open":true}}`, `{"sql":"SELECT name FROM users WHERE age > 30"}`,
		`{"path":"src/main.go","content":"package main\n\nfunc main() {}\n"}`, `{"text":"Dear team,\n\nplease find the notes attached.\nLocation: Leeds\n\nBest"}`,
		`{"expression":"(3 + 4) * 2"}`, `{"to":"ann@corp.io","subject":"Re: update; please read","body":"Hi!\nSee you at 5."}`, `{"location":"San Francisco, CA","when":"2026-01-02T10:00:00Z"}`,
		`{"command":"python3 -c \"\nimport os\nprint(os.environ['X'])\n\"\n"}`, `{"command":"cd src && ls -la | grep go; cat ../README.md"}`, "cd src && make; ls -la", `{"code":"import subprocess\nsubprocess.run(['ls'])"}`,
		`{"command":"git log --oneline | head -5"}`, `{"command":"curl -s https://example.com/a.json | jq ."}`,
		`{"url":"https://example.com/a?b=c&d=e"}`, `{"symbols":["AAPL","MSFT"],"range":"1d"}`, `{"language":"Python","question":"How do I exit vim?"}`,
	} {
		for _, m := range mustScan(t, s, v) {
			t.Errorf("%s takes %q", s.Rules()[m.Rule].ID, v)
		}
	}
	for _, v := range []string{`{"name":"x; cat /etc/issue"}`, `{"file":"a && curl https://example.com"}`, `{"q":"cat ../../etc/passwd"}`, "x && ls -la", `{"host":"; ls -la"}`} {
		if len(mustScan(t, s, v)) == 0 {
			t.Errorf("%q passes", v)
		}
	}
	for _, query := range []string{"api-version=2024-06-01", "q=hello+world&limit=20&after=abc&order=desc", "key=AIzaSyA&alt=sse", "tags=a,b;c&x=%E2%82%AC+10"} {
		if ms, err := s.ScanQuery(nil, []byte(query)); err != nil || len(ms) > 0 {
			t.Errorf("%q: %v %v", query, ms, err)
		}
	}
}
