package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
)

// The defaults of Limits.
const (
	DefaultMemory    = 32 << 20
	DefaultTime      = 10 * time.Millisecond
	DefaultHostCalls = 1000
	DefaultOutput    = 1 << 20
)

// OnError is what becomes of an exchange whose filter failed.
type OnError string

// The policies. The zero value is Closed.
const (
	Closed OnError = "closed" // the exchange ends
	Open   OnError = "open"   // the exchange goes on without the filter
)

// Spec is a filter block, resolved.
type Spec struct {
	Name     string // of the block: unique, constant over reloads
	Module   *Module
	Config   []byte // JSON that fits the manifest's schema; empty means {}
	Grant    Grant
	Rates    map[string]limit.Rate // the filter's rate blocks
	Limits   Limits
	OnError  OnError
	Builtin  bool // ships with the daemon: trusted to keep no tenant's data in the guest and to see credentials
	Limiter  *limit.Limiter
	Observer Observer     // or nil
	Logger   *slog.Logger // or nil
}

// Grant is what the operator lets a filter reach. What a filter may do is in both the manifest and
// the grant.
type Grant struct {
	HTTP   []string // origins
	KV     bool
	Shared bool // one instance may serve several tenants
}

// Limits bound one filter; zero values mean the defaults.
type Limits struct {
	Memory    int64         // bytes of one instance
	Time      time.Duration // of one callback, and as much again for every MiB of its text
	HostCalls int           // of one callback, and four more for every text
	Output    int64         // bytes that one callback writes, or four times its input
	Instances int
}

// Observer takes what filters report beside the exchange. It must not wait, and keeps fields.
type Observer interface {
	Metric(filter string, kind int, name string, value float64)
	Event(x *exchange.Exchange, filter, name string, fields []byte)
}

// Stats counts what a filter did since it was made.
type Stats struct {
	Callbacks, Failures, Resets, Instances int64
}

// Filter is a module at work under a Spec. It implements exchange.Filter.
type Filter struct {
	name     string
	host     *Host
	module   *Module
	config   []byte
	rates    map[string]limit.Rate
	limits   Limits
	open     bool // on_error = "open"
	builtin  bool
	shared   bool
	ahead    int
	phases   exchange.Phase
	limiter  *limit.Limiter
	observer Observer
	logger   *slog.Logger
	started  time.Time

	pool    *pool
	breaker breaker
	making  backoff

	mu   sync.Mutex // protects the writing of sets
	sets atomic.Pointer[[]*ruleSet]

	callbacks, failures, resets atomic.Int64
}

var _ exchange.Filter = (*Filter)(nil)

// ErrGrant is the error of a filter that asks for more than it is granted.
var ErrGrant = errors.New("not granted")

// NewFilter makes a filter and its first instance, so that a config the guest refuses is an error
// here. The module must stay open until the filter is closed.
func (h *Host) NewFilter(s Spec) (*Filter, error) {
	f := &Filter{
		name: s.Name, host: h, module: s.Module, config: s.Config, rates: s.Rates, limits: s.Limits.filled(),
		open: s.OnError == Open, builtin: s.Builtin, shared: s.Builtin || s.Grant.Shared && s.Module.Manifest.Has(CapShared),
		ahead: s.Module.Manifest.LookAhead, phases: s.Module.Manifest.phases,
		limiter: s.Limiter, observer: s.Observer, logger: s.Logger, started: time.Now(),
	}
	if f.logger == nil {
		f.logger = h.logger
	}
	if len(f.config) == 0 {
		f.config = []byte("{}")
	}
	if err := s.check(f.limits); err != nil {
		return nil, fmt.Errorf("filter %s: %w", s.Name, err)
	}
	if f.limits.Instances == 0 {
		f.limits.Instances = defaultInstances(f.shared)
	}
	f.pool = newPool(f.limits.Instances, f.make)
	first, err := f.pool.grow()
	if err != nil {
		f.dropSets()
		return nil, fmt.Errorf("filter %s: %w", s.Name, err)
	}
	f.pool.put(first)
	return f, nil
}

func (l Limits) filled() Limits {
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Time == 0 {
		l.Time = DefaultTime
	}
	if l.HostCalls == 0 {
		l.HostCalls = DefaultHostCalls
	}
	if l.Output == 0 {
		l.Output = DefaultOutput
	}
	return l
}

