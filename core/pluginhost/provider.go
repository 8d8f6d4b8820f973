package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
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
	config   []byte
	place    provider.Place
	declared []string // attributes of the block, beside base_url, that say so

	info   atomic.Pointer[provider.Info]
	lease  atomic.Pointer[provider.Relay]
	origin string // that of every lease; written before the first is taken

	asking   sync.Mutex // protects what follows
	flight   *flight    // the asking that is under way, or nil
	asked    time.Time  // when a new lease was last asked for
	received time.Time  // when the last one came
}

// flight is one asking for a lease. All who want one meanwhile wait for it.
type flight struct {
	done chan struct{} // closed when it has ended
	err  error         // set before done is closed
}

// Provider launches a provider plugin, describes and configures it and takes its first lease. It
// returns when the plugin is ready; the caller closes it. The context bounds that and nothing else.
func (h *Host) Provider(ctx context.Context, spec ProviderSpec) (*Provider, error) {
	p := &Provider{config: orEmpty(spec.Config), place: spec.Place, declared: spec.Declared}
	p.supervised = supervised{
		host:   h,
		launch: launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindProvider, answers: true, limits: spec.Limits, secrets: secretsOf(spec.Secrets)},
		socket: h.path("sock"),
	}
	p.prepare, p.upkeep = p.ready, p.tend
	p.drain = func(ctx context.Context, proc *process) error { return proc.provider.Drain(ctx) }
	if err := p.begin(ctx); err != nil {
		os.Remove(p.socket)
		return nil, err
	}
	return p, nil
}

// errSilent is why a process is of no use that answers the host and nobody else.
var errSilent = errors.New("it is invoked, and does not listen for calls")

// errTurned is why a process does not follow another: who has launched the first one has looked at what that said, as the
// lock file has it, and calls go where that was for.
var errTurned = errors.New("it says another thing than its first process of who makes its calls, or of what it can be told of them")

// ready makes a new process ready for calls.
func (p *Provider) ready(ctx context.Context, proc *process) error {
	info, err := proc.provider.Describe(ctx)
	if err != nil {
		return err
	}
	if !info.Relays && !info.Invokes {
		return errors.New("it neither relays nor is invoked")
	}
	if first := p.info.Load(); first != nil && (first.Relays != info.Relays || first.Placed != info.Placed || first.Connects != info.Connects) {
		return errTurned
	}
	if err := p.configure(ctx, proc, info); err != nil {
		return err
	}
	if !info.Relays && !listens(proc.socket) {
		return errSilent
	}
	lease := provider.InvokePaths(info)
	if info.Relays {
		if lease, err = proc.provider.Relay(ctx); err != nil {
			return err
		}
	}
	if p.lease.Load() == nil {
		if p.origin, err = info.Leads(lease); err != nil {
			return err
		}
	}
	if err := p.leads(info, lease); err != nil {
		return err
	}
	p.info.Store(info)
	p.take(lease)
	return nil
}

// configure hands a process its configuration and, where it makes its calls itself, the place of those.
func (p *Provider) configure(ctx context.Context, proc *process, info *provider.Info) error {
	if err := Untold(info, proc.version, p.place, p.declared); err != nil {
		return err
	}
	if info.Relays || !info.Placed && !info.Connects {
		return proc.provider.Configure(ctx, p.config)
	}
	return proc.provider.ConfigureAt(ctx, p.config, p.place)
}

// Untold says what a provider that makes its calls itself cannot be told of its block, by what it says of itself
// and the version of the protocol. declared are the attributes, beside base_url, that say how it gets there.
func Untold(info *provider.Info, version int, place provider.Place, declared []string) error {
	var untold []string
	if place.BaseURL != "" && !info.Placed {
		untold = append(untold, "base_url")
	}
	if !info.Connects {
		untold = append(untold, declared...)
	}
	attrs := strings.Join(untold, ", ")
	switch {
	case info.Relays || len(untold) == 0:
		return nil
	case info.Placed:
		return fmt.Errorf("%s: it makes its calls itself and can be told a base_url only: build it with a newer SDK", attrs)
	case version < plugin.Version2:
		return fmt.Errorf("%s: it speaks version %d of the plugin protocol and cannot be told where to make its calls", attrs, version)
	}
	return fmt.Errorf("%s: it makes its calls itself and does not say that it can be told where to", attrs)
}

