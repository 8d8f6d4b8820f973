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

func TestAHandlerPausesForACall(t *testing.T) {
	Register(Filter{
		RequestHead: func(Exchange) Action {
			if _, err := HTTPCall(Outcall{URL: "https://judge.test/v1", Method: "PUT", Header: [][2]string{{"x-a", "1"}}, Body: []byte("is\x00it?"), Timeout: 70}); err != nil {
				return Failed
			}
			return Pause
		},
		CallDone: func(x Exchange, r Result) Action {
			if r.Problem() != "" || r.Status() != 200 || r.Header("X-Word") != "yes" {
				return x.Deny("judge", string(r.Body()))
			}
			return Continue
		},
	})
	defer Register(Filter{})
	f := &Fake{CallLimit: 1}
	Use(f)
	if a := Call(abi.RequestHead, nil); a != Pause || len(f.Calls) != 1 {
		t.Fatalf("action %d, %d calls", a, len(f.Calls))
	}
	if c := f.Calls[0]; c.URL != "https://judge.test/v1" || c.Method != "PUT" || len(c.Header) != 1 || string(c.Body) != "is\x00it?" || c.Timeout != 70 {
		t.Errorf("%+v", c)
	}
	if a := End(Reply{Status: 200, Header: [][2]string{{"x-word", "yes"}}}); a != Continue {
		t.Errorf("a good answer gives %d", a)
	}
	if a := End(Reply{Status: 0, Error: "timeout", Body: "late"}); a != respond || f.Answer.Body != "late" {
		t.Errorf("no answer gives %d, %+v", a, f.Answer)
	}
	if a := Call(abi.RequestHead, nil); a != Failed {
		t.Errorf("one call too many gives %d", a)
	}
}

func TestATickKeepsValues(t *testing.T) {
	ticks := int64(0)
	Register(Filter{Tick: func() Action {
		ticks, _ = KVAdd("ticks", 1, 0)
		KVSet("last", []byte("now"), 1000)
		return Continue
	}})
	defer Register(Filter{})
	f := &Fake{}
	Use(f)
	Call(abi.Tick, nil)
	Call(abi.Tick, nil)
	if v, err := KVGet("last"); ticks != 2 || f.KV["ticks"] != "2" || err != nil || string(v) != "now" {
		t.Errorf("%d ticks, %q, %v", ticks, f.KV, err)
	}
	if _, err := KVGet("none"); err != Error(abi.NotFound) {
		t.Errorf("%v", err)
	}
	if _, err := KVAdd("ticks", -3, 0); err != Error(abi.Limit) {
		t.Errorf("%v", err)
	}
	if _, err := KVAdd("last", 1, 0); err != Error(abi.Invalid) {
		t.Errorf("%v", err)
	}
}
