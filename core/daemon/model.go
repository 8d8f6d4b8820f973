package daemon

import (
	"context"
	"time"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// ModelStatus is how a model's routing is.
type ModelStatus struct {
	Name           string         `json:"name"`
	Retries        uint64         `json:"retries"`
	RetriesRefused uint64         `json:"retries_refused"` // for want of budget
	Targets        []TargetStatus `json:"targets"`
}

// TargetStatus is how a target of a model is and what it did since it was first declared.
type TargetStatus struct {
	Name string `json:"name"`
	upstream.Snapshot
}

// models builds the models, then links their fallbacks.
func (b *builder) models() (map[*config.Model]*upstream.Model, error) {
	models := make(map[*config.Model]*upstream.Model, len(b.cfg.Models))
	for _, m := range b.cfg.Models {
		var err error
		if models[m], err = b.model(m); err != nil {
			return nil, err
		}
	}
	for _, m := range b.cfg.Models {
		for _, f := range m.Fallback {
			models[m].Fallback = append(models[m].Fallback, models[f])
		}
	}
	return models, nil
}

// model builds a model. What is remembered of its targets stays with those that a new configuration
// declares as the last one did: for this model, at the same provider, under the same name there.
func (b *builder) model(m *config.Model) (_ *upstream.Model, err error) {
	out := &upstream.Model{
		Name: m.Name, Balance: upstream.Balance(m.Balance), Attempts: m.Retry.Attempts, On: []upstream.Cause{}, Share: m.Retry.Budget,
		Breaker: upstream.Breaker{Failures: m.Breaker.Failures, Window: m.Breaker.Window, Cooldown: m.Breaker.Cooldown},
	}
	for _, on := range m.Retry.On {
		out.On = append(out.On, upstream.Cause(on))
	}
	out.Budget, err = b.budgets.take(b.ctx, b.scope, m.Name, func(context.Context) (*upstream.Budget, error) { return new(upstream.Budget), nil })
	if err != nil {
		return nil, err
	}
	for _, t := range m.Targets {
		target := &upstream.Target{Name: t.Name, ProviderName: t.Provider.Name, Model: t.Model, Weight: t.Weight, Context: t.Context, Output: t.Output, SharedFiles: b.shared[t.Provider]}
		for _, f := range t.Lacks {
			target.Lacks = append(target.Lacks, llm.Feature(f))
		}
		if p := b.providers[t.Provider]; p != nil { // nil where no route leads to it
			target.Provider = p
			id := key(m.Name, t.Name, p.id, t.Model)
			target.State, err = b.states.take(b.ctx, b.scope, id, func(context.Context) (*upstream.State, error) { return new(upstream.State), nil })
			if err != nil {
				return nil, err
			}
		}
		out.Targets = append(out.Targets, target)
	}
	return out, nil
}

// called returns the models that a route leads to, in the order of the configuration.
func called(cfg *config.Config, models map[*config.Model]*upstream.Model) (out []*upstream.Model) {
	reach := make(map[*config.Model]bool)
	for _, r := range cfg.Routes {
		for _, m := range reached(r) {
			reach[m] = true
		}
	}
	for _, m := range cfg.Models {
		if reach[m] {
			out = append(out, models[m])
		}
	}
	return out
}

// modelStatus returns how the models are that can be called.
func (d *Daemon) modelStatus() (out []ModelStatus) {
	d.mu.Lock()
	models := d.models
	d.mu.Unlock()
	now := time.Now()
	for _, m := range models {
		s := ModelStatus{Name: m.Name}
		s.Retries, s.RetriesRefused = m.Budget.Used()
		for _, t := range m.Targets {
			s.Targets = append(s.Targets, TargetStatus{t.Name, t.State.Snapshot(now)})
		}
		out = append(out, s)
	}
	return out
}

// modelStats is modelStatus for the metrics.
func (d *Daemon) modelStats() (out []telemetry.ModelStats) {
	for _, m := range d.modelStatus() {
		s := telemetry.ModelStats{Name: m.Name, RetriesRefused: m.RetriesRefused}
		for _, t := range m.Targets {
			s.Targets = append(s.Targets, telemetry.TargetStats{
				Name: t.Name, Breaker: t.Breaker, Cooling: t.Cooling > 0, Latency: t.Latency, Waiting: t.Waiting,
				Calls: t.Calls, Failures: t.Failures, Limited: t.Limited, Opened: t.Opened,
			})
		}
		out = append(out, s)
	}
	return out
}
