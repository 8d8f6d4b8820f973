package wasmhost

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
)

// defaultVMs is the number of VMs of a filter at most: tenants with exchanges at the same time.
// maxStored bounds what the guests of all tenants keep at the host.
const (
	defaultVMs = 64
	maxStored  = 64 << 20
)

var errTenants = errors.New("more tenants at once than it may have instances")

// proxyVMs are the VMs of a proxy-wasm filter, one for each tenant that has exchanges, and one in
// reserve, so that no exchange waits for a guest to configure itself where that can be avoided. A VM
// without exchanges gives way when another tenant needs its place.
type proxyVMs struct {
	filter   *Filter
	most     int
	clusters clusters
	ctx      context.Context
	cancel   context.CancelFunc
	stored   atomic.Int64
	work     sync.WaitGroup // ticks, calls, and the making of the reserve

	mu      sync.Mutex // protects what follows
	all     map[string]*vmPlace
	stores  map[string]*proxywasm.Store
	reserve *proxyVM
	making  bool
	clock   uint64
	closed  bool
}

// vmPlace is a tenant's: its VM, or who is just making it.
type vmPlace struct {
	ready chan struct{}
	vm    *proxyVM
	err   error
}

func (f *Filter) newProxyVMs(clusters clusters) *proxyVMs {
	set := &proxyVMs{filter: f, most: f.limits.Instances, clusters: clusters, all: make(map[string]*vmPlace), stores: make(map[string]*proxywasm.Store)}
	set.ctx, set.cancel = context.WithCancel(context.Background())
	return set
}

// prepare makes the first VM, so that a config the guest refuses is an error now.
func (set *proxyVMs) prepare() error {
	v, err := set.make(nil)
	set.reserve = v
	return err
}

// make makes a VM whose guest keeps its things in store, or in a new one.
func (set *proxyVMs) make(store *proxywasm.Store) (*proxyVM, error) {
	if store == nil {
		store = proxywasm.NewStore(&set.stored, maxStored)
	}
	in, err := set.filter.make(func(in *instance) error { return set.begin(in, store) })
	if err != nil {
		return nil, err
	}
	return in.vm, nil
}

// take returns the tenant's VM, with a reference that the caller gives back by leave.
func (set *proxyVMs) take(ctx context.Context, tenant string) (*proxyVM, error) {
	for {
		set.mu.Lock()
		if set.closed {
			set.mu.Unlock()
			return nil, errClosed
		}
		if p := set.all[tenant]; p != nil {
			if v := p.vm; v != nil {
				v.refs++
				set.mu.Unlock()
				return v, nil
			}
			set.mu.Unlock()
			select {
			case <-p.ready:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			if p.err != nil {
				return nil, p.err
			}
			continue
		}
		var idle *proxyVM
		if len(set.all) >= set.most {
			if idle = set.idle(); idle == nil {
				set.mu.Unlock()
				return nil, errTenants
			}
			delete(set.all, idle.tenant)
		}
		p := &vmPlace{ready: make(chan struct{})}
		set.all[tenant] = p
		set.mu.Unlock()
		if idle != nil {
			set.retire(idle)
		}
		return set.place(p, tenant)
	}
}

// idle returns the VM that has had no exchange for longest, or nil; the caller holds mu.
func (set *proxyVMs) idle() (oldest *proxyVM) {
	for _, p := range set.all {
		if v := p.vm; v != nil && v.refs == 0 && (oldest == nil || v.used < oldest.used) {
			oldest = v
		}
	}
	return oldest
}

// retire ends a VM that nobody refers to.
func (set *proxyVMs) retire(v *proxyVM) {
	v.turn <- struct{}{}
	v.kill()
	v.exit()
}

// place gives a tenant a VM. The one in reserve is for a new tenant: the guest of one that comes back
// finds what it left, under the numbers that it had.
func (set *proxyVMs) place(p *vmPlace, tenant string) (*proxyVM, error) {
	defer close(p.ready)
	set.mu.Lock()
	store, v := set.stores[tenant], set.reserve
	if store != nil {
		v = nil
	} else {
		set.reserve = nil
	}
	set.mu.Unlock()
	if v == nil || !v.adopt(tenant) {
		var err error
		if v, err = set.make(store); err == nil && !v.adopt(tenant) {
			err = errLost
		}
		if err != nil {
			set.mu.Lock()
			defer set.mu.Unlock()
			p.err = err
			if set.all[tenant] == p {
				delete(set.all, tenant)
			}
			return nil, err
		}
	}
	set.mu.Lock()
	set.stores[tenant] = v.store
	p.vm, v.refs = v, 1
	set.mu.Unlock()
	set.refill()
	return v, nil
}

// adopt makes the VM the tenant's. It reports false where the VM has broken.
func (v *proxyVM) adopt(tenant string) bool {
	v.turn <- struct{}{}
	defer v.exit()
	if v.dead {
		return false
	}
	v.set.mu.Lock()
	v.tenant = tenant
	v.set.mu.Unlock()
	v.adopted = true
	v.schedule()
	return true
}

// refill has another VM made for the reserve, in the background.
func (set *proxyVMs) refill() {
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.closed || set.making || set.reserve != nil || set.filter.shared {
		return
	}
	set.making = true
	set.work.Go(func() {
		v, err := set.make(nil)
		set.mu.Lock()
		set.making = false
		if err == nil && !set.closed {
			set.reserve, v = v, nil
		}
		set.mu.Unlock()
		if v != nil {
			set.retire(v)
		}
	})
}

// leave gives a reference back.
func (set *proxyVMs) leave(v *proxyVM) {
	set.mu.Lock()
	defer set.mu.Unlock()
	v.refs--
	set.clock++
	v.used = set.clock
}

// forget takes a VM that ended out of its place.
func (set *proxyVMs) forget(v *proxyVM) {
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.reserve == v {
		set.reserve = nil
	}
	if p := set.all[v.tenant]; p != nil && p.vm == v {
		delete(set.all, v.tenant)
	}
}

// enter counts work outside of exchanges that close must wait for. It reports false once closed.
func (set *proxyVMs) enter() bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.closed {
		return false
	}
	set.work.Add(1)
	return true
}

