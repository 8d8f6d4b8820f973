package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/egress"
)

// built is a generation that is ready to become current.
type built struct {
	generation *gateway.Generation
	sinks      []*telemetry.Sink
	compiled   bool // modules were, which leaves garbage
	listening  *listening
	models     []*upstream.Model // that are called
}

// compileGC is the garbage collector's percentage while a module is compiled: the least that does not
// cost noticeable time.
const compileGC = 40

// builder builds one generation. Everything it opens belongs to the scope. What needs time (to
// launch, to compile) is opened side by side.
type builder struct {
	*Daemon
	ctx   context.Context
	cfg   *config.Config
	scope *Scope

	shared map[*config.Provider]bool // whose files calls may name, whosever they are

	compiling sync.Mutex // held to compile; protects compiled
	compiled  bool       // a module was

	mu        sync.Mutex // protects what follows
	providers map[*config.Provider]*provided
	filters   map[*config.Filter]*wasmhost.Filter
	sinks     []*telemetry.Sink
}

func (d *Daemon) build(ctx context.Context, cfg *config.Config, scope *Scope) (*built, error) {
	b := &builder{Daemon: d, ctx: ctx, cfg: cfg, scope: scope, shared: sharing(cfg), providers: make(map[*config.Provider]*provided), filters: make(map[*config.Filter]*wasmhost.Filter)}
	if err := b.openParts(); err != nil {
		return nil, err
	}
	models, err := b.models()
	if err != nil {
		return nil, err
	}
	var routes []*gateway.Route
	for _, r := range cfg.Routes {
		routes = append(routes, b.route(r, models))
	}
	var teams []*gateway.Team
	for _, t := range cfg.Teams {
		team, err := team(t)
		if err != nil {
			return nil, err
		}
		teams = append(teams, team)
	}
	generation := gateway.NewGeneration(routes, teams)
	generation.MaxBody = cfg.Gateway.Limits.Body
	generation.MaxSession = cfg.Gateway.Limits.Session
	generation.AtOnce = gateway.AtOnce(cfg.Gateway.Limits.Tenant)
	return &built{generation: generation, sinks: b.sinks, compiled: b.compiled, models: called(cfg, models)}, nil
}

// atOnce is how many processes are started at a time, or one for each processor where there are more: yet more would only keep
// each other waiting, and each has its time to start.
const atOnce = 4

// openParts opens the providers and filters that a route leads to, and the sinks. What is wrong with any of them is told,
// in the order of the file.
func (b *builder) openParts() error {
	var wg sync.WaitGroup
	var errs []*error
	open := func(do func() error) {
		err := new(error)
		errs = append(errs, err)
		wg.Go(func() { *err = do() })
	}
	places := make(chan struct{}, max(atOnce, runtime.NumCPU()))
	process := func(do func() error) {
		open(func() error {
			select {
			case places <- struct{}{}:
			case <-b.ctx.Done():
				return context.Cause(b.ctx)
			}
			defer func() { <-places }()
			return do()
		})
	}
	providers, filters := used(b.cfg)
	for _, p := range b.cfg.Providers {
		if providers[p] {
			process(func() error { return b.openProvider(p) })
		}
	}
	for _, f := range b.cfg.Filters {
		if filters[f] {
			open(func() error { return b.openFilter(f) })
		}
	}
	for _, t := range b.cfg.Telemetry {
		process(func() error { return b.openSink(t) })
	}
	wg.Wait()
	all := make([]error, len(errs))
	for i, err := range errs {
		all[i] = *err
	}
	return errors.Join(all...)
}

// used returns what the routes refer to: nothing else is launched or compiled.
func used(cfg *config.Config) (providers map[*config.Provider]bool, filters map[*config.Filter]bool) {
	providers, filters = make(map[*config.Provider]bool), make(map[*config.Filter]bool)
	for _, r := range cfg.Routes {
		for _, p := range leads(r) {
			providers[p] = true
		}
		for _, f := range r.Pipeline.Filters {
			filters[f] = true
		}
	}
	return providers, filters
}

// leads returns the providers that a route leads to, perhaps more than once; nil where it has none for files.
func leads(r *config.Route) (providers []*config.Provider) {
	for _, m := range reached(r) {
		for _, t := range m.Targets {
			providers = append(providers, t.Provider)
		}
	}
	return append(providers, r.Files)
}

// sharing returns the providers of which calls may name whatever is kept: where the configuration says so or, if it says
// nothing, where no caller is told from another.
func sharing(cfg *config.Config) map[*config.Provider]bool {
	shared := make(map[*config.Provider]bool)
	for _, p := range cfg.Providers {
		shared[p] = p.SharedFiles == nil || *p.SharedFiles
	}
	for _, r := range cfg.Routes {
		for _, p := range leads(r) {
			if p != nil && p.SharedFiles == nil && !r.Open {
				shared[p] = false
			}
		}
	}
	return shared
}

// reached returns the models that a route's calls may come to, as fallbacks too.
func reached(r *config.Route) (models []*config.Model) {
	for _, m := range r.Models {
		models = append(append(models, m), m.Fallback...)
	}
	return models
}

