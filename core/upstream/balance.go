package upstream

import (
	"math/rand/v2"
	"slices"
	"time"
)

// pick chooses a target that is in service and was not tried yet, or returns nil; with cooling, those
// too that cool down. Those that are left out are noted.
func (r *routing) pick(m *Model, now time.Time, tried []*Target, cooling bool) *Target {
	var buf [8]*Target
	open := buf[:0]
	for _, t := range m.Targets {
		ready, _ := t.State.ready(now, m.Breaker)
		switch {
		case slices.Contains(tried, t):
		case !ready:
			r.note(m, t, opened)
		case !cooling && t.State.cools(now):
			r.note(m, t, cools)
		default:
			open = append(open, t)
		}
	}
	switch {
	case len(open) == 0:
		return nil
	case len(open) == 1:
		return open[0]
	case m.Balance == LeastLatency:
		return fastest(now, r.call.Tenant, open)
	}
	return weighted(open)
}

func weighted(open []*Target) *Target {
	sum := 0
	for _, t := range open {
		sum += max(t.Weight, 1)
	}
	at := rand.IntN(sum)
	for _, t := range open {
		if at -= max(t.Weight, 1); at < 0 {
			return t
		}
	}
	return open[0]
}

// fastest is the better one of two by chance. Of all, the best one would be found by every call at once,
// and be the best no longer.
func fastest(now time.Time, tenant string, open []*Target) *Target {
	i, j := rand.IntN(len(open)), rand.IntN(len(open)-1)
	if j >= i {
		j++
	}
	a, b := open[i], open[j]
	if b.State.load(now, tenant)/float64(max(b.Weight, 1)) < a.State.load(now, tenant)/float64(max(a.Weight, 1)) {
		return b
	}
	return a
}
