package upstream

import "time"

// For so long who refused a tenant is the last that it is sent to, as if an answer took so long there.
const (
	shunFor        = 30 * time.Second
	shunnedLatency = 24 * time.Hour
)

// mostShunning bounds who is remembered of one target. Beyond it who found out first finds out anew.
const mostShunning = 1024

// shunned is whom a target last refused when, by tenant. What one's requests may bring about by what they name turns
// that one's calls away and nobody else's; a target that is of no use to anybody is found out by each.
type shunned map[string]time.Time

func (s *shunned) add(tenant string, now time.Time) {
	if *s == nil {
		*s = make(shunned)
	}
	(*s)[tenant] = now
	if len(*s) <= mostShunning {
		return
	}
	oldest := tenant
	for other, at := range *s {
		if at.Before((*s)[oldest]) {
			oldest = other
		}
	}
	delete(*s, oldest)
}

// expected is the latency that it is as good as: longer than any answer takes, so that a slow target is asked before one
// that refuses, and for a while.
func (s shunned) expected(tenant string, now time.Time) float64 {
	if at, ok := s[tenant]; ok && now.Sub(at) < shunFor {
		return shunnedLatency.Seconds()
	}
	return 0
}
