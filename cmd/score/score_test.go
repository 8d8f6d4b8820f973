package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	make := pattern("sk-{hex:32}_{digits:2}")
	a, b := make(rand.New(rand.NewPCG(1, 1))), make(rand.New(rand.NewPCG(2, 1)))
	if len(a) != 38 || !strings.HasPrefix(a, "sk-") || a[35] != '_' || strings.Trim(a[3:35], "0123456789abcdef") != "" || a == b {
		t.Errorf("%q, %q", a, b)
	}
}

// An IBAN's check digits make the remainder one, a card's the sum a multiple of ten.
func TestNumbersHaveTheirCheckDigits(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		v := strings.ReplaceAll(iban(r), " ", "")
		rest := 0
		for _, c := range v[4:] + v[:4] {
			if c >= 'A' {
				rest = (rest*100 + int(c-'A') + 10) % 97
			} else {
				rest = (rest*10 + int(c-'0')) % 97
			}
		}
		if rest != 1 {
			t.Errorf("%s leaves %d", v, rest)
		}
		c := strings.NewReplacer(" ", "", "-", "").Replace(card(r))
		sum := 0
		for i := range c {
			d := int(c[len(c)-1-i] - '0')
			if i%2 == 1 {
				d = d/5 + d*2%10
			}
			sum += d
		}
		if sum%10 != 0 || len(c) < 14 || len(c) > 16 {
			t.Errorf("%s sums up to %d", c, sum)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   verdict
		bad    bool
	}{
		{200, `{"choices":[{"message":{"content":"a [REDACTED:email]"}}]}`, verdict{status: 200, text: "a [REDACTED:email]"}, false},
		{403, `{"error":{"message":"denied by sanitize: sqli: a structured field","code":"denied"}}`, verdict{status: 403, class: "sqli"}, false},
		{500, `{"error":{"message":"broken","code":"internal_error"}}`, verdict{}, true},
		{200, `<html>`, verdict{}, true},
	} {
		v, err := read(c.status, []byte(c.body))
		if c.bad != (err != nil) || err == nil && v != c.want {
			t.Errorf("%s: %+v, %v", c.body, v, err)
		}
	}
	if v := streamed([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\ndata: [DONE]\n\n")); v.text != "ab" {
		t.Errorf("%+v", v)
	}
	if got := placeholders("a [REDACTED:email] b [REDACTED:jwt]", "a"); len(got) != 2 || got[1] != "jwt" {
		t.Errorf("%q", got)
	}
}

func TestTable(t *testing.T) {
	var y tally
	for i := range 200 {
		y.add("a", i > 1)
		y.add("b", true)
	}
	var x table
	x.add("found", &y, atLeast(99))
	x.worst("worst", &y, atMost(99))
	var out strings.Builder
	x.print(&out)
	if want := "| found | 398 | 400 | 99.50 % | >= 99 % | yes | a 198/200, all in 1 others |\n| worst | 200 | 200 | 100.00 % | <= 99 % | no | b |\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s", out.String())
	}
}
