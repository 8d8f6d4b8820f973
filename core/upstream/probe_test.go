package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// TestRetryAfterForms: RFC 9110 has three forms of a date, and seconds without end.
func TestRetryAfterForms(t *testing.T) {
	at := time.Now().Add(time.Hour).UTC()
	for text, least := range map[string]time.Duration{
		at.Format("Mon, 02 Jan 2006 15:04:05 GMT"):  59 * time.Minute,
		at.Format("Monday, 02-Jan-06 15:04:05 GMT"): 59 * time.Minute, // RFC 9110: recipients MUST accept the obsolete forms
		at.Format("Mon Jan _2 15:04:05 2006"):       59 * time.Minute,
		"1000000":                                   time.Hour, "99999999999999999999": time.Hour, "-5": 0, "0": 0, "NaN": 0,
	} {
		if got := RetryAfter(llm.Header{{Name: "Retry-After", Value: text}}); got < least {
			t.Errorf("%q: %v, want %v at least", text, got, least)
		}
	}
}

// TestFastClientErrorsAttract nobody: a target whose model is gone answers fast.
func TestFastClientErrorsAttract(t *testing.T) {
	for _, status := range []int{404, 402} {
		bad, good := &Target{Name: "bad", State: &State{}}, &Target{Name: "good", State: &State{}}
		m := &Model{Name: "m", Balance: LeastLatency, Attempts: 2, Targets: []*Target{bad, good}, Breaker: Breaker{Failures: 3, Window: time.Minute, Cooldown: time.Minute},
			call: func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
				if t == bad {
					return &Answer{Status: status}, nil
				}
				time.Sleep(3 * time.Millisecond)
				return &Answer{Status: 200}, nil
			}}
		failed := 0
		for range 100 {
			a, _ := m.Do(t.Context(), &Call{})
			if a.Status != 200 {
				failed++
			}
		}
		if failed > 20 {
			t.Errorf("status %d: the target that refuses at once took %d of 100 calls", status, failed)
		}
	}
}

// TestWhoRefusesDrawsNobody, nor does it use up the retries: where another target is well no call fails, and where latency
// counts few ask who refuses.
func TestWhoRefusesDrawsNobody(t *testing.T) {
	for _, word := range []string{"401", "402", "403"} {
		for _, balance := range []Balance{Weighted, LeastLatency} {
			synctest.Test(t, func(t *testing.T) {
				n := make(map[string]int)
				m := new(script).model("m", "a", "b")
				m.Balance = balance
				m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
					n[t.Name]++
					if t.Name == "a" {
						return answer(word)
					}
					time.Sleep(50 * time.Millisecond)
					return answer("200")
				}
				for range 400 {
					a, err := m.Do(t.Context(), new(Call))
					if err != nil || a.Status != 200 {
						t.Fatalf("%s, %s: %s after %v", word, balance, said(a, err), n)
					}
					for _, one := range a.Tries {
						if one.Target == "a" && one.Took != 0 {
							t.Fatalf("%s, %s: it took %s", word, balance, one.Took)
						}
					}
				}
				if balance == LeastLatency && n["a"] > 40 {
					t.Errorf("%s: %v", word, n)
				}
				if used, refused := m.Budget.Used(); used+refused > 0 {
					t.Errorf("%s, %s: %d retries, %d refused", word, balance, used, refused)
				}
			})
		}
	}
}

// TestWhoRefusesIsNoAttempt: others of the model are asked, however few attempts there are.
func TestWhoRefusesIsNoAttempt(t *testing.T) {
	m := new(script).model("m", "a", "b", "c")
	m.Attempts = 1
	m.call = func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
		if t.Name == "c" {
			return answer("200")
		}
		return answer("403")
	}
	for range 50 {
		if a, err := m.Do(t.Context(), new(Call)); err != nil || a.Status != 200 {
			t.Fatal(said(a, err))
		}
	}
}

// TestProbeIsAlone: of many calls at a breaker that was open, one goes first.
func TestProbeIsAlone(t *testing.T) {
	st := &State{}
	b := Breaker{Failures: 1, Window: time.Minute, Cooldown: 10 * time.Millisecond}
	tg := &Target{Name: "a", State: st}
	var in, most atomic.Int32
	fail := true
	m := &Model{Name: "m", Attempts: 1, Targets: []*Target{tg}, Breaker: b, call: func(ctx context.Context, _ *Target, _ *Call) (*Answer, error) {
		if fail {
			return &Answer{Status: 500}, nil
		}
		n := in.Add(1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
		in.Add(-1)
		return &Answer{Status: 200}, nil
	}}
	m.Do(t.Context(), &Call{})
	if st.Snapshot(time.Now()).Breaker != "open" {
		t.Fatal("not open")
	}
	time.Sleep(15 * time.Millisecond)
	fail = false
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			m.Do(t.Context(), &Call{})
		}()
	}
	wg.Wait()
	if most.Load() > 1 {
		t.Errorf("%d probes at once", most.Load())
	}
	s := st.Snapshot(time.Now())
	if s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestClientLeavesAProbe: the breaker neither opens anew nor stays half open for ever.
func TestClientLeavesAProbe(t *testing.T) {
	st := &State{}
	m := &Model{Name: "m", Attempts: 1, Targets: []*Target{{Name: "a", State: st}}, Breaker: Breaker{Failures: 1, Window: time.Minute, Cooldown: time.Millisecond}}
	m.call = func(context.Context, *Target, *Call) (*Answer, error) { return &Answer{Status: 500}, nil }
	m.Do(t.Context(), &Call{})
	time.Sleep(2 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	m.call = func(c context.Context, _ *Target, _ *Call) (*Answer, error) {
		cancel()
		return nil, &llm.Error{Code: llm.CodeCut}
	}
	m.Do(ctx, &Call{})
	m.call = func(context.Context, *Target, *Call) (*Answer, error) { return &Answer{Status: 200}, nil }
	if a, err := m.Do(t.Context(), &Call{}); err != nil || a.Status != 200 || st.Snapshot(time.Now()).Breaker != "closed" {
		t.Errorf("%+v %v %+v", a, err, st.Snapshot(time.Now()))
	}
}
