package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// script is an upstream that a test plays: how each target, by model/target, answers its calls, in order;
// the last answer stays.
type script struct {
	mu    sync.Mutex
	plays map[string][]string
	calls []string
}

// model returns a model whose targets the script plays.
func (s *script) model(name string, targets ...string) *Model {
	m := &Model{Name: name, Budget: new(Budget), Share: 0.2}
	for _, t := range targets {
		m.Targets = append(m.Targets, &Target{Name: t, Model: name + "/" + t, State: new(State)})
	}
	m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) { return answer(s.next(t.Model)) }
	return m
}

func (s *script) next(target string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, target)
	plays := s.plays[target]
	if len(plays) == 0 {
		return "200"
	}
	if len(plays) > 1 {
		s.plays[target] = plays[1:]
	}
	return plays[0]
}

func (s *script) made() string { defer func() { s.calls = nil }(); return strings.Join(s.calls, " ") }

// answer reads a script's word: a status, "429:20" with its Retry-After in seconds, an error's code, or what an invoked
// plugin says went wrong.
func answer(word string) (*Answer, error) {
	if word == "address" {
		return nil, Error(&egress.Error{Kind: egress.Connect, Err: egress.ErrAddress})
	}
	if code, ok := strings.CutPrefix(word, "fault "); ok {
		return &Answer{Status: 500, Fault: llm.Code(code)}, nil
	}
	if word == "stale" {
		return &Answer{Status: 400, Refused: true}, nil
	}
	if word == "event" {
		return &Answer{Status: 200, Failure: &llm.Error{Code: llm.CodeOverloaded}}, nil
	}
	a := new(Answer)
	if n, _ := fmt.Sscanf(word, "%d", &a.Status); n == 0 {
		return nil, &llm.Error{Code: llm.Code(word), Message: word}
	}
	if _, after, ok := strings.Cut(word, ":"); ok {
		a.Header = llm.Header{{Name: "Retry-After", Value: after}}
	}
	return a, nil
}

// said is what a call came to.
func said(a *Answer, err error) string {
	var e *llm.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return fmt.Sprint(a.Status)
}

