package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/wasmhost/outcall"
	"github.com/ginnel/ginnel/core/wasmhost/rediscall"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// The defaults of Limits.
const (
	DefaultMemory    = 32 << 20
	DefaultTime      = 10 * time.Millisecond
	DefaultHostCalls = 1000
	DefaultOutput    = 1 << 20
	DefaultPause     = 30 * time.Second
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
	Config   []byte // JSON that fits the manifest's schema, empty meaning {}; for proxy-wasm whatever it expects
	Grant    Grant
	Rates    map[string]limit.Rate // the filter's rate blocks
	Limits   Limits
	OnError  OnError
	Builtin  bool // ships with the daemon: trusted to keep no tenant's data in the guest and to see credentials
	Limiter  *limit.Limiter
	Egress   *egress.Transport // for the grant's origins
	KV       KV                // for a grant of kv
	Observer Observer          // or nil
	Logger   *slog.Logger      // or nil
}

// Grant is what the operator lets a filter reach. What a filter may do is in both the manifest and
// the grant.
type Grant struct {
	HTTP   []string     // origins
	Reach  egress.Reach // which addresses their names may lead to
	Redis  []string     // servers, for proxy-wasm
	KV     bool
	Shared bool // one instance may serve several tenants
	// Clusters are the names by which a proxy-wasm module calls origins of HTTP and servers of Redis.
	Clusters map[string]string
}

// Limits bound one filter; zero values mean the defaults.
type Limits struct {
	Memory    int64         // bytes of one instance
	Time      time.Duration // of one callback, and as much again for every MiB of its text
	HostCalls int           // of one callback, and four more for every text
	Output    int64         // bytes that one callback writes, or four times its input
	Pause     time.Duration // of one exchange, in all
	Instances int
}

// Observer takes what filters report beside the exchange. It must not wait, and keeps fields.
type Observer interface {
	Metric(filter string, kind int, name string, value float64)
	Event(x *exchange.Exchange, filter, name string, fields []byte)
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
	vms     *proxyVMs // instead of the pool, for a proxy-wasm module
	breaker breaker
	making  backoff
	origins *outcall.Origins // nil where it may make no calls
	redis   *rediscall.Servers
	ticker  *ticker // nil where it does not tick
	kv      KV

	mu   sync.Mutex // protects the writing of sets
	sets atomic.Pointer[[]*ruleSet]

	tally tally
}

var _ exchange.Filter = (*Filter)(nil)

// ErrGrant is the error of a filter that asks for more than it is granted.
var ErrGrant = errors.New("not granted")

// NewFilter makes a filter and its first instance, so that a config the guest refuses is an error
// here. The module must stay open until the filter is closed.
func (h *Host) NewFilter(s Spec) (*Filter, error) {
	f := &Filter{
		name: s.Name, host: h, module: s.Module, config: s.Config, rates: s.Rates, limits: s.Limits.filled(),
		open: s.OnError == Open, builtin: s.Builtin, shared: s.Builtin || s.Grant.Shared && (s.Module.Manifest.Has(CapShared) || s.Module.Manifest.Proxy != ""),
		ahead: s.Module.Manifest.LookAhead, phases: s.Module.Manifest.phases,
		limiter: s.Limiter, kv: s.KV, observer: s.Observer, logger: s.Logger, started: time.Now(),
	}
	if f.logger == nil {
		f.logger = h.logger
	}
	if len(f.config) == 0 && s.Module.Manifest.Proxy == "" {
		f.config = []byte("{}")
	}
	if err := s.check(f.limits); err != nil {
		return nil, fmt.Errorf("filter %s: %w", s.Name, err)
	}
	if f.limits.Instances == 0 {
		f.limits.Instances = defaultInstances(f.shared)
		if s.Module.Manifest.Proxy != "" {
			f.limits.Instances = defaultVMs
		}
	}
	if s.Module.Manifest.Has(CapHTTP) || s.Module.Manifest.Proxy != "" && len(s.Grant.HTTP) > 0 {
		var err error
		if f.origins, err = outcall.Open(s.Egress, s.Grant.HTTP, s.Grant.Reach); err != nil {
			return nil, fmt.Errorf("filter %s: grant: %w", s.Name, err)
		}
	}
	if s.Module.Manifest.Proxy != "" && len(s.Grant.Redis) > 0 {
		var err error
		if f.redis, err = rediscall.Open(s.Egress, s.Grant.Redis, s.Grant.Reach); err != nil {
			return nil, fmt.Errorf("filter %s: grant: %w", s.Name, err)
		}
	}
	if s.Module.Manifest.Proxy != "" {
		if err := f.openProxy(s); err != nil {
			return nil, err
		}
		h.enter(f)
		return f, nil
	}
	f.pool = newPool(f.limits.Instances, func() (*instance, error) { return f.make((*instance).prepare) })
	first, err := f.pool.grow()
	if err != nil {
		f.Close(context.Background())
		return nil, fmt.Errorf("filter %s: %w", s.Name, err)
	}
	f.phases &^= first.skips
	f.pool.put(first)
	h.enter(f)
	if period := s.Module.Manifest.TickMS; period > 0 {
		f.startTicker(time.Duration(period) * time.Millisecond)
	}
	return f, nil
}

