package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/server/cert"
	"github.com/ginnel/ginnel/core/spool"
	"github.com/ginnel/ginnel/core/telemetry"
)

// The times of a change.
const (
	buildTime = 5 * time.Minute  // to launch, compile and probe what is new, on a small or busy machine
	closeTime = 10 * time.Second // to close what a generation held
)

// Reloads counts the attempts to change the configuration.
type Reloads struct {
	Applied   int       `json:"applied"`
	Unchanged int       `json:"unchanged"`
	Refused   int       `json:"refused"`
	Last      time.Time `json:"last,omitzero"`
	LastError string    `json:"last_error,omitempty"`
}

// Reload loads the configuration again and applies it if it is whole. by says who asked, for the log.
func (d *Daemon) Reload(ctx context.Context, by string) ReloadResult {
	d.reloading.Lock() // from the reading on: an older text must not be applied after a newer one
	defer d.reloading.Unlock()
	begin := time.Now()
	loaded := d.Load()
	r := ReloadResult{Diagnostics: loaded.Diagnostics}
	var text strings.Builder
	config.WriteDiagnostics(&text, loaded.Diagnostics, loaded.Files, 0, false)
	r.Text = text.String()
	result := "refused"
	switch {
	case loaded.Config == nil:
		r.Error = "the configuration has mistakes; the running one goes on"
	case loaded.Config.Hash == d.running().Hash:
		result, r.Hash = "unchanged", loaded.Config.Hash
	default:
		r.Hash = loaded.Config.Hash
		if err := d.Apply(ctx, loaded.Config); err != nil {
			r.Error = err.Error()
		} else {
			result, r.Changed = "applied", true
		}
	}
	d.telemetry.ConfigReloaded(result, time.Since(begin))
	d.record(result, r.Error)
	if r.Error != "" {
		d.log.Error("configuration refused", "by", by, "error", r.Error, "mistakes", len(loaded.Diagnostics.Errs()))
		d.logMistakes(loaded.Diagnostics)
	} else {
		d.log.Info("configuration "+result, "by", by, "hash", r.Hash, "took", time.Since(begin))
	}
	return r
}

// maxMistakes bounds how many mistakes of one reload are logged.
const maxMistakes = 20

// logMistakes logs what is wrong with a file: a signal has nobody else to tell.
func (d *Daemon) logMistakes(diags hcl.Diagnostics) {
	for i, m := range diags {
		if i == maxMistakes {
			d.log.Error("more mistakes are not logged", "mistakes", len(diags)-i)
			return
		}
		at := ""
		if m.Subject != nil {
			at = fmt.Sprintf("%s:%d", m.Subject.Filename, m.Subject.Start.Line)
		}
		level := slog.LevelError
		if m.Severity == hcl.DiagWarning {
			level = slog.LevelWarn
		}
		d.log.Log(context.Background(), level, "configuration mistake", "at", at, "summary", m.Summary, "detail", m.Detail)
	}
}

func (d *Daemon) running() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}

func (d *Daemon) record(result, problem string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch result {
	case "applied":
		d.reloads.Applied++
	case "unchanged":
		d.reloads.Unchanged++
	default:
		d.reloads.Refused++
	}
	d.reloads.Last, d.reloads.LastError = time.Now(), problem
}

// Apply makes cfg the running configuration: build, swap, drain. On an error nothing has changed.
func (d *Daemon) Apply(ctx context.Context, cfg *config.Config) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	if d.stopping() {
		return errStopping
	}
	if cfg.Gateway.DataDir != d.dataDir {
		return fmt.Errorf("data_dir cannot change from %s to %s without a restart", d.dataDir, cfg.Gateway.DataDir)
	}
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	scope := new(Scope)
	built, err := d.build(ctx, cfg, scope)
	if err == nil {
		err = d.listen(ctx, cfg, built)
	}
	if err == nil && !d.swap(cfg, built, scope) {
		built.listening.undo(context.WithoutCancel(ctx))
		err = errStopping
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		scope.Close(end)
	}
	return err
}

var errStopping = fmt.Errorf("the daemon is going down")

func (d *Daemon) stopping() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.draining
}

// listening is a change of listeners, prepared: what is new is bound, what stays is not touched yet.
type listening struct {
	servers map[string]*server.Server
	admins  map[string]*server.Admin
	changes []*server.Change
	opened  []func(context.Context) error // undoes what was opened

	// What runs by now, by name.
	haveServers map[string]*server.Server
	haveAdmins  map[string]*server.Admin
	bound       map[string]*config.Listener
}

// undo gives up the change.
func (l *listening) undo(ctx context.Context) {
	for _, c := range l.changes {
		c.Discard()
	}
	for _, undo := range l.opened {
		undo(ctx)
	}
}

// listen binds the addresses that are new and makes the others' new settings ready. It is the last
// step that can fail; what it opened serves the generation that is current at the time.
func (d *Daemon) listen(ctx context.Context, cfg *config.Config, b *built) (err error) {
	l := &listening{servers: make(map[string]*server.Server), admins: make(map[string]*server.Admin)}
	d.mu.Lock()
	l.haveServers, l.haveAdmins, l.bound = d.listeners, d.admins, d.bound
	d.mu.Unlock()
	for _, want := range cfg.Listeners {
		if want.Admin {
			err = d.listenAdmin(ctx, want, l)
		} else {
			err = d.listenPublic(ctx, cfg, want, l)
		}
		if err != nil {
			l.undo(context.WithoutCancel(ctx))
			return err
		}
	}
	b.listening = l
	return nil
}