func TestWhereACallGoes(t *testing.T) {
	for name, c := range map[string]struct {
		plays map[string][]string
		set   func(m *Model)
		want  string // the calls
		said  string
		least time.Duration // that it takes
	}{
		"it succeeds":                       {nil, nil, "m/a", "200", 0},
		"a retry":                           {map[string][]string{"m/a": {"500", "200"}}, nil, "m/a m/a", "200", 50 * time.Millisecond},
		"Retry-After is kept":               {map[string][]string{"m/a": {"429:1.5", "200"}}, nil, "m/a m/a", "200", 1500 * time.Millisecond},
		"a long one is the fallback's":      {map[string][]string{"m/a": {"429:20"}}, nil, "m/a f/x", "200", 0},
		"no connection":                     {map[string][]string{"m/a": {"unavailable"}}, nil, "m/a m/a f/x", "200", 0},
		"a cut before the first event":      {map[string][]string{"m/a": {"cut", "200"}}, nil, "m/a m/a", "200", 0},
		"an error as first event":           {map[string][]string{"m/a": {"event"}}, nil, "m/a m/a f/x", "200", 0},
		"a timeout is not tried again":      {map[string][]string{"m/a": {"timeout"}}, nil, "m/a f/x", "200", 0},
		"unless it is to be":                {map[string][]string{"m/a": {"timeout", "200"}}, func(m *Model) { m.On = []Cause{TimedOut} }, "m/a m/a", "200", 0},
		"on nothing":                        {map[string][]string{"m/a": {"500"}}, func(m *Model) { m.On = []Cause{} }, "m/a f/x", "200", 0},
		"the client's mistake":              {map[string][]string{"m/a": {"400"}}, nil, "m/a", "400", 0},
		"an unknown model":                  {map[string][]string{"m/a": {"404"}}, nil, "m/a", "404", 0},
		"an account without credit":         {map[string][]string{"m/a": {"402"}}, nil, "m/a f/x", "200", 0},
		"refused credentials":               {map[string][]string{"m/a": {"401"}}, nil, "m/a f/x", "200", 0},
		"credentials that cannot be had":    {map[string][]string{"m/a": {"authentication"}}, nil, "m/a f/x", "200", 0},
		"an account that may not":           {map[string][]string{"m/a": {"403"}}, nil, "m/a f/x", "200", 0},
		"not implemented":                   {map[string][]string{"m/a": {"501"}}, nil, "m/a", "501", 0},
		"an internal error":                 {map[string][]string{"m/a": {"internal"}}, nil, "m/a", "internal", 0},
		"an address it may not have":        {map[string][]string{"m/a": {"address"}}, nil, "m/a f/x", "200", 0},
		"nor anybody else":                  {map[string][]string{"m/a": {"address"}, "f/x": {"address"}, "g/y": {"address"}}, nil, "m/a f/x g/y", "internal", 0},
		"a plugin's configuration":          {map[string][]string{"m/a": {"fault internal"}}, nil, "m/a f/x", "200", 0},
		"a plugin's timeout":                {map[string][]string{"m/a": {"fault timeout"}}, nil, "m/a f/x", "200", 0},
		"a plugin that is shutting down":    {map[string][]string{"m/a": {"fault unavailable", "200"}}, nil, "m/a m/a", "200", 0},
		"what cannot be said":               {map[string][]string{"m/a": {"invalid_request"}}, nil, "m/a f/x", "200", 0},
		"what nobody can say":               {map[string][]string{"m/a": {"invalid_request"}, "f/x": {"invalid_request"}, "g/y": {"invalid_request"}}, nil, "m/a f/x g/y", "invalid_request", 0},
		"what a fallback refuses then":      {map[string][]string{"m/a": {"invalid_request"}, "f/x": {"400"}}, nil, "m/a f/x", "400", 0},
		"nobody is left":                    {map[string][]string{"m/a": {"500"}, "f/x": {"503"}, "g/y": {"502"}}, nil, "m/a m/a f/x f/x g/y g/y", "502", 0},
		"what a fallback cannot say":        {map[string][]string{"m/a": {"500"}, "f/x": {"invalid_request"}, "g/y": {"invalid_request"}}, nil, "m/a m/a f/x g/y", "500", 0},
		"a fallback's own refusal":          {map[string][]string{"m/a": {"500"}, "f/x": {"400"}}, nil, "m/a m/a f/x", "400", 0},
		"no budget":                         {map[string][]string{"m/a": {"500"}}, func(m *Model) { m.Share = 0 }, "m/a f/x", "200", 0},
		"more attempts":                     {map[string][]string{"m/a": {"500", "503", "529", "200"}}, func(m *Model) { m.Attempts = 4 }, "m/a m/a m/a m/a", "200", 350 * time.Millisecond},
		"a fallback's fallback is nobody's": {map[string][]string{"m/a": {"500"}, "f/x": {"500"}, "g/y": {"500"}}, func(m *Model) { m.Fallback[1].Fallback = []*Model{m} }, "m/a m/a f/x f/x g/y g/y", "500", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{plays: c.plays}
			m := s.model("m", "a")
			m.Fallback = []*Model{s.model("f", "x"), s.model("g", "y")}
			if c.set != nil {
				c.set(m)
			}
			begin := time.Now()
			a, err := m.Do(t.Context(), new(Call))
			if got, calls := said(a, err), s.made(); got != c.said || calls != c.want || a.Attempts != len(strings.Fields(calls)) || a.Attempts != len(a.Tries) {
				t.Errorf("%s: %s by %s in %d attempts, %v", name, got, calls, a.Attempts, a.Tries)
			}
			if a.Target == nil || a.Model == nil {
				t.Errorf("%s: nobody answered", name)
			}
			if took := time.Since(begin); took < c.least || took > c.least+5*time.Second {
				t.Errorf("%s: it took %s", name, took)
			}
		})
	}
}