// leads holds a lease to the origin of the first one: nothing sends its credentials elsewhere.
func (p *Provider) leads(info *provider.Info, lease *provider.Relay) error {
	origin, err := info.Leads(lease)
	if err == nil && origin != p.origin {
		err = fmt.Errorf("its lease is for %q and was for %q: that takes another configuration", origin, p.origin)
	}
	return err
}

// Origin returns the base URL that a provider block without base_url reaches: one that the plugin's
// description lists, or "". It stays the same for the Provider's life.
func (p *Provider) Origin() string { return p.origin }

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
	if expired(lease) {
		return nil, &llm.Error{Code: llm.CodeUnavailable, Message: "the provider's credentials have expired"}
	}
	return lease, nil
}

func expired(lease *provider.Relay) bool {
	return !lease.Expires.IsZero() && time.Now().After(lease.Expires)
}

// Valid returns the lease, and waits for a new one only where it has expired.
func (p *Provider) Valid(ctx context.Context) (*provider.Relay, error) {
	if lease := p.lease.Load(); !expired(lease) {
		return lease, nil
	}
	return p.renewed(ctx, func() bool { return expired(p.lease.Load()) })
}

// Refresh asks for a new lease unless the current one is not of that version any more, and returns
// the current one: its version differs from the given one exactly if its content does. Callers that
// come while the plugin is asked share the answer.
func (p *Provider) Refresh(ctx context.Context, version uint64) (*provider.Relay, error) {
	return p.renewed(ctx, func() bool { return p.lease.Load().Version == version })
}

// renewed returns the lease after the plugin was asked for another, where the one that is there is not
// good enough. One asking is under way at a time; it goes on when a caller leaves, for the others.
func (p *Provider) renewed(ctx context.Context, wanted func() bool) (*provider.Relay, error) {
	p.asking.Lock()
	f := p.flight
	if !wanted() || p.Invoked() || f == nil && time.Since(p.asked) < refreshEvery {
		p.asking.Unlock()
		return p.Lease()
	}
	if f == nil {
		f = &flight{done: make(chan struct{})}
		p.flight, p.asked = f, time.Now()
		go p.ask(f)
	}
	p.asking.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if f.err != nil {
		return nil, f.err
	}
	return p.Lease()
}

// ask takes a new lease from the plugin.
func (p *Provider) ask(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), p.host.CallTimeout)
	defer cancel()
	lease, err := (*provider.Relay)(nil), error(&llm.Error{Code: llm.CodeUnavailable, Message: "the provider's plugin is restarting"})
	if proc := p.process(); proc != nil {
		lease, err = proc.provider.Relay(ctx)
	}
	if err == nil {
		err = p.leads(p.Info(), lease)
	}
	if err == nil {
		p.take(lease)
	}
	p.asking.Lock()
	p.flight = nil
	p.asking.Unlock()
	f.err = p.secrets.hideIn(err)
	close(f.done)
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

// tend sees to it that there is a lease, and somebody who answers calls.
func (p *Provider) tend(ctx context.Context, _ *process) error {
	p.renew(ctx)
	if p.Invoked() && !listens(p.socket) {
		return errSilent
	}
	return nil
}

// renew asks for a new lease when the current one is about to expire.
func (p *Provider) renew(ctx context.Context) {
	due := func() bool {
		expires := p.lease.Load().Expires
		return !expires.IsZero() && time.Until(expires) <= min(renewBefore, expires.Sub(p.received)/5)
	}
	if _, err := p.renewed(ctx, due); err != nil {
		p.log.Warn("lease was not renewed", "expires", p.lease.Load().Expires, "error", err)
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
	return p.secrets.hideIn(proc.provider.Probe(ctx))
}

// Close waits until the plugin's open calls have ended or ctx does, and ends the process.
func (p *Provider) Close(ctx context.Context) error {
	_ = p.close(ctx) // a call that is left is cut, which its caller sees
	os.Remove(p.socket)
	return nil
}
