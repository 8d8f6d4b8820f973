//go:build !wasip1

package filter

import (
	"errors"
	"testing"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

func TestAHandlerActsOnTheFake(t *testing.T) {
	Register(Filter{
		Init: func(config []byte) error {
			if v, err := Parse(config); err != nil || !v.Get("on").Bool(false) {
				return errors.New("off")
			}
			return nil
		},
		RequestHead: func(x Exchange) Action {
			if x.Header("X-Team") == "" {
				return x.Deny("headers", "no team")
			}
			x.SetHeader("x-seen", x.Get(Method))
			return Continue
		},
		Delta: func(_ Exchange, w Window) Action {
			w.Splice(0, 1, []byte("J"))
			return Hold(w.Len())
		},
	})
	defer Register(Filter{})
	if Configure(`{"on":false}`) == nil || Configure(`{"on":true}`) != nil {
		t.Error("init does not decide")
	}
	f := &Fake{Fields: map[Field]string{Method: "POST"}, Texts: []string{"hello"}}
	Use(f)
	if a := Call(abi.RequestHead, nil); a != respond || f.Answer.Status != 403 || f.Answer.Class != "headers" {
		t.Errorf("action %d, answer %+v", a, f.Answer)
	}
	f.Header = [][2]string{{"x-team", "a"}}
	if a := Call(abi.RequestHead, nil); a != Continue || f.Header[1] != [2]string{"x-seen", "POST"} {
		t.Errorf("action %d, header %v", a, f.Header)
	}
	if a := Call(abi.Delta, nil); a != Action(abi.Hold|5<<abi.HoldShift) || f.Texts[0] != "Jello" {
		t.Errorf("action %#x, text %q", a, f.Texts[0])
	}
	if a := Call(abi.End, nil); a != Continue {
		t.Errorf("a missing handler gives %d", a)
	}
}

func TestTake(t *testing.T) {
	Use(&Fake{Rate: func(rate, key string, cost int) Decision {
		return Decision{OK: key == "a", Limit: 10, Remaining: 3, RetryAfter: 7 * len(key[1:]), Delay: cost}
	}})
	if d, err := Take("default", "a", 2); err != nil || !d.OK || d.Delay != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := Take("default", "bb", 1); err != nil || d.OK || d.RetryAfter != 7 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestParse(t *testing.T) {
	v, err := Parse([]byte(" {\"a\": [1, \"x\\u00e9\\n\\ud83d\\ude00\", true], \"b\": {\"c\": -2.5}, \"n\": null, \"b\\u0065\": \"q\"} "))
	if err != nil {
		t.Fatal(err)
	}
	var items []string
	v.Get("a").Items(func(i Value) bool { items = append(items, string(i.Raw())); return true })
	if len(items) != 3 || v.Get("a").Strings()[1] != "xé\n😀" || v.Get("b").Get("c").Float(0) != -2.5 {
		t.Errorf("%q", items)
	}
	if v.Get("n").Exists() || v.Get("none").Int(7) != 7 || v.Get("be").String("") != "q" {
		t.Error("absent, null or escaped names")
	}
	for _, bad := range []string{"", "{", "{}x", "[1,]", `{"a"}`, `"\x"`, "01", "1.", "tru", `{"a":1,}`, "[}", "\"\x01\""} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
