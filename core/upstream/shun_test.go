package upstream

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneTenantsRefusalsMoveNobody else: what a request brings about by what it names turns the balance for who made it.
func TestOneTenantsRefusalsMoveNobody(t *testing.T) {
	for _, word := range []string{"401", "403", "404", "stale"} {
		synctest.Test(t, func(t *testing.T) {
			m := new(script).model("m", "a", "b")
			m.Balance = LeastLatency
			asked := make(map[string]int)
			m.call = func(_ context.Context, t *Target, c *Call) (*Answer, error) {
				asked[c.Tenant+t.Name]++
				if t.Name == "b" {
					time.Sleep(50 * time.Millisecond)
				}
				time.Sleep(10 * time.Millisecond)
				if c.Tenant == "mean" && t.Name == "a" {
					return answer(word)
				}
				return answer("200")
			}
			for range 10 { // both are known
				m.Do(t.Context(), &Call{Tenant: "other"})
				time.Sleep(time.Minute)
			}
			clear(asked)
			for range 200 {
				for _, tenant := range []string{"mean", "other"} {
					if a, err := m.Do(t.Context(), &Call{Tenant: tenant}); err != nil || a.Status != 200 && word != "404" {
						t.Fatalf("%s: %s", word, said(a, err))
					}
				}
			}
			if asked["othera"] < 190 || asked["meana"] > 20 {
				t.Errorf("%s: %v", word, asked)
			}
		})
	}
}

// TestARefusalSaysNothingToABreaker: it neither keeps one closed nor closes one, nor is its probe taken for ever.
func TestARefusalSaysNothingToABreaker(t *testing.T) {
	for _, word := range []string{"401", "403", "stale"} {
		synctest.Test(t, func(t *testing.T) {
			s := new(script)
			m := s.model("m", "a")
			m.Breaker, m.Attempts = breaker, 1
			is := func() string { return m.Targets[0].State.Snapshot(time.Now()).Breaker }
			play := func(word string, n int) {
				s.plays = map[string][]string{"m/a": {word}}
				for range n {
					m.Do(t.Context(), new(Call))
				}
			}
			play(word, 10)
			if play("500", breaker.Failures); is() != "open" {
				t.Fatalf("%s: %s behind refusals and failures", word, is())
			}
			time.Sleep(breaker.Cooldown)
			if play(word, 1); is() != "half_open" {
				t.Errorf("%s: %s behind a probe that was refused", word, is())
			}
			if play("200", 1); is() != "closed" {
				t.Errorf("%s: %s behind a probe that was answered", word, is())
			}
		})
	}
}

// TestWhoIsShunnedIsBounded, and the one that was refused longest ago is forgotten for it.
func TestWhoIsShunnedIsBounded(t *testing.T) {
	s, now := new(State), newClock()
	for i := range mostShunning + 10 {
		s.call(now, result{void: true, shun: true, tenant: strconv.Itoa(i)})
		now.after(time.Millisecond)
	}
	if n := len(s.shunned); n != mostShunning {
		t.Errorf("%d are remembered", n)
	}
	for tenant, slow := range map[string]bool{"0": false, "9": false, "10": true, strconv.Itoa(mostShunning + 9): true, "other": false} {
		if got := s.load(now.now(), tenant); got > 1 != slow {
			t.Errorf("%s: %v", tenant, got)
		}
	}
	now.after(10 * decay)
	if got := s.load(now.now(), "10"); got > 0.01 {
		t.Errorf("what is past for long: %v", got)
	}
}

// TestWhoRefusesIsAskedBehindWhoIsSlow: an answer that takes longer than anything that is learned of a failure is one.
func TestWhoRefusesIsAskedBehindWhoIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(script).model("m", "a", "b")
		m.Balance = LeastLatency
		refused := 0
		m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
			if t.Name == "a" {
				refused++
				return answer("401")
			}
			time.Sleep(12 * time.Second)
			return answer("200")
		}
		for range 100 { // twenty minutes
			if a, err := m.Do(t.Context(), new(Call)); err != nil || a.Status != 200 {
				t.Fatal(said(a, err))
			}
		}
		if refused > 100/2 {
			t.Errorf("it refused %d calls", refused)
		}
	})
}
