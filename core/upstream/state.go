package upstream

import (
	"math"
	"sync"
	"time"
)

// Breaker says when a target is taken out of service: when Failures calls within Window have failed, and
// no fewer than succeeded. After Cooldown one call at a time probes whether it is well again. A breaker
// without Failures never opens.
type Breaker struct {
	Failures int
	Window   time.Duration
	Cooldown time.Duration
}

// The times of a target's state.
const (
	decay       = 10 * time.Second // in which an old latency counts a third
	penalty     = 5 * time.Second  // a failure counts as an answer that took so long, or longer
	coolDefault = time.Second      // after a 429 that does not say how long
	coolMost    = 10 * time.Minute // however long it says
)

// State is what is remembered of one target of one model. It is safe for concurrent use and outlives the
// Model, so that a reload forgets nothing; nil remembers nothing.
type State struct {
	mu      sync.Mutex
	opened  bool
	probe   time.Time // from when a call may probe
	probing bool
	window  window
	cooling time.Time // until then
	latency float64   // to the first content, in seconds: peaks at once, falls slowly
	seen    time.Time // when latency was last learned
	shunned shunned
	count   Snapshot
}

// Snapshot is how a target is and what it did.
type Snapshot struct {
	Breaker  string        `json:"breaker"`           // closed, open, half_open
	Cooling  time.Duration `json:"cooling,omitempty"` // left, in nanoseconds
	Latency  time.Duration `json:"latency"`           // to the first content, as it is expected, in nanoseconds
	Waiting  int           `json:"waiting"`           // calls that wait for their first content
	Calls    uint64        `json:"calls"`
	Failures uint64        `json:"failures"`
	Limited  uint64        `json:"limited"` // answers with 429
	Opened   uint64        `json:"opened"`  // how often the breaker opened
}

// result is how an attempt ended.
type result struct {
	took   time.Duration
	cause  Cause
	cool   time.Duration // Retry-After
	probe  bool
	void   bool   // it says nothing about the target
	quick  bool   // nor does took: the call was refused, not made
	shun   bool   // others are better, for the tenant
	tenant string // who called
}

// ready reports whether the breaker lets a call pass, and if not, from when it may.
func (s *State) ready(now time.Time, b Breaker) (bool, time.Time) {
	if s == nil || b.Failures == 0 {
		return true, time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passes(now), s.probe
}

func (s *State) passes(now time.Time) bool {
	return !s.opened || !s.probing && !now.Before(s.probe)
}

// cools reports whether the target should be left alone for now.
func (s *State) cools(now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.cooling)
}

// load is the time to the first content that one more call of a tenant's may expect, in seconds. A target that is not
// known has one call at a time to find out.
func (s *State) load(now time.Time, tenant string) float64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.IsZero() && s.count.Waiting > 0 {
		return penalty.Seconds() * float64(s.count.Waiting)
	}
	return max(s.expected(now), s.shunned.expected(tenant, now)) * float64(s.count.Waiting+1)
}

// expected is the latency, which falls while nothing is learned: a slow target is tried again some time.
func (s *State) expected(now time.Time) float64 {
	return s.latency * math.Exp(-max(now.Sub(s.seen).Seconds(), 0)/decay.Seconds())
}

// begin notes a call that goes to the target, and whether it is a probe. It is not ok where another one is
// that already. end must follow where it is.
func (s *State) begin(now time.Time, b Breaker) (probe, ok bool) {
	if s == nil {
		return false, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.Failures == 0 && s.opened: // a reload has taken the breaker away
		s.close()
	case s.opened:
		if !s.passes(now) {
			return false, false
		}
		s.probing, probe = true, true
	}
	s.count.Waiting++
	s.count.Calls++
	return probe, true
}

// end notes how a call went.
func (s *State) end(now time.Time, b Breaker, r result) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Waiting--
	if r.probe {
		s.probing = false
	}
	if r.shun {
		s.shunned.add(r.tenant, now)
	}
	if r.void || r.cause == unfit {
		return
	}
	if r.cause == RateLimited || r.cause == Failing && r.cool > 0 {
		if r.cool <= 0 {
			r.cool = coolDefault
		}
		if until := now.Add(min(r.cool, coolMost)); until.After(s.cooling) {
			s.cooling = until
		}
	}
	switch r.cause {
	case RateLimited: // it is busy, not broken
		s.count.Limited++
		if r.probe {
			s.close()
		}
	case "":
		if !r.quick {
			s.learn(now, r.took)
		}
		if r.probe {
			s.close()
		} else if b.Failures > 0 {
			s.window.slot(now, b.Window).good++
		}
	default:
		s.learn(now, max(r.took, penalty))
		s.failed(now, b, r.probe)
	}
}

// fail notes that an answer broke off behind its first event.
func (s *State) fail(now time.Time, b Breaker) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed(now, b, false)
}

// failed counts a failure. Of one that began before the breaker opened nothing new is learned.
func (s *State) failed(now time.Time, b Breaker, probe bool) {
	s.count.Failures++
	if b.Failures == 0 {
		s.close()
		return
	}
	if s.opened && !probe {
		return
	}
	if !probe {
		s.window.slot(now, b.Window).bad++
		if good, bad := s.window.sum(); bad < b.Failures || bad < good {
			return
		}
		s.count.Opened++
	}
	s.opened, s.probe = true, now.Add(b.Cooldown)
}

// close puts the target into service again, without what it did before.
func (s *State) close() {
	s.opened, s.probing, s.window = false, false, window{}
}

// learn takes a latency into what is expected.
func (s *State) learn(now time.Time, took time.Duration) {
	sample, gone := took.Seconds(), max(now.Sub(s.seen).Seconds(), 0)
	old := math.Exp(-gone / decay.Seconds())
	if s.seen.IsZero() || sample > s.latency*old {
		s.latency = sample
	} else {
		s.latency = s.latency*old + sample*(1-old)
	}
	s.seen = now
}

// Snapshot returns how the target is.
func (s *State) Snapshot(now time.Time) Snapshot {
	if s == nil {
		return Snapshot{Breaker: "closed"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.count
	out.Cooling = max(s.cooling.Sub(now), 0)
	out.Latency = time.Duration(s.expected(now) * float64(time.Second))
	switch {
	case !s.opened:
		out.Breaker = "closed"
	case s.probing || !now.Before(s.probe):
		out.Breaker = "half_open"
	default:
		out.Breaker = "open"
	}
	return out
}

// window counts what happened lately, in slots of a tenth of the time it looks back.
type window struct {
	slots [10]struct{ good, bad int }
	last  int64 // the number of the newest slot
	width time.Duration
}

// slot returns the counts of now.
func (w *window) slot(now time.Time, back time.Duration) *struct{ good, bad int } {
	width := max(back/time.Duration(len(w.slots)), 1)
	n := now.UnixNano() / int64(width)
	if width != w.width || n-w.last >= int64(len(w.slots)) {
		*w = window{last: n, width: width}
	}
	for w.last < n {
		w.last++
		w.slots[w.last%int64(len(w.slots))] = struct{ good, bad int }{}
	}
	return &w.slots[w.last%int64(len(w.slots))]
}

func (w *window) sum() (good, bad int) {
	for _, s := range w.slots {
		good, bad = good+s.good, bad+s.bad
	}
	return good, bad
}
