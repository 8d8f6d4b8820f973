package pluginhost

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
)

// The times of a lease.
const (
	renewBefore  = time.Minute // a lease is renewed so long before it expires, or in its last fifth
	refreshEvery = time.Second // a lease that did not change is not asked for again so soon
)

// Provider is a provider plugin that is kept running. It is safe for concurrent use.
type Provider struct {
	supervised
	config []byte

	info  atomic.Pointer[provider.Info]
	lease atomic.Pointer[provider.Relay]

	turn     chan struct{} // held by whoever asks for a lease
	asking   sync.Mutex    // protects what follows
	asked    time.Time     // when the last lease was asked for
	received time.Time     // when it came
}

// Provider launches a provider plugin, describes and configures it and takes its first lease. It
// returns when the plugin is ready; the caller closes it. The context bounds that and nothing else.
func (h *Host) Provider(ctx context.Context, spec ProviderSpec) (*Provider, error) {
	p := &Provider{config: orEmpty(spec.Config), turn: make(chan struct{}, 1)}
	p.supervised = supervised{
		host:   h,
		launch: launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindProvider, socket: h.socket()},
	}
	p.prepare, p.upkeep = p.ready, p.renew
	if err := p.begin(ctx); err != nil {
		os.Remove(p.socket)
		return nil, err
	}
	return p, nil
}

// ready makes a new process ready for calls.
func (p *Provider) ready(ctx context.Context, proc *process) error {
	info, err := proc.provider.Describe(ctx)
	if err != nil {
		return err
	}
	if !info.Relays && !info.Invokes {
		return errors.New("it neither relays nor is invoked")
	}
	if err := proc.provider.Configure(ctx, p.config); err != nil {
		return err
	}
	lease := provider.InvokePaths(info)
	if info.Relays {
		if lease, err = proc.provider.Relay(ctx); err != nil {
			return err
		}
	}
	p.info.Store(info)
	p.take(lease)
	return nil
}

// Info returns what the plugin says about itself.
func (p *Provider) Info() *provider.Info { return p.info.Load() }

// Invoked reports whether calls go to the plugin's own Socket and not to the provider's origin.
func (p *Provider) Invoked() bool { return !p.Info().Relays }

// Socket returns the path of the unix socket on which a plugin that is invoked answers. It stays the
// same for the Provider's life; who answers there must be PID.
func (p *Provider) Socket() string { return p.socket }

// Lease returns the lease as it is, without asking the plugin. It outlives a crash of the plugin
// until it expires. Without one the error is an *llm.Error, CodeUnavailable.
func (p *Provider) Lease() (*provider.Relay, error) {
	lease := p.lease.Load()
	if !lease.Expires.IsZero() && time.Now().After(lease.Expires) {
		return nil, &llm.Error{Code: llm.CodeUnavailable, Message: "the provider's credentials have expired"}
	}
	return lease, nil
}

// Refresh asks for a new lease unless the current one is not of that version any more, and returns
// the current one: its version differs from the given one exactly if its content does. Callers that
// come while the plugin is asked share the answer.
func (p *Provider) Refresh(ctx context.Context, version uint64) (*provider.Relay, error) {
	arrived := time.Now()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.asking.Lock()
	fresh := p.received.After(arrived) || time.Since(p.asked) < refreshEvery
	p.asking.Unlock()
	if p.lease.Load().Version != version || fresh || p.Invoked() {
		return p.Lease()
	}
	proc := p.process()
	if proc == nil {
		return nil, &llm.Error{Code: llm.CodeUnavailable, Message: "the provider's plugin is restarting"}
	}
	ctx, cancel := context.WithTimeout(ctx, p.host.CallTimeout)
	defer cancel()
	if err := p.ask(ctx, proc); err != nil {
		return nil, err
	}
	return p.Lease()
}

// ask takes a new lease from the plugin. The caller holds the turn.
func (p *Provider) ask(ctx context.Context, proc *process) error {
	p.asking.Lock()
	p.asked = time.Now()
	p.asking.Unlock()
	lease, err := proc.provider.Relay(ctx)
	if err != nil {
		return err
	}
	p.take(lease)
	return nil
}

// take makes a lease the current one. A new version is a new content.
func (p *Provider) take(lease *provider.Relay) {
	p.asking.Lock()
	defer p.asking.Unlock()
	p.received = time.Now()
	lease.Version = 1
	if last := p.lease.Load(); last != nil {
		lease.Version = last.Version
		if !lease.Same(last) {
			lease.Version++
		}
	}
	p.lease.Store(lease)
}

// renew asks for a new lease when the current one is about to expire.
func (p *Provider) renew(ctx context.Context, proc *process) {
	expires := p.lease.Load().Expires
	if expires.IsZero() {
		return
	}
	p.asking.Lock()
	life := expires.Sub(p.received)
	p.asking.Unlock()
	if time.Until(expires) > min(renewBefore, life/5) {
		return
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	default:
		return // somebody asks already
	}
	if err := p.ask(ctx, proc); err != nil {
		p.log.Warn("lease was not renewed", "expires", expires, "error", err)
	}
}

// Probe asks the plugin whether it would work. Errors are *llm.Error.
func (p *Provider) Probe(ctx context.Context) error {
	proc := p.process()
	if proc == nil {
		return &llm.Error{Code: llm.CodeUnavailable, Message: "the provider's plugin is restarting"}
	}
	ctx, cancel := context.WithTimeout(ctx, p.host.CallTimeout)
	defer cancel()
	return proc.provider.Probe(ctx)
}

// Close waits until the plugin's open calls have ended or ctx does, and ends the process.
func (p *Provider) Close(ctx context.Context) error {
	p.close(func(proc *process) {
		if err := proc.provider.Drain(ctx); err != nil {
			p.log.Warn("plugin did not drain", "error", err)
		}
	})
	os.Remove(p.socket)
	return nil
}
