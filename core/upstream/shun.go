package upstream

import "time"

// mostShunning bounds who is remembered of one target. Beyond it who found out first finds out anew.
const mostShunning = 1024

// shunned is whom a target last refused when, by tenant. What one's requests may bring about by what they name is a slow
// answer for that one alone; a target that is of no use to anybody is found out by each.
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

// expected is the latency that it is as good as, which falls as that of all does.
func (s shunned) expected(tenant string, now time.Time) float64 {
	at, ok := s[tenant]
	if !ok {
		return 0
	}
	return faded(penalty.Seconds(), at, now)
}
