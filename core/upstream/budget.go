package upstream

import "sync"

// Reserve is how many retries a budget has saved at most, and has at first: so that a few failures in
// quiet times are cured however few calls there are.
const Reserve = 10

// Budget bounds the retries of one model: at most a share of its calls, and Reserve. It is safe for
// concurrent use and outlives the Model; nil bounds nothing.
type Budget struct {
	mu      sync.Mutex
	spent   float64 // of the reserve
	retries uint64
	refused uint64
}

// call saves a call's share for retries.
func (b *Budget) call(share float64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.spent = max(b.spent-share, 0)
	b.mu.Unlock()
}

// take takes one retry out, if there is one.
func (b *Budget) take(share float64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if share == 0 || b.spent+1 > Reserve {
		b.refused++
		return false
	}
	b.spent++
	b.retries++
	return true
}

// give puts back a retry that was not made.
func (b *Budget) give() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.spent = max(b.spent-1, 0)
	b.retries--
	b.mu.Unlock()
}

// Used returns how many retries were made and how many were not for want of budget.
func (b *Budget) Used() (retries, refused uint64) {
	if b == nil {
		return 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retries, b.refused
}
