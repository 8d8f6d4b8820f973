package wasmhost

import (
	"sync"
	"sync/atomic"
	"time"
)

// The breaker of a filter opens for a tenant after so many failures in a row, at first for
// minBackoff, doubling up to maxBackoff.
const (
	tolerated  = 5
	minBackoff = time.Second
	maxBackoff = time.Minute
	maxTripped = 4096 // tenants that are remembered
)

// breaker keeps a filter that fails again and again from costing an instance each time. It counts
// per tenant: what one of them sends must not take the filter from the others.
type breaker struct {
	failing atomic.Int64 // tenants with a failure; nothing else is looked at while it is 0

	mu  sync.Mutex // protects all
	all map[string]*tripped
}

type tripped struct {
	failures int
	backoff  time.Duration
	until    time.Time
}

// allow reports whether a callback for the tenant may run.
func (b *breaker) allow(tenant string, now func() time.Time) bool {
	if b.failing.Load() == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.all[tenant]
	if t == nil || t.failures < tolerated {
		return true
	}
	at := now()
	if at.Before(t.until) {
		return false
	}
	t.until = at.Add(t.backoff) // this callback tests whether it is over; should it not tell, another one does
	return true
}

// succeeded forgets a tenant's failures.
func (b *breaker) succeeded(tenant string) {
	if b.failing.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, tenant)
	b.failing.Store(int64(len(b.all)))
}

// failed counts a failure and reports whether it opened the breaker, and for how long.
func (b *breaker) failed(tenant string, now func() time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.all[tenant]
	if t == nil {
		if b.all == nil {
			b.all = map[string]*tripped{}
		}
		for k := range b.all { // make room at random
			if len(b.all) < maxTripped {
				break
			}
			delete(b.all, k)
		}
		t = &tripped{backoff: minBackoff}
		b.all[tenant] = t
	}
	b.failing.Store(int64(len(b.all)))
	if t.failures++; t.failures < tolerated {
		return 0, false
	}
	d := t.backoff
	t.until = now().Add(d)
	t.backoff = min(2*d, maxBackoff)
	return d, true
}

// backoff delays the making of instances after one could not be made.
type backoff struct {
	mu    sync.Mutex // protects the rest
	err   error
	wait  time.Duration
	until time.Time
}

// blocked returns the last error as long as it is too early for another try.
func (b *backoff) blocked(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil && now.Before(b.until) {
		return b.err
	}
	return nil
}

// note keeps the result of a try.
func (b *backoff) note(err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = err; err == nil {
		b.wait = 0
		return
	}
	b.wait = min(max(2*b.wait, minBackoff), maxBackoff)
	b.until = now.Add(b.wait)
}
