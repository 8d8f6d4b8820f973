package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// counter is a host whose rates allow ten, or what their names say: of 2 allows two.
func counter(fields map[filter.Field]string) (*filter.Fake, map[string]int) {
	used := map[string]int{}
	f := &filter.Fake{Fields: fields, Rate: func(rate, key string, cost int) filter.Decision {
		most := 10
		if rate == "two" || rate == "default" {
			most = 2
		}
		d := filter.Decision{OK: used[rate+" "+key]+cost <= most, Limit: most, Reset: 3500, RetryAfter: 1500}
		if d.OK {
			if cost > 0 {
				used[rate+" "+key] += cost
			}
			d.RetryAfter, d.Delay = 0, 10*(used[rate+" "+key]-1)
		}
		d.Remaining = most - used[rate+" "+key]
		return d
	}}
	filter.Use(f)
	return f, used
}

func TestRateLimit(t *testing.T) {
	f, used := counter(map[filter.Field]string{filter.KeyID: "k1", filter.Remote: "192.0.2.1"})
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
	if !slices.Equal(a.Header, want) || a.Status != 429 || a.Code != "rate_limited" {
		t.Errorf("%+v", a)
	}
	delete(f.Fields, filter.KeyID)
	f.Answer = nil
	if a := filter.Call(abi.RequestHead, nil); a != filter.Continue || len(used) != 2 {
		t.Errorf("a request without a key: action %d, counted %v", a, used)
	}
}

func TestWhatIsCounted(t *testing.T) {
	fields := map[filter.Field]string{filter.KeyID: "k", filter.Tenant: "t", filter.Remote: "r", filter.Route: "v1", filter.Model: "m"}
	for config, want := range map[string]string{
		`{"by":"team"}`:                            "default " + string(rune('a'+filter.Tenant)) + "t",
		`{"by":"model"}`:                           "default " + string(rune('a'+filter.Model)) + "m",
		`{"by":"header","header":"X-A"}`:           "default aone",
		`{"by":"header","header":"X-B"}`:           "default " + string(rune('a'+filter.Remote)) + "r",
		`{"limit":{"two":{"by":["key","model"]}}}`: "two " + string(rune('a'+filter.KeyID)) + "k\x00" + string(rune('a'+filter.Model)) + "m",
		`{"limit":{"x":{"rate":"two"}}}`:           "two " + string(rune('a'+filter.KeyID)) + "k",
	} {
		f, used := counter(fields)
		f.Header = [][2]string{{"x-a", "one"}}
		if err := filter.Configure(config); err != nil {
			t.Fatal(err)
		}
		filter.Call(abi.RequestHead, nil)
		if used[want] != 1 || len(used) != 1 {
			t.Errorf("%s: %v, want %q", config, used, want)
		}
	}
}

func TestSeveralLimits(t *testing.T) {
	f, used := counter(map[filter.Field]string{filter.KeyID: "k", filter.Remote: "r"})
	if err := filter.Configure(`{"limit":{"ten":{},"two":{"by":["address"]}}}`); err != nil {
		t.Fatal(err)
	}
	filter.Call(abi.RequestHead, nil)
	if d := f.Told; d.Limit != 2 || d.Remaining != 1 || d.Reset != 3500 {
		t.Errorf("%+v", d)
	}
	if f.Skipped != 1<<abi.End {
		t.Errorf("where no tokens are counted, %b is skipped", f.Skipped)
	}
	filter.Call(abi.RequestHead, nil)
	if filter.Call(abi.RequestHead, nil); f.Answer == nil || len(used) != 2 {
		t.Errorf("%+v, %v", f.Answer, used)
	}
}

func TestTokens(t *testing.T) {
	f, used := counter(map[filter.Field]string{filter.KeyID: "k", filter.Remote: "r"})
	f.Numbers = map[filter.Field]int{abi.InputTokens: 3, abi.OutputTokens: 2}
	f.Header = [][2]string{{"x-user", "ann"}}
	if err := filter.Configure(`{"limit":{"ten":{"cost":"tokens","by":["header"],"header":"x-user"}}}`); err != nil {
		t.Fatal(err)
	}
	if f.Skipped != 0 {
		t.Errorf("%b is skipped", f.Skipped)
	}
	for i, want := range []int{5, 10} {
		filter.Call(abi.RequestHead, nil)
		f.Header = nil // another filter took it away
		if filter.Call(abi.End, nil); used["ten aann"] != want {
			t.Errorf("answer %d: %v, want %d", i, used, want)
		}
		f.Header = [][2]string{{"x-user", "ann"}}
		f.Numbers[abi.OutputTokens] = 200 // more than there are
	}
	if filter.Call(abi.RequestHead, nil); f.Answer == nil || !strings.Contains(f.Answer.Body, "tokens") {
		t.Errorf("%+v", f.Answer)
	}
}

// TestTokensOfAnEarlierRequest: an exchange that only tells what an earlier one has used took nothing before its end.
func TestTokensOfAnEarlierRequest(t *testing.T) {
	f, used := counter(map[filter.Field]string{filter.KeyID: "k", filter.Tenant: "t", filter.Remote: "r"})
	f.Numbers = map[filter.Field]int{abi.InputTokens: 3, abi.OutputTokens: 2}
	if err := filter.Configure(`{"limit":{"ten":{"cost":"tokens"},"eleven":{"rate":"ten","cost":"output_tokens","by":["team"]},"twelve":{"rate":"ten","by":["model"]}}}`); err != nil {
		t.Fatal(err)
	}
	key, team := "ten "+string(rune('a'+filter.KeyID))+"k", "ten "+string(rune('a'+filter.Tenant))+"t"
	if filter.Call(abi.End, nil); used[key] != 5 || used[team] != 2 || len(used) != 2 {
		t.Errorf("%v", used)
	}
	filter.Call(abi.RequestHead, nil)
	if filter.Call(abi.End, nil); used[key] != 10 || used[team] != 4 || len(used) != 3 {
		t.Errorf("with a request: %v", used)
	}
}

func TestAnswersTellNothingWhereTheyShallNot(t *testing.T) {
	f, _ := counter(map[filter.Field]string{filter.KeyID: "k", filter.Remote: "r"})
	if err := filter.Configure(`{"headers":false}`); err != nil {
		t.Fatal(err)
	}
	if filter.Call(abi.RequestHead, nil); f.Told.Limit != 0 {
		t.Errorf("%+v", f.Told)
	}
}

func TestConfig(t *testing.T) {
	filter.Use(&filter.Fake{})
	for _, bad := range []string{`{"by":"moon"}`, `{`, `{"rate":"none"}`, `{"by":"header"}`, `{"cost":"gold"}`, `{"limit":{"a":{"by":["moon"]}}}`, `{"limit":{"a":{}}}`} {
		if filter.Configure(bad) == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
