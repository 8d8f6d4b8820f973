// Package daemon is the composition root: it builds a Generation from a Config, opens listeners,
// applies a changed configuration while requests go on, and ends everything in order. It is the only
// package that knows all the others.
//
// It decides nothing about a request (package gateway does) and reads no configuration by itself: the
// caller says how to load one.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/certstore"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/hangup"
)

// The files of the data directory.
const (
	stateFile  = "state.db"
	masterFile = "master.key"
	caFile     = "ca.pem"
	cacheDir   = "modules"
	socketLink = "sockets" // to the directory of the plugins' sockets
)

const socketPrefix = "ginnel-"

// stuckTime is how long a stop waits for exchanges that were told and cut and still do not end.
const stuckTime = 30 * time.Second

// Needs is what a Daemon works with.
type Needs struct {
	Version string
	Load    func() config.Result // reads the configuration again
	Logger  *slog.Logger
	Level   *slog.LevelVar // of Logger; a reload may change it

	// Command returns the command that serves a built-in plugin, or nil.
	Command func(plugin string) *exec.Cmd
	// Alone is the start of a command that calls pluginhost.Alone with the rest of it.
	Alone []string
	// Cgroup is where each plugin's process gets a group of its own; nil = none does.
	Cgroup *pluginhost.Cgroup
	// Module returns a built-in filter's module, or nil.
	Module func(filter string) []byte
	Codecs []dialect.Codec
	// Upstreams are the dialects that providers speak and no client does.
	Upstreams []dialect.Upstream
	// Master is the master key where the configuration's is not meant, as for throwaway state.
	Master *seal.Master
}

// Daemon is a running gateway. It is safe for concurrent use.
type Daemon struct {
	Needs
	log     *slog.Logger
	dataDir string
	started time.Time
	scope   Scope // what lives as long as the daemon

	store     *store.Store
	values    *store.KV // of filters
	keys      *access.Keys
	limiter   *limit.Limiter
	telemetry *telemetry.Telemetry
	gateway   *gateway.Gateway
	egress    *egress.Transport
	plugins   *pluginhost.Host
	wasm      *wasmhost.Host
	watcher   *hangup.Watcher
	certs     *certstore.Storage

	modules   *pool[*wasmhost.Module]
	filters   *pool[*wasmhost.Filter]
	providers *pool[*provided]
	sinks     *pool[*sinking]
	states    *pool[*upstream.State]
	budgets   *pool[*upstream.Budget]

	reloading sync.Mutex // orders reloads, from reading the file on
	applying  sync.Mutex // orders what is applied
	retiring  sync.WaitGroup

	mu        sync.Mutex // protects what follows
	config    *config.Config
	current   *Scope
	listeners map[string]*server.Server // by name, as the next two
	admins    map[string]*server.Admin
	bound     map[string]*config.Listener
	models    []*upstream.Model // of the running configuration, that are called
	master    string            // where the master key comes from, for status
	reloads   Reloads
	draining  bool
}