// TestWhatATryMet is told as exactly as it is known, and is a "5xx" for who chooses what is tried again.
func TestWhatATryMet(t *testing.T) {
	wire := func(k egress.Kind, began bool) error {
		return Error(&egress.Error{Kind: k, Began: began, Err: io.ErrUnexpectedEOF})
	}
	for want, met := range map[Cause][]func() (*Answer, error){
		"5xx": {func() (*Answer, error) { return &Answer{Status: 503}, nil }, func() (*Answer, error) { return answer("fault unavailable") }},
		"unreachable": {
			func() (*Answer, error) { return nil, wire(egress.Connect, false) },
			func() (*Answer, error) { return answer("unavailable") },
		},
		"cut": {
			func() (*Answer, error) { return nil, wire(egress.Reset, false) },
			func() (*Answer, error) { return nil, wire(egress.Cut, false) },
			func() (*Answer, error) { return nil, wire(egress.Cut, true) },
			func() (*Answer, error) { return &Answer{Status: 200, Failure: &llm.Error{Code: llm.CodeCut}}, nil },
		},
		"error": {
			func() (*Answer, error) { return nil, wire(egress.Protocol, true) },
			func() (*Answer, error) { return answer("event") },
			func() (*Answer, error) {
				return &Answer{Status: 200, Failure: &llm.Error{Code: llm.CodeUnavailable}}, nil
			},
		},
		"timeout": {func() (*Answer, error) { return nil, wire(egress.Idle, true) }},
		"429":     {func() (*Answer, error) { return answer("429") }},
	} {
		for i, met := range met {
			synctest.Test(t, func(t *testing.T) {
				m := new(script).model("m", "a")
				m.On, m.Share = []Cause{Failing}, 1
				m.call = func(context.Context, *Target, *Call) (*Answer, error) { return met() }
				a, _ := m.Do(t.Context(), new(Call))
				if again := len(a.Tries) == 2; a.Tries[0].Cause != want || again != (want != "timeout" && want != "429") {
					t.Errorf("%s, %d: %+v", want, i, a.Tries)
				}
			})
		}
	}
}

// TestWhatAnAccountMayNot goes elsewhere, and what a vendor says about the request's own words does not. No breaker opens by
// a 401 or a 403, which a request may bring about by what it names; by a 402 one does.
func TestWhatAnAccountMayNot(t *testing.T) {
	for word, opens := range map[string]bool{"401": false, "stale": false, "402": true, "403": false} {
		s := &script{plays: map[string][]string{"m/a": {word}}}
		m := s.model("m", "a")
		m.Breaker = Breaker{Failures: 1, Window: time.Minute, Cooldown: time.Minute}
		m.Fallback = []*Model{s.model("f", "x")}
		a, err := m.Do(t.Context(), &Call{Judge: lengths{}})
		if got := said(a, err); got != "200" || s.made() != "m/a f/x" || a.Tries[0].Cause != refused {
			t.Errorf("%s: %s, %+v", word, got, a.Tries)
		}
		if got := m.Targets[0].State.Snapshot(time.Now()).Opened == 1; got != opens {
			t.Errorf("%s: opened %t", word, got)
		}
	}
	s := new(script)
	m := s.model("m", "a", "b")
	m.call = func(context.Context, *Target, *Call) (*Answer, error) {
		return &Answer{Status: 403, First: []byte("flagged")}, nil
	}
	if a, err := m.Do(t.Context(), &Call{Judge: lengths{}}); said(a, err) != "403" || a.Attempts != 1 {
		t.Errorf("%s, %+v", said(a, err), a.Tries)
	}
}

