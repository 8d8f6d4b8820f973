package main

import (
	"testing"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

func TestRateLimit(t *testing.T) {
	keys := map[string]int{}
	f := &filter.Fake{
		Fields: map[filter.Field]string{filter.KeyID: "k1", filter.Remote: "192.0.2.1"},
		Rate: func(rate, key string, cost int) filter.Decision {
			if cost > 0 {
				keys[key]++
			}
			n := keys[key]
			return filter.Decision{OK: n <= 2, Limit: 2, Remaining: max(0, 2-n), Reset: 3500, RetryAfter: 1500, Delay: 10 * (n - 1)}
		},
	}
	filter.Use(f)
	if err := filter.Configure(`{"by":"key"}`); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if a := filter.Call(abi.RequestHead, nil); a != filter.Continue || f.Delay != 10*i {
			t.Errorf("request %d: action %d, delay %d", i, a, f.Delay)
		}
	}
	if filter.Call(abi.RequestHead, nil); f.Answer == nil {
		t.Fatal("the third request passes")
	}
	a := f.Answer
	want := [][2]string{{"Retry-After", "2"}, {"RateLimit-Limit", "2"}, {"RateLimit-Remaining", "0"}, {"RateLimit-Reset", "4"}}
	for i := range want {
		if a.Header[i] != want[i] {
			t.Errorf("header %v, want %v", a.Header[i], want[i])
		}
	}
	if a.Status != 429 || a.Code != "rate_limited" {
		t.Errorf("%+v", a)
	}
	delete(f.Fields, filter.KeyID)
	f.Answer = nil
	if a := filter.Call(abi.RequestHead, nil); a != filter.Continue || len(keys) != 2 {
		t.Errorf("a request without a key: action %d, keys %v", a, keys)
	}
}

func TestConfig(t *testing.T) {
	filter.Use(&filter.Fake{})
	for _, bad := range []string{`{"by":"moon"}`, `{`, `{"rate":"none"}`} {
		if filter.Configure(bad) == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
