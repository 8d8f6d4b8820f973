package upstream

import (
	"math/rand/v2"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock time.Time

func (c *clock) now() time.Time         { return time.Time(*c) }
func (c *clock) after(d time.Duration)  { *c = clock(c.now().Add(d)) }
func newClock() *clock                  { c := clock(time.Unix(1_000_000, 0)); return &c }
func (s *State) is(c *clock) string     { return s.Snapshot(c.now()).Breaker }
func (s *State) passesAt(c *clock) bool { ok, _ := s.ready(c.now(), breaker); return ok }
func (s *State) call(c *clock, r result) {
	r.probe, _ = s.begin(c.now(), breaker)
	s.end(c.now(), breaker, r)
}

var (
	breaker = Breaker{Failures: 3, Window: 10 * time.Second, Cooldown: 5 * time.Second}
	good    = result{took: time.Millisecond}
	bad     = result{took: time.Millisecond, cause: Failing}
)

func TestBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(s *State, c *clock)
		want string
	}{
		"too few failures": {func(s *State, c *clock) { s.call(c, bad); s.call(c, bad) }, "closed"},
		"enough":           {func(s *State, c *clock) { s.call(c, bad); s.call(c, bad); s.call(c, bad) }, "open"},
		"fewer than what succeeded": {func(s *State, c *clock) {
			for range 4 {
				s.call(c, good)
			}
			for range 3 {
				s.call(c, bad)
			}
		}, "closed"},
		"spread over more than the window": {func(s *State, c *clock) {
			for range 10 {
				s.call(c, bad)
				c.after(6 * time.Second)
			}
		}, "closed"},
		"the client's mistakes": {func(s *State, c *clock) {
			for range 10 {
				s.call(c, result{cause: unfit})
				s.call(c, result{void: true, cause: Failing})
			}
		}, "closed"},
		"limits are no failures": {func(s *State, c *clock) {
			for range 10 {
				s.call(c, result{cause: RateLimited})
			}
		}, "closed"},
		"timeouts and refused credentials are": {func(s *State, c *clock) {
			s.call(c, result{cause: TimedOut})
			s.call(c, result{cause: refused})
			s.call(c, bad)
		}, "open"},
		"answers that break off are": {func(s *State, c *clock) {
			for range 3 {
				s.call(c, good)
				s.fail(c.now(), breaker)
			}
		}, "open"},
	} {
		s, now := new(State), newClock()
		c.do(s, now)
		if got := s.is(now); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestHalfOpen: after the cooldown one call at a time probes; its end decides.
func TestHalfOpen(t *testing.T) {
	open := func() (*State, *clock) {
		s, c := new(State), newClock()
		for range 3 {
			s.call(c, bad)
		}
		if s.passesAt(c) {
			t.Fatal("open, and calls pass")
		}
		c.after(breaker.Cooldown - 1)
		if s.passesAt(c) {
			t.Fatal("calls pass before the cooldown is over")
		}
		c.after(1)
		if !s.passesAt(c) || s.is(c) != "half_open" {
			t.Fatal("no probe after the cooldown")
		}
		return s, c
	}
	for name, c := range map[string]struct {
		end  result
		want string
	}{
		"well again":  {good, "closed"},
		"not yet":     {bad, "open"},
		"busy":        {result{cause: RateLimited}, "closed"},
		"it was void": {result{void: true}, "half_open"},
		"refused":     {result{void: true, shun: true}, "half_open"},
	} {
		s, now := open()
		probe, ok := s.begin(now.now(), breaker)
		if !probe || !ok {
			t.Fatalf("%s: no probe", name)
		}
		if _, ok := s.begin(now.now(), breaker); ok || s.passesAt(now) {
			t.Errorf("%s: two probes at once", name)
		}
		end := c.end
		end.probe = true
		s.end(now.now(), breaker, end)
		if got := s.is(now); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	s, now := open()
	for range 5 { // calls that began before it opened change nothing
		s.fail(now.now(), breaker)
	}
	if !s.passesAt(now) {
		t.Error("a late failure puts the probe off")
	}
	s.end(now.now(), breaker, good)
	if s.is(now) != "half_open" {
		t.Error("a late success closes the breaker")
	}
	if probe, ok := s.begin(now.now(), Breaker{}); probe || !ok || s.is(now) != "closed" {
		t.Error("a breaker that is not declared any more is open")
	}
}

func TestCooling(t *testing.T) {
	for name, c := range map[string]struct {
		r    result
		want time.Duration
	}{
		"a limit":                {result{cause: RateLimited}, coolDefault},
		"a limit that says when": {result{cause: RateLimited, cool: 7 * time.Second}, 7 * time.Second},
		"a day":                  {result{cause: RateLimited, cool: 24 * time.Hour}, coolMost},
		"overload":               {result{cause: Failing, cool: 3 * time.Second}, 3 * time.Second},
		"a failure":              {bad, 0},
	} {
		s, now := new(State), newClock()
		s.call(now, c.r)
		if got := s.Snapshot(now.now()).Cooling; got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		s.call(now, result{cause: RateLimited, cool: time.Millisecond}) // a shorter one does not shorten it
		if now.after(c.want - 1); c.want > 0 && !s.cools(now.now()) {
			t.Errorf("%s: cool too early", name)
		}
		if now.after(2 * time.Millisecond); s.cools(now.now()) {
			t.Errorf("%s: cools for ever", name)
		}
	}
}

// TestBreakerProperties: whatever happens, an open breaker lets nothing pass before its time, there is one
// probe at most, and what waits adds up.
func TestBreakerProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, now := new(State), newClock()
		type flying struct{ probe bool }
		var calls []flying
		var opened time.Time // since when, zero while closed
		probes := 0
		for range 300 {
			now.after(time.Duration(r.IntN(3000)) * time.Millisecond)
			was := s.is(now)
			if r.IntN(2) == 0 {
				probe, ok := s.begin(now.now(), breaker)
				if ok && was == "open" || probe != (ok && was == "half_open") {
					t.Fatalf("seed %d: a call passes a breaker that is %s: %t %t", seed, was, probe, ok)
				}
				if ok && probe {
					if probes++; probes > 1 || now.now().Sub(opened) < breaker.Cooldown {
						t.Fatalf("seed %d: %d probes", seed, probes)
					}
				}
				if ok {
					calls = append(calls, flying{probe})
				}
			} else if len(calls) > 0 {
				i := r.IntN(len(calls))
				end := []result{good, bad, bad, {cause: RateLimited}, {void: true}, {void: true, shun: true}}[r.IntN(6)]
				if end.probe = calls[i].probe; end.probe {
					probes--
				}
				s.end(now.now(), breaker, end)
				calls = append(calls[:i], calls[i+1:]...)
			}
			if is := s.is(now); is == "open" && was != "open" {
				opened = now.now()
			}
			if s.Snapshot(now.now()).Waiting != len(calls) {
				t.Fatalf("seed %d: %d calls wait, not %d", seed, s.Snapshot(now.now()).Waiting, len(calls))
			}
		}
	}
}

// TestBudgetProperty: retries are never more than their share and the reserve.
func TestBudgetProperty(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		b, share := new(Budget), float64(r.IntN(100))/100
		calls, retries, given := 0, 0, 0
		for range 2000 {
			switch r.IntN(5) {
			case 0, 1:
				b.call(share)
				calls++
			case 2:
				if b.take(share) {
					b.give()
					given++
				}
			default:
				if b.take(share) {
					retries++
				}
			}
			if most := Reserve + share*float64(calls); float64(retries) > most+1e-6 || share == 0 && retries > 0 {
				t.Fatalf("seed %d: %d retries of %d calls at %v", seed, retries, calls, share)
			}
		}
		if used, _ := b.Used(); used != uint64(retries) {
			t.Fatalf("seed %d: %d used, %d made", seed, used, retries)
		}
		if share > 0.1 && (retries < Reserve || given == 0) {
			t.Errorf("seed %d: %d retries", seed, retries)
		}
	}
}