// key names a pooled thing by everything it is made from.
func key(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // plain data of the program's own
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (b *builder) openFilter(f *config.Filter) error {
	wasm, builtin, err := b.moduleOf(f)
	if err != nil {
		return fmt.Errorf("filter %s: %w", f.Name, err)
	}
	raw, err := f.Config.JSON()
	if err != nil {
		return err
	}
	if f.ConfigText != "" {
		raw = []byte(f.ConfigText)
	}
	rates := make(map[string]limit.Rate, len(f.Rates))
	for _, r := range f.Rates {
		rate, err := limit.ParseRate(r.Limit)
		if err != nil {
			return fmt.Errorf("filter %s: rate %s: %w", f.Name, r.Name, err)
		}
		rate.SlowDownAt = r.SlowDownAt
		rates[r.Name] = rate
	}
	module, err := b.modules.take(b.ctx, b.scope, wasmhost.Key(wasm), func(ctx context.Context) (*wasmhost.Module, error) {
		b.compiling.Lock() // one compilation keeps every processor busy, and makes much garbage
		defer b.compiling.Unlock()
		defer debug.SetGCPercent(debug.SetGCPercent(compileGC))
		b.compiled = true
		return b.wasm.Open(ctx, wasm)
	})
	if err != nil {
		return fmt.Errorf("filter %s: %w", f.Name, err)
	}
	spec := wasmhost.Spec{
		Name: f.Name, Module: module, Config: raw, Rates: rates, Builtin: builtin, Limiter: b.limiter, Observer: b.telemetry, Logger: b.log,
		OnError: wasmhost.OnError(f.OnError), Egress: b.egress, KV: b.values,
		Limits: wasmhost.Limits{Memory: f.Limits.Memory, Time: f.Limits.Time, HostCalls: f.Limits.HostCalls, Output: f.Limits.Output, Pause: f.Limits.Pause},
		Grant:  wasmhost.Grant{HTTP: f.GrantHTTP, Redis: f.GrantRedis, Reach: egress.ReachOf(f.GrantPrivate), KV: f.GrantKV, Shared: f.GrantShared, Clusters: f.Clusters},
	}
	id := key(f.Name, wasmhost.Key(wasm), string(raw), rates, f.OnError, f.Limits, spec.Grant)
	filter, err := b.Daemon.filters.take(b.ctx, b.scope, id, func(context.Context) (*wasmhost.Filter, error) { return b.wasm.NewFilter(spec) })
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.filters[f] = filter
	b.mu.Unlock()
	return nil
}

// maxModule bounds the file of a module, in bytes.
const maxModule = 64 << 20

// moduleOf returns a filter's module: the binary's own, or the file's if it is the one that the
// operator means.
func (d *Daemon) moduleOf(f *config.Filter) (wasm []byte, builtin bool, err error) {
	if name, ok := strings.CutPrefix(f.Wasm, config.BuiltinPrefix); ok {
		if wasm = d.Module(name); wasm == nil {
			return nil, true, fmt.Errorf("there is no built-in filter %q", name)
		}
		return wasm, true, nil
	}
	info, err := os.Stat(f.Wasm)
	if err != nil {
		return nil, false, err
	}
	if info.Size() > maxModule {
		return nil, false, fmt.Errorf("%s has %d bytes, at most %d are allowed", f.Wasm, info.Size(), maxModule)
	}
	if wasm, err = os.ReadFile(f.Wasm); err != nil {
		return nil, false, err
	}
	if sum := sha256.Sum256(wasm); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, false, fmt.Errorf("%s is not the file that was meant: its sha256 is %x", f.Wasm, sum)
	}
	return wasm, false, nil
}

func (b *builder) route(r *config.Route, models map[*config.Model]*upstream.Model) *gateway.Route {
	filters := make([]exchange.Filter, 0, len(r.Pipeline.Filters))
	for _, f := range r.Pipeline.Filters {
		filters = append(filters, b.filters[f])
	}
	out := &gateway.Route{
		Name: r.Name, Listener: r.Listener.Name, Path: r.Path, Methods: r.Methods, Open: r.Open,
		Pipeline: exchange.NewPipeline(r.Pipeline.Name, filters...),
	}
	if p := r.Files; p != nil {
		out.Files = &upstream.Model{Name: "files", Attempts: 1, Targets: []*upstream.Target{{Name: p.Name, ProviderName: p.Name, Provider: b.providers[p], Weight: 1, SharedFiles: b.shared[p]}}}
	}
	for _, m := range r.Models {
		out.Models = append(out.Models, gateway.Model{Model: models[m], Aliases: m.Aliases, Created: b.started.Unix()})
	}
	return out
}

func team(t *config.Team) (*gateway.Team, error) {
	out := &gateway.Team{Name: t.Name, AtOnce: gateway.AtOnce(t.AtOnce)}
	for _, m := range t.Models {
		out.Models = append(out.Models, m.Name)
	}
	var errs [2]error
	out.Rate, errs[0] = rate(t.Requests)
	out.BatchRate, errs[1] = rate(t.BatchCalls)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("team %s: %w", t.Name, err)
	}
	return out, nil
}

// rate reads a rate that may not be there.
func rate(text string) (*limit.Rate, error) {
	if text == "" {
		return nil, nil
	}
	r, err := limit.ParseRate(text)
	return &r, err
}

func (d *Daemon) caPath() string { return filepath.Join(d.dataDir, caFile) }

// uptime is how long the daemon has been running.
func (d *Daemon) uptime() time.Duration { return time.Since(d.started).Truncate(time.Second) }