// check refuses what the manifest asks for and the filter does not get.
func (s *Spec) check(l Limits) error {
	m := s.Module.Manifest
	for _, c := range []string{CapHTTP, CapKV} {
		if m.Has(c) {
			return fmt.Errorf("its manifest asks for the capability %q, which this version of Ginnel cannot give: %w", c, ErrGrant)
		}
	}
	if m.Has(CapShared) && !s.Builtin && !s.Grant.Shared {
		return fmt.Errorf("its manifest asks to serve several tenants with one instance; grant = { shared = true } allows it: %w", ErrGrant)
	}
	if m.Has(CapRate) && s.Limiter == nil {
		return fmt.Errorf("its manifest asks for rates, and there is no limiter: %w", ErrGrant)
	}
	for name, r := range s.Rates {
		if err := r.Check(); err != nil {
			return fmt.Errorf("rate %q: %w", name, err)
		}
	}
	if s.OnError != "" && s.OnError != Closed && s.OnError != Open {
		return fmt.Errorf("on_error %q is not closed or open", s.OnError)
	}
	if l.Memory < 0 || l.Memory > 1<<32 || l.Time < 0 || l.HostCalls < 0 || l.Output < 0 || l.Instances < 0 {
		return errors.New("a limit is out of range")
	}
	if s.Module.min > uint64(l.Memory) {
		return fmt.Errorf("its module begins with %d bytes of memory, the limit is %d", s.Module.min, l.Memory)
	}
	return nil
}

func (f *Filter) make() (*instance, error) {
	now := time.Now()
	if err := f.making.blocked(now); err != nil {
		return nil, err
	}
	in, err := f.newInstance()
	f.making.note(err, now)
	return in, err
}

// Name returns the name of the filter's block.
func (f *Filter) Name() string { return f.name }

// Phases returns the phases that the manifest declares.
func (f *Filter) Phases() exchange.Phase { return f.phases }

// Stats returns the filter's counters.
func (f *Filter) Stats() Stats {
	return Stats{f.callbacks.Load(), f.failures.Load(), f.resets.Load(), int64(f.pool.live())}
}

// Run is one callback: the guest sees the part of x that belongs to p. An instance is held during
// the callback only.
func (f *Filter) Run(ctx context.Context, p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
	if f.phases&p == 0 {
		return exchange.Verdict{}, nil
	}
	f.callbacks.Add(1)
	if !f.breaker.allow(x.Tenant, time.Now) {
		return f.broken(errSuspended)
	}
	in, err := f.instance(ctx, x.Tenant)
	switch {
	case err == nil:
	case ctx.Err() != nil: // nobody waits any more, which is no fault of the filter's
		return exchange.Verdict{}, err
	default:
		return f.failed(x.Tenant, p, err)
	}
	action, err := in.run(p, x)
	if p == exchange.PhaseDelta {
		f.settle(x, x.Window.Channel)
	}
	var v exchange.Verdict
	if err == nil {
		v, err = in.verdict(action)
	}
	delay := in.delay
	in.end()
	if err != nil {
		f.pool.discard(in, true)
		return f.failed(x.Tenant, p, err)
	}
	f.pool.put(in)
	f.breaker.succeeded(x.Tenant)
	if delay > 0 {
		wait(ctx, x, delay)
	}
	return v, nil
}

// instance returns an instance that holds nothing of another tenant's.
func (f *Filter) instance(ctx context.Context, tenant string) (*instance, error) {
	if f.shared {
		return f.pool.get(ctx, "")
	}
	for {
		in, err := f.pool.get(ctx, tenant)
		if err != nil || in.bind(tenant) {
			return in, err
		}
		f.pool.discard(in, false)
	}
}

// wait holds the exchange up, as the guest asked.
func wait(ctx context.Context, x *exchange.Exchange, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-x.Context().Done():
	}
}

var errSuspended = errors.New("it failed too often and is suspended for this tenant")

// failed counts a failure and applies the filter's policy.
func (f *Filter) failed(tenant string, p exchange.Phase, err error) (exchange.Verdict, error) {
	f.failures.Add(1)
	f.logger.Error("filter failed", "filter", f.name, "phase", p.String(), "error", err)
	if d, opened := f.breaker.failed(tenant, time.Now); opened {
		f.logger.Warn("filter suspended", "filter", f.name, "tenant", tenant, "for", d)
	}
	return f.broken(err)
}

func (f *Filter) broken(err error) (exchange.Verdict, error) {
	if f.open {
		return exchange.Verdict{}, nil
	}
	return exchange.Verdict{}, err
}

// Close closes all instances. It is called after the last Run returned.
func (f *Filter) Close(context.Context) error {
	f.pool.close()
	f.dropSets()
	return nil
}

func (f *Filter) dropSets() {
	if p := f.sets.Swap(nil); p != nil {
		for _, r := range *p {
			f.host.drop(r)
		}
	}
}
