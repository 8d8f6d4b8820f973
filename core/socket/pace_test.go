package socket

import (
	"testing"
	"time"
)

// TestPace: so many at once, then one in each step, and after a while as many again.
func TestPace(t *testing.T) {
	p, now := pace{step: time.Second, burst: 3}, time.Now()
	for i, want := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second} {
		if got := p.count(now); got != want {
			t.Errorf("%d: %s, not %s", i, got, want)
		}
	}
	if got := p.count(now.Add(3 * time.Second)); got != 0 {
		t.Errorf("when it is due: %s", got)
	}
	for range 3 {
		if got := p.count(now.Add(time.Hour)); got != 0 {
			t.Errorf("after a rest: %s", got)
		}
	}
}