func (d *Daemon) listenPublic(ctx context.Context, cfg *config.Config, want *config.Listener, l *listening) error {
	limits := cfg.Gateway.Limits
	c := server.Config{
		Name: want.Name, Address: want.Address, TLS: d.tls(want), Handler: d.gateway, Watcher: d.watcher, Logger: d.log, Spool: spool.In(cfg.Gateway.DataDir),
		Limits: server.Limits{
			Header: int(limits.Header), Body: limits.Body, Form: limits.Form, Exchanges: int(limits.ConcurrentRequests),
			HeaderTimeout: limits.HeaderTimeout, BodyTimeout: limits.BodyTimeout, IdleTimeout: limits.IdleTimeout, WriteTimeout: limits.WriteTimeout,
		},
	}
	if have := l.haveServers[want.Name]; have != nil && l.bound[want.Name].Address == want.Address {
		change, err := have.Prepare(ctx, c)
		if err != nil {
			return err
		}
		l.servers[want.Name] = have
		l.changes = append(l.changes, change)
		return nil
	}
	s, err := server.Listen(ctx, c)
	if err != nil {
		return l.whoListens(want, err)
	}
	l.opened = append(l.opened, s.Drain)
	l.servers[want.Name] = s
	return nil
}

// whoListens explains an address in use by the listener of the running configuration that uses it.
func (l *listening) whoListens(want *config.Listener, err error) error {
	for _, have := range l.bound {
		if have.Address == want.Address && have.Name != want.Name {
			return fmt.Errorf("listener %s: listener %s is at %s; one cannot take over the address of another without a restart", want.Name, have.Name, want.Address)
		}
	}
	return err
}

func (d *Daemon) listenAdmin(ctx context.Context, want *config.Listener, l *listening) error {
	if have := l.haveAdmins[want.Name]; have != nil && l.bound[want.Name].Address == want.Address {
		if !reflect.DeepEqual(l.bound[want.Name].TLS, want.TLS) {
			return fmt.Errorf("listener %s: the tls of an admin listener cannot change without a restart", want.Name)
		}
		l.admins[want.Name] = have
		return nil
	}
	a, err := server.ListenAdmin(ctx, server.AdminConfig{
		Address: want.Address, TLS: d.tls(want), Ready: d.Ready, Metrics: d.telemetry.Handler(), Logger: d.log,
	})
	if err != nil {
		return l.whoListens(want, err)
	}
	l.opened = append(l.opened, a.Close)
	l.admins[want.Name] = a
	return nil
}

func (d *Daemon) tls(l *config.Listener) cert.Config {
	return cert.Config{
		Mode: cert.Mode(l.TLS.Mode), CertFile: l.TLS.Cert, KeyFile: l.TLS.Key, Names: l.TLS.Names,
		Storage: d.certs, CAFile: d.caPath(), Logger: d.log,
	}
}

// swap makes what was built current, and ends what is gone in the background. It does nothing and
// reports false where the daemon began to stop meanwhile: nobody would end what it made current.
func (d *Daemon) swap(cfg *config.Config, b *built, scope *Scope) bool {
	d.mu.Lock()
	if d.draining {
		d.mu.Unlock()
		return false
	}
	d.Level.Set(cfg.Gateway.LogLevel)
	d.telemetry.SetNames(names(cfg))
	d.telemetry.SetSinks(b.sinks...)
	for _, c := range b.listening.changes {
		c.Commit()
	}
	oldServers, oldAdmins, oldScope := d.listeners, d.admins, d.current
	d.config, d.current, d.models = cfg, scope, b.models
	d.listeners, d.admins = b.listening.servers, b.listening.admins
	d.bound = make(map[string]*config.Listener)
	for _, l := range cfg.Listeners {
		d.bound[l.Name] = l
	}
	d.mu.Unlock()
	last := d.gateway.Swap(b.generation)
	gone := maps.Clone(oldServers)
	maps.DeleteFunc(gone, func(name string, s *server.Server) bool { return b.listening.servers[name] == s })
	drain := cfg.Gateway.Limits.Drain
	d.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		for _, err := range drainAll(ctx, gone) {
			if err != nil {
				d.log.Warn("listener closed", "error", err)
			}
		}
		for name, a := range oldAdmins {
			if b.listening.admins[name] != a {
				a.Close(ctx)
			}
		}
	})
	if last != nil {
		d.retiring.Go(func() { d.retire(last, oldScope, drain) })
	}
	if b.compiled {
		d.retiring.Go(debug.FreeOSMemory)
	}
	return true
}

// retire waits until the last exchange of a generation ends, tells those that are left when the time
// is over, and closes what the generation held.
func (d *Daemon) retire(g *gateway.Generation, scope *Scope, drain time.Duration) {
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-g.Idle():
	case <-timer.C:
		if n := g.InFlight(); n > 0 {
			d.log.Warn("drain time is over, telling the exchanges of the last configuration", "exchanges", n)
		}
		g.Expel()
		<-g.Idle()
	}
	if scope == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := scope.Close(ctx); err != nil {
		d.log.Warn("closing what the last configuration held", "error", err)
	}
}

func names(cfg *config.Config) (n telemetry.Names) {
	for _, r := range cfg.Routes {
		n.Routes = append(n.Routes, r.Name)
	}
	for _, m := range cfg.Models {
		n.Models = append(n.Models, m.Name)
	}
	for _, p := range cfg.Providers {
		n.Providers = append(n.Providers, p.Name)
	}
	for _, f := range cfg.Filters {
		n.Filters = append(n.Filters, f.Name)
	}
	return n
}