// broke notes a failure outside of exchanges, after which nobody answers for the filter.
func (set *proxyVMs) broke(v *proxyVM, during string, err error) {
	set.mu.Lock()
	tenant := v.tenant
	set.mu.Unlock()
	set.filter.fail(tenant, during, "", err)
}

// close ends all VMs. It is called after the last exchange's end.
func (set *proxyVMs) close() {
	set.mu.Lock()
	set.closed = true
	var open []*proxyVM
	for _, p := range set.all {
		if p.vm != nil {
			open = append(open, p.vm)
		}
	}
	if set.reserve != nil {
		open = append(open, set.reserve)
	}
	set.mu.Unlock()
	set.cancel()
	set.work.Wait()
	for _, v := range open {
		set.retire(v)
	}
}

// runProxy is Run for a proxy-wasm module.
func (f *Filter) runProxy(ctx context.Context, p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
	s, _ := x.Local(f).(*proxyStream)
	if s == nil {
		if p == exchange.PhaseDone {
			return exchange.Verdict{}, nil
		}
		if !f.breaker.allow(x.Tenant, time.Now) {
			f.tally.reasons[reasonSuspended].Add(1)
			return f.broken(x, p, errSuspended)
		}
		var err error
		if s, err = f.openStream(ctx, x); err != nil {
			return f.proxyFailed(ctx, x, p, s, err)
		}
		x.SetLocal(f, s)
	}
	if p == exchange.PhaseDone {
		return exchange.Verdict{}, s.done()
	}
	if s.lost {
		return exchange.Verdict{}, nil
	}
	v, err := s.run(ctx, p)
	if err != nil {
		s.lost = true
		return f.proxyFailed(ctx, x, p, s, err)
	}
	f.breaker.succeeded(x.Tenant)
	return v, nil
}

// proxyFailed applies the filter's policy. That an exchange's client left or another callback broke
// the VM is no fault that counts against the tenant.
func (f *Filter) proxyFailed(ctx context.Context, x *exchange.Exchange, p exchange.Phase, s *proxyStream, err error) (exchange.Verdict, error) {
	switch {
	case ctx.Err() != nil || x.Context().Err() != nil:
		return exchange.Verdict{}, err // nobody waits any more
	case errors.Is(err, errLost):
		f.tally.reasons[reasonInstance].Add(1)
		f.logFailure(p.String(), x.ID, err)
		return f.broken(x, p, err)
	case errors.Is(err, errPaused):
		f.tally.reasons[reasonPause].Add(1)
	case errors.Is(err, errStuck), errors.Is(err, exchange.ErrHeld):
		f.tally.reasons[reasonVerdict].Add(1)
	case s == nil:
		f.tally.reasons[reasonInstance].Add(1)
	}
	f.fail(x.Tenant, p.String(), x.ID, err)
	return f.broken(x, p, err)
}

// openStream makes a context of the exchange's in the tenant's VM. A VM that broke meanwhile is tried
// once more: the next one is new.
func (f *Filter) openStream(ctx context.Context, x *exchange.Exchange) (*proxyStream, error) {
	tenant := x.Tenant
	if f.shared {
		tenant = ""
	}
	var err error
	for range 2 {
		var v *proxyVM
		if v, err = f.vms.take(ctx, tenant); err != nil {
			return nil, err
		}
		var s *proxyStream
		if s, err = v.open(ctx, x); err == nil {
			return s, nil
		}
		f.vms.leave(v)
		if !errors.Is(err, errLost) {
			break
		}
	}
	return nil, err
}