// Start opens the state, applies the first configuration and listens. The caller stops the daemon.
func Start(ctx context.Context, n Needs, cfg *config.Config) (_ *Daemon, err error) {
	d := &Daemon{
		Needs: n, log: n.Logger, dataDir: cfg.Gateway.DataDir, started: time.Now(), limiter: limit.New(limit.Config{}),
		listeners: make(map[string]*server.Server), admins: make(map[string]*server.Admin),
	}
	defer func() {
		if err != nil {
			d.scope.Close(context.WithoutCancel(ctx))
		}
	}()
	if err := d.openState(cfg); err != nil {
		return nil, err
	}
	d.telemetry = telemetry.New(telemetry.Config{Logger: n.Logger, Version: n.Version})
	d.telemetry.SetListeners(d.listenerStats)
	d.telemetry.SetModelStats(d.modelStats)
	if err := d.openHosts(ctx); err != nil {
		return nil, err
	}
	d.gateway = gateway.New(gateway.Needs{Keys: d.keys, Uploads: uploads.New(d.store), Limiter: d.limiter, Telemetry: d.telemetry, Codecs: n.Codecs, Upstreams: n.Upstreams, Logger: n.Logger})
	d.openPools()
	if err := d.Apply(ctx, cfg); err != nil {
		return nil, err
	}
	c, err := d.listenControl()
	if err != nil {
		d.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	d.scope.Defer(c.Close)
	return d, nil
}

// openState opens what is remembered: the store, the master key, the virtual keys.
func (d *Daemon) openState(cfg *config.Config) error {
	s, err := store.Open(store.Needs{Path: filepath.Join(d.dataDir, stateFile), Logger: d.log})
	if err != nil {
		if errors.Is(err, store.ErrLocked) {
			return fmt.Errorf("%w: is a daemon running with this data_dir?", err)
		}
		return err
	}
	d.store = s
	d.scope.Defer(func(context.Context) error { return s.Close() })
	if d.values, err = store.OpenKV(s, d.log); err != nil {
		return err
	}
	d.scope.Defer(func(context.Context) error { return d.values.Close() })
	master, from, err := OpenMaster(cfg)
	if d.Master != nil {
		master, from, err = d.Master, "memory", nil
	}
	if err != nil {
		return err
	}
	d.master = from
	if d.keys, err = access.Open(access.Needs{Store: s, Master: master}); err != nil {
		return err
	}
	d.certs = certstore.New(s, master)
	return nil
}

// OpenMaster returns the master key that the configuration means and where it comes from: the secret
// it names, or the file in the data directory, which is made where there is none.
func OpenMaster(cfg *config.Config) (m *seal.Master, from string, err error) {
	if secret := cfg.Storage.Master; !secret.Empty() {
		m, err = seal.New([]byte(secret.Reveal()))
		return m, "storage.encryption.key", err
	}
	path := filepath.Join(cfg.Gateway.DataDir, masterFile)
	m, _, err = seal.File(path)
	if err != nil {
		return nil, "", fmt.Errorf("master key: %w", err)
	}
	return m, path, nil
}

// openHosts opens what runs guests and speaks to the outside.
func (d *Daemon) openHosts(ctx context.Context) error {
	var err error
	if d.watcher, err = hangup.New(); err != nil {
		return fmt.Errorf("hang-up watcher: %w", err)
	}
	d.scope.Defer(func(context.Context) error { return d.watcher.Close() })
	d.egress = egress.New(egress.Needs{Logger: d.log})
	if d.wasm, err = wasmhost.New(ctx, wasmhost.Config{Dir: filepath.Join(d.dataDir, cacheDir), Logger: d.log}); err != nil {
		return err
	}
	d.scope.Defer(d.wasm.Close)
	d.telemetry.SetFilterStats(d.filterStats)
	dir, err := d.socketDir()
	if err != nil {
		return fmt.Errorf("plugin sockets: %w", err)
	}
	d.plugins, err = pluginhost.New(pluginhost.Needs{Logger: d.log, Dir: filepath.Join(dir, "s"), Command: d.Command, Alone: d.Alone, Cgroup: d.Cgroup, Restarted: d.telemetry.PluginRestarted})
	return err
}

// socketDir makes a directory for the plugins' sockets, whose paths are short, and removes the one
// that a daemon left that was killed.
func (d *Daemon) socketDir() (string, error) {
	link := filepath.Join(d.dataDir, socketLink)
	if old, err := os.Readlink(link); err == nil && filepath.Dir(old) == filepath.Clean(os.TempDir()) && strings.HasPrefix(filepath.Base(old), socketPrefix) {
		os.RemoveAll(old)
	}
	dir, err := os.MkdirTemp("", socketPrefix)
	if err != nil {
		return "", err
	}
	d.scope.Defer(func(context.Context) error { return errors.Join(os.RemoveAll(dir), os.RemoveAll(link)) })
	if err := errors.Join(os.RemoveAll(link), os.Symlink(dir, link)); err != nil { // it only helps the next start
		d.log.Warn("directory of sockets is not noted", "dir", dir, "error", err)
	}
	return dir, nil
}

func (d *Daemon) openPools() {
	d.modules = newPool((*Scope).Defer, func(ctx context.Context, m *wasmhost.Module) error { return m.Close(ctx) })
	d.filters = newPool((*Scope).Defer, func(ctx context.Context, f *wasmhost.Filter) error { return f.Close(ctx) })
	d.providers = newPool((*Scope).Beside, func(ctx context.Context, p *provided) error { return p.Close(ctx) })
	d.sinks = newPool((*Scope).Beside, func(ctx context.Context, s *sinking) error { return s.Close(ctx) })
	d.states = newPool((*Scope).Defer, func(context.Context, *upstream.State) error { return nil })
	d.budgets = newPool((*Scope).Defer, func(context.Context, *upstream.Budget) error { return nil })
}

// Stop ends the daemon: it accepts nothing more, lets open exchanges end until ctx does, tells those
// that are left, and closes everything. The error says what was cut.
func (d *Daemon) Stop(ctx context.Context) error {
	d.mu.Lock()
	d.draining = true
	admins, listeners, current := d.admins, d.listeners, d.current
	d.admins, d.listeners, d.current = nil, nil, nil
	d.mu.Unlock()
	for _, a := range admins {
		a.Drain()
	}
	errs := drainAll(ctx, listeners)
	d.applying.Lock() // a reload that is under way ends first
	defer d.applying.Unlock()
	last := d.gateway.Close()
	if last != nil {
		d.retiring.Go(func() { d.retire(last, current, 0) })
	}
	if !d.retired(stuckTime) {
		err := errors.New("what the last configuration held does not end")
		if last != nil && last.InFlight() > 0 {
			err = fmt.Errorf("%d requests that were cut do not end", last.InFlight())
		}
		return errors.Join(append(errs, err)...) // what they hold cannot be closed under them
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	for _, a := range admins {
		errs = append(errs, a.Close(end))
	}
	errs = append(errs, d.scope.Close(end))
	return errors.Join(errs...)
}

// retired waits until what is being retired has ended, and reports whether it has.
func (d *Daemon) retired(most time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.retiring.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(most):
		return false
	}
}

func drainAll(ctx context.Context, listeners map[string]*server.Server) []error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, l := range listeners {
		wg.Go(func() {
			err := l.Drain(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errs
}