// TestTargetsThatAreLeftOutAreTold, and why: which ones were asked is half of a decision.
func TestTargetsThatAreLeftOutAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plays: map[string][]string{"m/a": {"500"}, "m/b": {"429:30"}}}
		m := s.model("m", "a", "b", "c")
		m.Breaker, m.Attempts, m.Share = Breaker{Failures: 1, Window: time.Minute, Cooldown: time.Minute}, 3, 1
		for range 50 { // until both were asked
			if _, err := m.Do(t.Context(), new(Call)); err != nil {
				t.Fatal(err)
			}
		}
		s.made()
		a, err := m.Do(t.Context(), new(Call))
		var tries []string
		for _, one := range a.Tries {
			tries = append(tries, one.Target+" "+string(one.Cause))
			if one.Began.IsZero() {
				t.Errorf("%+v began at no time", one)
			}
		}
		if got := strings.Join(tries, ", "); err != nil || got != "a open, b cooling, c " || a.Attempts != 1 || s.made() != "m/c" {
			t.Errorf("%v: %s in %d attempts", err, got, a.Attempts)
		}
	})
}

// TestOtherTargetsComeFirst: at once, whatever the first one's Retry-After is, and where it is refused.
func TestOtherTargetsComeFirst(t *testing.T) {
	for _, word := range []string{"500", "429:3600", "unavailable", "invalid_request", "refused"} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{plays: map[string][]string{"m/a": {word}}}
			m := s.model("m", "a", "b")
			m.Share = 1
			if word == "refused" {
				m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
					s.next(t.Model)
					return &Answer{Status: 200 + 201*len(strings.TrimPrefix(t.Name, "b")), Refused: t.Name == "a"}, nil
				}
			}
			for range 20 {
				begin := time.Now()
				a, err := m.Do(t.Context(), new(Call))
				if calls := s.made(); err != nil || a.Status != 200 || calls != "m/b" && calls != "m/a m/b" || time.Since(begin) > 0 {
					t.Errorf("%s: %s by %s after %s", word, said(a, err), calls, time.Since(begin))
				}
			}
		})
	}
}

// TestATargetThatFailsIsLeftAlone: the breaker takes it out of service, a probe brings it back.
func TestATargetThatFailsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plays: map[string][]string{"m/a": {"500"}}}
		m := s.model("m", "a")
		other := s.model("other", "a")
		m.Breaker, m.Attempts, other.Breaker = breaker, 1, breaker
		for range breaker.Failures {
			m.Do(t.Context(), new(Call))
		}
		s.made()
		a, err := m.Do(t.Context(), new(Call))
		var e *llm.Error
		if !errors.As(err, &e) || e.Code != llm.CodeUnavailable || e.RetryAfter <= 0 || e.RetryAfter > breaker.Cooldown || s.made() != "" || a.Attempts != 0 {
			t.Errorf("%v, %+v", err, a)
		}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		for _, none := range []*Model{m, {Name: "no targets"}} {
			if a, err := none.Do(left, new(Call)); err == nil || a == nil {
				t.Errorf("%s: a call that nobody waits for: %+v", none.Name, a)
			}
		}
		if a, err := other.Do(t.Context(), new(Call)); said(a, err) != "200" {
			t.Errorf("another model's breaker is open: %v", err)
		}
		m.Fallback = []*Model{other}
		s.made()
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "200" || s.made() != "other/a" {
			t.Errorf("no fallback: %v", err)
		}
		s.plays["m/a"] = []string{"200"}
		time.Sleep(breaker.Cooldown)
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "200" || s.made() != "m/a" || m.Targets[0].State.Snapshot(time.Now()).Breaker != "closed" {
			t.Errorf("it does not come back: %v", err)
		}
		// A model with nothing in service says so, even where its fallback cannot take the call.
		s.plays["m/a"], s.plays["other/a"] = []string{"500"}, []string{"invalid_request"}
		for range breaker.Failures {
			m.Do(t.Context(), new(Call))
		}
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "unavailable" {
			t.Errorf("%s", said(a, err))
		}
	})
}

// TestAMistakeStaysOne: what cannot be said to a target that cools down is the client's mistake, not an outage.
func TestAMistakeStaysOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plays: map[string][]string{"m/a": {"429:60", "invalid_request"}}}
		m := s.model("m", "a")
		m.Attempts = 1
		for _, want := range []string{"429", "invalid_request"} {
			if a, err := m.Do(t.Context(), new(Call)); said(a, err) != want {
				t.Errorf("%s, not %s", said(a, err), want)
			}
		}
	})
}