// Granted reports whether the operator grants what the manifest asks for beyond the exchange; the
// error, ErrGrant or a malformed origin, says how to. A built-in filter needs no grant of kv or shared.
func (m *Manifest) Granted(g Grant, builtin bool) error {
	switch {
	case m.Has(CapHTTP) && len(g.HTTP) == 0:
		return fmt.Errorf("its manifest asks to make calls; grant = { http = [\"https://host\"] } names where to: %w", ErrGrant)
	case m.Has(CapKV) && !builtin && !g.KV:
		return fmt.Errorf("its manifest asks to keep values; grant = { kv = true } allows it: %w", ErrGrant)
	case m.Has(CapShared) && !builtin && !g.Shared:
		return fmt.Errorf("its manifest asks to serve several tenants with one instance; grant = { shared = true } allows it: %w", ErrGrant)
	}
	if m.Proxy == "" && len(g.Redis) > 0 {
		return fmt.Errorf("grant.redis is for a proxy-wasm module: %w", ErrGrant)
	}
	transport := egress.New(egress.Needs{})
	o, err := outcall.Open(transport, g.HTTP, g.Reach)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	o.Close()
	r, err := rediscall.Open(transport, g.Redis, g.Reach)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	r.Close()
	return nil
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
	if l.Pause == 0 {
		l.Pause = DefaultPause
	}
	return l
}

