package wasmhost

import (
	"context"
	"errors"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
)

// errClosed is the error of a filter that is used after its Close.
var errClosed = errors.New("the filter is closed")

// defaultInstances is the number of instances of a filter at most. A callback never waits, so more
// than the processors can run only help tenants to keep theirs; where all share them, one more is
// enough for a callback whose thread writes to the log. Each of a Go guest takes 3 MB.
func defaultInstances(shared bool) int {
	if shared {
		return runtime.GOMAXPROCS(0) + 1
	}
	return 2*runtime.GOMAXPROCS(0) + 4
}

// pool keeps a filter's idle instances in slots that are taken and filled without a lock. It grows
// when an instance is needed and there is none, up to the number of its slots; beyond that callers
// wait for one to come back.
//
// Every instance that exists owns a place of the pool. An idle one stands in a slot; there are as
// many slots as places, so one that comes back always finds a slot.
type pool struct {
	make   func() (*instance, error)
	seed   maphash.Seed
	slots  []slot
	places atomic.Int64 // that are free
	closed atomic.Bool

	waiting atomic.Int64
	mu      sync.Mutex // protects waiters
	waiters []chan *instance
	refills sync.WaitGroup
}

type slot struct {
	in     atomic.Pointer[instance]
	tenant atomic.Uint64 // hash of the idle instance's tenant, a hint
	_      [48]byte
}

func newPool(size int, create func() (*instance, error)) *pool {
	p := &pool{make: create, seed: maphash.MakeSeed(), slots: make([]slot, size)}
	p.places.Store(int64(size))
	return p
}

// get returns an instance, the tenant's own if it is idle.
func (p *pool) get(ctx context.Context, tenant string) (*instance, error) {
	home := maphash.String(p.seed, tenant)
	if in := p.idle(home); in != nil {
		return in, nil
	}
	if in, err := p.grow(); in != nil || err != nil {
		return in, err
	}
	return p.wait(ctx, tenant, home)
}

// idle takes an instance from a slot: one that served the tenant before, else any.
func (p *pool) idle(home uint64) *instance {
	n := uint64(len(p.slots))
	for i := range n {
		s := &p.slots[(home+i)%n]
		if s.tenant.Load() == home {
			if in := s.in.Swap(nil); in != nil {
				return in
			}
		}
	}
	for i := range n {
		s := &p.slots[(home+i)%n]
		if s.in.Load() != nil {
			if in := s.in.Swap(nil); in != nil {
				return in
			}
		}
	}
	return nil
}

// grow makes an instance where there is a place for it.
func (p *pool) grow() (*instance, error) {
	for {
		n := p.places.Load()
		if n <= 0 {
			return nil, nil
		}
		if p.places.CompareAndSwap(n, n-1) {
			break
		}
	}
	if p.closed.Load() {
		p.places.Add(1)
		return nil, errClosed
	}
	in, err := p.make()
	if err != nil {
		p.release()
		return nil, err
	}
	return in, nil
}

// wait waits for an instance, or for a place to make one.
func (p *pool) wait(ctx context.Context, tenant string, home uint64) (*instance, error) {
	c := make(chan *instance, 1)
	p.mu.Lock()
	p.waiters = append(p.waiters, c)
	p.mu.Unlock()
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	// whoever came back before the waiting was seen has filled a slot
	if in := p.idle(home); in != nil {
		p.leave(c)
		return in, nil
	}
	if in, err := p.grow(); in != nil || err != nil {
		p.leave(c)
		return in, err
	}
	select {
	case in := <-c:
		if in == nil { // a place, not an instance
			return p.get(ctx, tenant)
		}
		return in, nil
	case <-ctx.Done():
		p.leave(c)
		return nil, context.Cause(ctx)
	}
}

// leave ends the waiting of c; what it was given meanwhile goes to the next.
func (p *pool) leave(c chan *instance) {
	p.mu.Lock()
	for i, w := range p.waiters {
		if w == c {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	if in := <-c; in != nil {
		p.put(in)
	} else {
		p.wake(nil)
	}
}

// wake gives an instance, or the news of a free place, to the first waiter. It reports whether there
// was one.
func (p *pool) wake(in *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) == 0 {
		return false
	}
	p.first() <- in
	return true
}

// put brings an instance back.
func (p *pool) put(in *instance) {
	if p.closed.Load() {
		in.close()
		p.release()
		return
	}
	if p.waiting.Load() > 0 && p.wake(in) {
		return
	}
	home := maphash.String(p.seed, in.tenant)
	n := uint64(len(p.slots))
	for i := uint64(0); ; i++ {
		s := &p.slots[(home+i)%n]
		if s.in.Load() == nil && s.in.CompareAndSwap(nil, in) {
			s.tenant.Store(home)
			break
		}
	}
	if p.waiting.Load() > 0 { // a waiter may have looked before it stood there
		p.handOver(home)
	}
}

// handOver gives an idle instance to the first waiter, if there are both.
func (p *pool) handOver(home uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) == 0 {
		return
	}
	if in := p.idle(home); in != nil {
		p.first() <- in
	}
}

// first takes the first waiter off the list; the caller holds mu and knows that there is one.
func (p *pool) first() chan *instance {
	c := p.waiters[0]
	p.waiters = append(p.waiters[:0], p.waiters[1:]...)
	return c
}

// discard closes a broken instance and has another made in its place, in the background.
func (p *pool) discard(in *instance, refill bool) {
	in.close()
	if !refill || p.closed.Load() {
		p.release()
		return
	}
	p.refills.Go(func() {
		fresh, err := p.make()
		if err != nil {
			p.release()
			return
		}
		p.put(fresh)
	})
}

// release frees a place.
func (p *pool) release() {
	p.places.Add(1)
	if p.waiting.Load() > 0 {
		p.wake(nil)
	}
}

// live returns the number of instances.
func (p *pool) live() int { return len(p.slots) - int(p.places.Load()) }

// close closes the idle instances; those in use are closed when they come back.
func (p *pool) close() {
	p.closed.Store(true)
	p.refills.Wait()
	for i := range p.slots {
		if in := p.slots[i].in.Swap(nil); in != nil {
			in.close()
			p.release()
		}
	}
}