// TestAPanicKeepsNoProbe: the server survives it, and so must the target.
func TestAPanicKeepsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plays: map[string][]string{"m/a": {"500"}}}
		m := s.model("m", "a")
		m.Breaker, m.Attempts = breaker, 1
		for range breaker.Failures {
			m.Do(t.Context(), new(Call))
		}
		time.Sleep(breaker.Cooldown)
		play := m.call
		m.call = func(context.Context, *Target, *Call) (*Answer, error) { panic("a codec's mistake") }
		func() {
			defer func() { recover() }()
			m.Do(t.Context(), new(Call))
		}()
		m.call, s.plays["m/a"] = play, nil
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "200" || m.Targets[0].State.Snapshot(time.Now()).Waiting != 0 {
			t.Errorf("%s", said(a, err))
		}
	})
}

// TestCoolingTargets are passed over while there is another way, and asked where there is none.
func TestCoolingTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{plays: map[string][]string{"m/a": {"429:30", "200"}}}
		m := s.model("m", "a")
		m.Fallback = []*Model{s.model("f", "x")}
		m.Do(t.Context(), new(Call))
		s.made()
		if m.Do(t.Context(), new(Call)); s.made() != "f/x" {
			t.Error("a cooling target is called")
		}
		s.plays["f/x"] = []string{"500"}
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "200" || s.made() != "f/x f/x m/a" {
			t.Errorf("the other way fails: %v", err)
		}
		m.Fallback = nil
		if a, err := m.Do(t.Context(), new(Call)); said(a, err) != "200" || s.made() != "m/a" {
			t.Errorf("no other way: %v", err)
		}
		m.Fallback = []*Model{s.model("f", "x")}
		time.Sleep(30 * time.Second)
		m.Do(t.Context(), new(Call))
		if calls := s.made(); calls != "m/a" {
			t.Errorf("it is not called again: %s", calls)
		}
	})
}

// TestShares: weights are shares; where latency counts, the faster target has most of the calls, whichever
// it is, and one that fails fast has few.
func TestShares(t *testing.T) {
	share := func(m *Model, took map[string]time.Duration, fails string) map[string]int {
		n := make(map[string]int)
		m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
			n[t.Name]++
			if time.Sleep(took[t.Name]); t.Name == fails {
				return answer("500")
			}
			return answer("200")
		}
		for range 1000 {
			m.Do(context.Background(), new(Call))
			time.Sleep(10 * time.Millisecond)
		}
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		s := new(script)
		m := s.model("m", "a", "b")
		m.Targets[0].Weight, m.Targets[1].Weight = 8, 2
		if n := share(m, nil, ""); n["a"] < 700 || n["b"] < 100 {
			t.Errorf("by weight: %v", n)
		}
		m = s.model("m", "a", "b", "c")
		m.Balance = LeastLatency
		ms := time.Millisecond
		if n := share(m, map[string]time.Duration{"a": 200 * ms, "b": 20 * ms, "c": 200 * ms}, ""); n["b"] < 500 || n["a"]+n["c"] == 0 {
			t.Errorf("b is the fastest: %v", n)
		}
		if n := share(m, map[string]time.Duration{"a": 20 * ms, "b": 400 * ms, "c": 400 * ms}, ""); n["a"] < 500 {
			t.Errorf("a is the fastest by now: %v", n)
		}
		m = s.model("m", "a", "b")
		m.Balance, m.Attempts = LeastLatency, 1
		if n := share(m, map[string]time.Duration{"a": ms, "b": 300 * ms}, "a"); n["a"] > 100 {
			t.Errorf("a fails fast: %v", n)
		}
	})
}