// check refuses what the manifest asks for and the filter does not get.
func (s *Spec) check(l Limits) error {
	m := s.Module.Manifest
	if err := m.Granted(s.Grant, s.Builtin); err != nil {
		return err
	}
	if (m.Has(CapHTTP) || len(s.Grant.HTTP)+len(s.Grant.Redis) > 0) && s.Egress == nil || m.Has(CapKV) && s.KV == nil {
		return fmt.Errorf("its manifest asks for calls or values, and there is no way to them: %w", ErrGrant)
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
	if l.Memory < 0 || l.Memory > 1<<32 || l.Time < 0 || l.HostCalls < 0 || l.Output < 0 || l.Pause < 0 || l.Instances < 0 {
		return errors.New("a limit is out of range")
	}
	if s.Module.min > uint64(l.Memory) {
		return fmt.Errorf("its module begins with %d bytes of memory, the limit is %d", s.Module.min, l.Memory)
	}
	return nil
}

func (f *Filter) make(begin func(*instance) error) (*instance, error) {
	now := time.Now()
	if err := f.making.blocked(now); err != nil {
		return nil, err
	}
	in, err := f.newInstance(begin)
	f.making.note(err, now)
	return in, err
}

// Name returns the name of the filter's block.
func (f *Filter) Name() string { return f.name }

// Phases returns the phases that the manifest declares.
func (f *Filter) Phases() exchange.Phase { return f.phases }

// Stats returns what the filter did.
func (f *Filter) Stats() Stats { return f.tally.stats() }

// Run is one callback: the guest sees the part of x that belongs to p. An instance is held during
// the callback only. Where the guest pauses, Run waits for its calls and goes on with another
// callback, until one decides.
func (f *Filter) Run(ctx context.Context, p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
	if f.phases&p == 0 {
		return exchange.Verdict{}, nil
	}
	if f.vms != nil {
		return f.runProxy(ctx, p, x)
	}
	if !f.breaker.allow(x.Tenant, time.Now) {
		f.tally.reasons[reasonSuspended].Add(1)
		return f.broken(x, p, errSuspended)
	}
	o := occasion{x: x, phase: p, event: eventOf(p)}
	v, err := f.serve(ctx, x.Tenant, &o)
	if p == exchange.PhaseDelta {
		f.settle(x, x.Window.Channel)
	}
	if err != nil {
		if _, left := err.(abandoned); left {
			return exchange.Verdict{}, err
		}
		f.fail(x.Tenant, p.String(), x.ID, err)
		return f.broken(x, p, err)
	}
	if o.delay > 0 {
		wait(ctx, x, o.delay)
	}
	return v, nil
}

// serve runs callbacks for one occasion until one of them does not pause.
func (f *Filter) serve(ctx context.Context, tenant string, o *occasion) (exchange.Verdict, error) {
	for {
		v, paused, err := f.callback(ctx, tenant, o)
		if err != nil || !paused {
			return v, err
		}
		if o.result, err = f.await(ctx, o); err != nil {
			if err == errPauseOver {
				f.tally.reasons[reasonPause].Add(1)
			}
			return exchange.Verdict{}, err
		}
		o.event = abi.CallDone
	}
}

// callback runs one callback.
func (f *Filter) callback(ctx context.Context, tenant string, o *occasion) (v exchange.Verdict, paused bool, err error) {
	in, err := f.instance(ctx, tenant)
	if err != nil {
		if ctx.Err() != nil {
			return v, false, abandoned{err}
		}
		f.tally.reasons[reasonInstance].Add(1)
		return v, false, err
	}
	reason := -1
	action, err := in.run(o)
	if err != nil {
		reason = reasonOf(err)
	} else if paused, err = in.pausing(action); err == nil && !paused {
		v, err = in.verdict(action)
	}
	if err != nil && reason < 0 {
		reason = reasonVerdict
		if action < 0 {
			reason = reasonFailed
		}
	}
	in.ran(action, err)
	o.delay = in.delay
	in.end()
	if err != nil {
		f.tally.reasons[reason].Add(1)
		f.tally.disposals.Add(1)
		f.pool.discard(in, true)
		return exchange.Verdict{}, false, err
	}
	f.pool.put(in)
	if o.x == nil || !f.passed(o.x) { // else it fails in another phase of each exchange
		f.breaker.succeeded(tenant)
	}
	return v, paused, nil
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
		f.tally.disposals.Add(1) // it served another tenant and cannot be wiped
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

// fail tells the log and the breaker of a failure. request is the exchange's, or "" outside of one.
func (f *Filter) fail(tenant, phase, request string, err error) {
	f.logFailure(phase, request, err)
	if d, opened := f.breaker.failed(tenant, time.Now); opened {
		f.logger.Warn("filter suspended", "filter", f.name, "tenant", tenant, "for", d)
	}
}

func (f *Filter) logFailure(phase, request string, err error) {
	attrs := []any{"filter", f.name, "phase", phase, "error", err}
	if request != "" {
		attrs = append(attrs, "request_id", request)
	}
	f.logger.Error("filter failed", attrs...)
}

// FailedNote is the key of the note on an exchange that went on without its filter.
const FailedNote = "failed_open"

// broken applies the filter's policy. What goes on says so, once.
func (f *Filter) broken(x *exchange.Exchange, p exchange.Phase, err error) (exchange.Verdict, error) {
	if !f.open {
		return exchange.Verdict{}, err
	}
	if !f.passed(x) {
		x.Annotate(f.name, FailedNote, p.String())
	}
	return exchange.Verdict{}, nil
}

// passed reports whether the exchange went on without the filter before.
func (f *Filter) passed(x *exchange.Exchange) bool {
	return f.open && slices.ContainsFunc(x.Notes, func(n exchange.Note) bool { return n.Filter == f.name && n.Key == FailedNote })
}

// Close ends ticks and calls and closes all instances. It is called after the last Run returned.
func (f *Filter) Close(context.Context) error {
	if f.ticker != nil {
		f.ticker.stop()
	}
	if f.origins != nil {
		f.origins.Close()
	}
	if f.vms != nil {
		f.vms.close()
	} else {
		f.pool.close()
	}
	if f.redis != nil {
		f.redis.Close()
	}
	f.dropSets()
	f.host.leave(f)
	return nil
}

func (f *Filter) dropSets() {
	if p := f.sets.Swap(nil); p != nil {
		for _, r := range *p {
			f.host.drop(r)
		}
	}
}
