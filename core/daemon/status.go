package daemon

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/wasmhost"
)

// Status is how a daemon is, for the operator.
type Status struct {
	Version   string             `json:"version"`
	Uptime    string             `json:"uptime"`
	Config    string             `json:"config"` // hash
	Path      string             `json:"path"`
	Degraded  []string           `json:"degraded"` // what is not as it should be; empty when all is well
	Draining  bool               `json:"draining"`
	Listeners []ListenerStatus   `json:"listeners"`
	Plugins   []pluginhost.State `json:"plugins"`
	Filters   []FilterStatus     `json:"filters"`
	Models    []ModelStatus      `json:"models"`
	InFlight  int64              `json:"in_flight"`
	Reloads   Reloads            `json:"reloads"`
	MasterKey string             `json:"master_key"` // where it comes from
	Keys      int                `json:"keys"`
}

// ListenerStatus is how a listener is.
type ListenerStatus struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Exchanges int64  `json:"exchanges"`
	Served    uint64 `json:"served"`
	Refused   uint64 `json:"refused"`
	Shed      uint64 `json:"shed"`
}

// FilterStatus is how a filter is.
type FilterStatus struct {
	Name string `json:"name"`
	wasmhost.Stats
}

// Status tells how the daemon is.
func (d *Daemon) Status() Status {
	s := Status{Version: d.Version, Uptime: d.uptime().String(), Degraded: []string{}, Keys: len(d.keys.List())}
	d.mu.Lock()
	s.Draining, s.Reloads, s.MasterKey = d.draining, d.reloads, d.master
	if d.config != nil {
		s.Config, s.Path = d.config.Hash, d.config.Path
	}
	for name, l := range d.listeners {
		st := l.Stats()
		s.Listeners = append(s.Listeners, ListenerStatus{name, l.Addr().String(), st.Exchanges, st.Served, st.Refused, st.Shed})
	}
	for name, a := range d.admins {
		s.Listeners = append(s.Listeners, ListenerStatus{Name: name, Address: a.Addr().String()})
	}
	d.mu.Unlock()
	if g := d.gateway.Current(); g != nil {
		s.InFlight = g.InFlight()
	}
	d.providers.each(func(p *provided) { s.Plugins = append(s.Plugins, p.plugin.State()) })
	d.sinks.each(func(k *sinking) {
		s.Plugins = append(s.Plugins, k.plugin.State())
		if err := k.queue.Failing(); err != nil {
			s.Degraded = append(s.Degraded, fmt.Sprintf("telemetry %s does not take events: %v", k.queue.Name, err))
		}
	})
	s.Filters, s.Models = d.filterStatus(), d.modelStatus()
	sort.Slice(s.Listeners, func(i, j int) bool { return s.Listeners[i].Name < s.Listeners[j].Name })
	sort.Slice(s.Plugins, func(i, j int) bool { return s.Plugins[i].Name < s.Plugins[j].Name })
	sort.Slice(s.Filters, func(i, j int) bool { return s.Filters[i].Name < s.Filters[j].Name })
	if err := d.store.Degraded(); err != nil {
		s.Degraded = append(s.Degraded, err.Error())
	}
	for _, m := range s.Models {
		for _, t := range m.Targets {
			if t.Breaker != "closed" {
				s.Degraded = append(s.Degraded, fmt.Sprintf("target %s of model %s fails: its breaker is %s", t.Name, m.Name, strings.ReplaceAll(t.Breaker, "_", " ")))
			}
		}
	}
	for _, p := range s.Plugins {
		if p.Status != pluginhost.Running {
			s.Degraded = append(s.Degraded, fmt.Sprintf("plugin %s is %s: %s", p.Name, p.Status, p.Error))
		}
	}
	return s
}

// filterStatus returns how the filters that are open are: what they did since the start, in all their
// generations.
func (d *Daemon) filterStatus() []FilterStatus {
	var out []FilterStatus
	seen := make(map[string]bool)
	all := d.wasm.Stats()
	d.filters.each(func(f *wasmhost.Filter) {
		if name := f.Name(); !seen[name] {
			seen[name] = true
			out = append(out, FilterStatus{name, all[name]})
		}
	})
	return out
}

// filterStats is filterStatus for the metrics.
func (d *Daemon) filterStats() []telemetry.FilterStats {
	var out []telemetry.FilterStats
	for name, s := range d.wasm.Stats() {
		out = append(out, telemetry.FilterStats{
			Name: name, Verdicts: s.Verdicts, Errors: s.Errors, Time: s.Time, Units: s.Units, HostCalls: s.HostCalls, Calls: s.Calls,
			Resets: s.Resets, Disposals: s.Disposals, Instances: s.Instances, Memory: s.Memory, Pausing: s.Pausing,
		})
	}
	return out
}

// listenerStats returns the numbers of the listeners, for the metrics.
func (d *Daemon) listenerStats() (all []telemetry.ListenerStats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, l := range d.listeners {
		s := l.Stats()
		all = append(all, telemetry.ListenerStats{Name: name, Connections: s.Connections, Refused: s.Refused, Shed: s.Shed})
	}
	return all
}

// Ready returns why no request should be sent to the daemon, or nil.
func (d *Daemon) Ready() error {
	if d.stopping() {
		return errStopping
	}
	if d.gateway.Current() == nil {
		return errors.New("the first configuration is not applied yet")
	}
	return nil
}

// Addresses returns the addresses that the named listeners are at: with port 0, the port that was
// chosen.
func (d *Daemon) Addresses() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]string)
	for name, l := range d.listeners {
		out[name] = l.Addr().String()
	}
	for name, a := range d.admins {
		out[name] = a.Addr().String()
	}
	return out
}

// CreateKey makes a virtual key.
func (d *Daemon) CreateKey(n NewKey) (CreatedKey, error) {
	if err := CheckKey(d.running(), n); err != nil {
		return CreatedKey{}, err
	}
	return createKey(d.keys, n)
}

// CheckKey reports what a new key names that the configuration does not have.
func CheckKey(cfg *config.Config, n NewKey) error {
	known := func(team string) bool {
		for _, t := range cfg.Teams {
			if t.Name == team {
				return true
			}
		}
		return false
	}
	if n.Team != "" && !known(n.Team) {
		return fmt.Errorf("the configuration has no team %q", n.Team)
	}
	for _, name := range n.Models {
		found := false
		for _, m := range cfg.Models {
			found = found || m.Name == name
		}
		if !found {
			return fmt.Errorf("the configuration has no model %q", name)
		}
	}
	if n.TTL < 0 {
		return errors.New("a key's time to live is not negative")
	}
	return nil
}