// TestRoutingProperties: over random upstreams no model is asked more often than it may be, nobody whose
// breaker is open is asked, retries keep to their budget, and the answer is the last attempt's.
func TestRoutingProperties(t *testing.T) {
	words := []string{"200", "200", "500", "429", "429:1", "429:60", "timeout", "unavailable", "400", "invalid_request", "cut", "event"}
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			s := &script{plays: map[string][]string{}}
			m := s.model("m", []string{"a", "b", "c"}[:1+r.IntN(3)]...)
			m.Attempts, m.Breaker, m.Share = 1+r.IntN(4), breaker, float64(r.IntN(4))/10
			m.Balance = []Balance{Weighted, LeastLatency}[r.IntN(2)]
			m.Fallback = []*Model{s.model("f", "x", "y")}
			m.Fallback[0].Breaker = breaker
			var last string
			spy := func(m *Model) {
				m.call = func(_ context.Context, t2 *Target, _ *Call) (*Answer, error) {
					if t2.State.Snapshot(time.Now()).Breaker == "open" {
						t.Errorf("seed %d: an open breaker lets a call pass", seed)
					}
					s.next(t2.Model)
					time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
					if last = words[r.IntN(len(words))]; r.IntN(3) == 0 {
						last = "200"
					}
					return answer(last)
				}
			}
			spy(m)
			spy(m.Fallback[0])
			calls := 0
			for range 200 {
				a, err := m.Do(t.Context(), new(Call))
				made := strings.Fields(s.made())
				if n := len(slices.DeleteFunc(slices.Clone(made), func(c string) bool { return c[0] != 'm' })); n > 0 {
					calls++
					if n > m.Attempts+len(m.Targets) {
						t.Fatalf("seed %d: %d attempts, at most %d", seed, n, m.Attempts)
					}
				}
				if a.Attempts != len(made) || len(made) == 0 && said(a, err) != "unavailable" {
					t.Fatalf("seed %d: %d attempts of %v", seed, a.Attempts, made)
				}
				want, wantErr := answer(last)
				if last != "invalid_request" && len(made) > 0 && said(a, err) != said(want, wantErr) && said(a, err) != "unavailable" {
					t.Fatalf("seed %d: %s, not %s", seed, said(a, err), last)
				}
				if used, _ := m.Budget.Used(); float64(used) > Reserve+m.Share*float64(calls)+1e-6 {
					t.Fatalf("seed %d: %d retries of %d calls", seed, used, calls)
				}
				time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			}
		})
	}
}

// TestHammer: many calls at once, for the race detector, and for what must add up in the end.
func TestHammer(t *testing.T) {
	m := new(script).model("m", "a", "b", "c")
	m.Balance, m.Breaker, m.Attempts = LeastLatency, Breaker{Failures: 2, Window: time.Second, Cooldown: time.Millisecond}, 3
	m.On = []Cause{Failing}
	var made, n atomic.Int64
	m.call = func(context.Context, *Target, *Call) (*Answer, error) {
		made.Add(1)
		return answer([]string{"200", "unavailable", "200"}[n.Add(1)%3])
	}
	var wg sync.WaitGroup
	var attempts atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 300 {
				a, err := m.Do(context.Background(), new(Call))
				attempts.Add(int64(a.Attempts))
				if err == nil {
					a.Broke()
				}
				for _, t := range m.Targets {
					t.State.Snapshot(time.Now())
				}
			}
		})
	}
	wg.Wait()
	var calls uint64
	for _, target := range m.Targets {
		s := target.State.Snapshot(time.Now())
		if calls += s.Calls; s.Waiting != 0 {
			t.Errorf("%s: %d calls wait", target.Name, s.Waiting)
		}
	}
	if int64(calls) != made.Load() || attempts.Load() != made.Load() {
		t.Errorf("%d calls made, %d counted, %d told", made.Load(), calls, attempts.Load())
	}
}

// TestRoutingAllocatesLittle: a call that needs no second attempt costs the note of its first.
func TestRoutingAllocatesLittle(t *testing.T) {
	m := new(script).model("m", "a", "b")
	m.Balance, m.Breaker = LeastLatency, breaker
	ok, c := &Answer{Status: 200}, new(Call)
	m.call = func(context.Context, *Target, *Call) (*Answer, error) { return ok, nil }
	if n := testing.AllocsPerRun(1000, func() { m.Do(context.Background(), c) }); n > 3 {
		t.Errorf("%v allocations", n)
	}
}
