package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

// provided is a provider plugin with the one place its calls go to: the vendor, or the plugin's own
// socket. It implements upstream.Provider.
type provided struct {
	id     string // names all that it is made from
	plugin *pluginhost.Provider
	origin *egress.Origin
	prefix string // the base URL's path

	mu    sync.Mutex // protects what follows
	plans map[planKey]*upstream.Plan
	lease uint64 // the version that plans were made from
}

type planKey struct {
	op      llm.Op
	dialect llm.Dialect
	model   string
}

var _ upstream.Provider = (*provided)(nil)

func (b *builder) openProvider(p *config.Provider) error {
	if err := b.checkConfig(p.Config, func() (*schema.Block, error) {
		info, err := b.plugins.Describe(b.ctx, pluginhost.ProviderSpec{Name: p.Name, Plugin: p.Plugin, SHA256: p.SHA256, Limits: LimitsOf(p.Process)})
		if err != nil {
			return nil, err
		}
		return info.Config, nil
	}); err != nil {
		return fmt.Errorf("provider %s: %w", p.Name, err)
	}
	raw, err := p.Config.JSON()
	if err != nil {
		return err
	}
	id := key(p.Name, p.Plugin, p.SHA256, string(raw), p.BaseURL, p.Timeouts, p.Private, p.Proxy, p.TLS, p.Process)
	v, err := b.Daemon.providers.take(b.ctx, b.scope, id, func(ctx context.Context) (*provided, error) { return b.provide(ctx, p, id, raw) })
	if err != nil {
		return fmt.Errorf("provider %s: %w", p.Name, err)
	}
	b.mu.Lock()
	b.providers[p] = v
	b.mu.Unlock()
	return nil
}

// LimitsOf returns what a configured plugin's process may take and touch.
func LimitsOf(p config.Process) pluginhost.Limits {
	return pluginhost.Limits{HungAfter: p.HungAfter, Memory: p.Memory, Open: !p.Contain, Children: p.Children, Read: p.Read, Write: p.Write}
}

// checkConfig checks a config block whose plugin could not be asked before.
func (b *builder) checkConfig(o *config.Opaque, describe func() (*schema.Block, error)) error {
	if o.Checked() {
		return nil
	}
	shape, err := describe()
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range o.Check(shape).Errs() {
		var one *hcl.Diagnostic
		if errors.As(d, &one) && one.Subject != nil {
			d = fmt.Errorf("%s:%d: %s: %s", one.Subject.Filename, one.Subject.Start.Line, one.Summary, one.Detail)
		}
		errs = append(errs, d)
	}
	return errors.Join(errs...)
}

func (b *builder) provide(ctx context.Context, p *config.Provider, id string, raw []byte) (*provided, error) {
	place, declared := PlaceOf(p)
	plugin, err := b.plugins.Provider(ctx, pluginhost.ProviderSpec{
		Name: p.Name, Plugin: p.Plugin, SHA256: p.SHA256, Config: raw, Place: place, Declared: declared, Secrets: append(p.Config.Secrets(), place.Secrets()...), Limits: LimitsOf(p.Process),
	})
	if err != nil {
		return nil, err
	}
	v := &provided{id: id, plugin: plugin, plans: make(map[planKey]*upstream.Plan)}
	var c egress.Config
	switch err = asLocked(p, plugin.Info()); {
	case err != nil:
	case plugin.Invoked():
		c = egress.Config{Name: p.Name, URL: "http://" + p.Name, Socket: plugin.Socket(), PeerPID: plugin.PID}
	default:
		c, v.prefix, err = originOf(p, plugin.Origin())
	}
	if err != nil {
		plugin.Close(ctx)
		return nil, err
	}
	c.Timeouts = egress.Timeouts{Connect: p.Timeouts.Connect, FirstByte: p.Timeouts.FirstToken, Idle: p.Timeouts.Idle, Total: p.Timeouts.Total}
	if v.origin, err = b.egress.Origin(c); err != nil {
		plugin.Close(ctx)
		return nil, err
	}
	return v, nil
}

// Plan returns how to reach an operation. Plans are made once for each lease.
func (v *provided) Plan(ctx context.Context, op llm.Op, d llm.Dialect, model string) (*upstream.Plan, error) {
	lease, err := v.plugin.Valid(ctx)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lease != lease.Version {
		clear(v.plans)
		v.lease = lease.Version
	}
	k := planKey{op, d, model}
	if plan := v.plans[k]; plan != nil {
		return plan, nil
	}
	t := offered(lease, op, d)
	if cannot := lacking[op]; t == nil && cannot != "" {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the provider of this model " + cannot}
	}
	if t == nil {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the provider of this model does not offer " + string(op) + " in the dialect " + string(d)}
	}
	plan := &upstream.Plan{
		Origin: v.origin, Dialect: t.Dialect, Op: t.Op, MaxTokensField: t.MaxTokensField, InsteadOfModel: t.InsteadOfModel, Members: t.Members, Within: t.Within, Method: t.Method, Version: lease.Version, Header: lease.Header, Stale: lease.Stale,
		ReasoningField: t.ReasoningField, ReasoningAlways: t.ReasoningAlways,
		Invoked:    v.plugin.Invoked(),
		Path:       v.prefix + string(t.AppendPath(nil, model, false)),
		StreamPath: v.prefix + string(t.AppendPath(nil, model, true)),
	}
	v.plans[k] = plan
	return plan, nil
}

// lacking says of an operation that is translated between all dialects that have it that a provider has not.
var lacking = map[llm.Op]string{llm.OpRerank: "has no reranking", llm.OpCountTokens: "cannot count tokens"}

// offered returns how an operation is reached: in the dialect asked for, or in the next one that it is
// translated to.
func offered(lease *sdkprovider.Relay, op llm.Op, d llm.Dialect) *sdkprovider.Template {
	if t := lease.Find(op, d); t != nil {
		return t
	}
	switch op {
	case llm.OpChat, llm.OpRerank, llm.OpCountTokens:
		return offeredBy(lease, d, op)
	case llm.OpEmbeddings, llm.OpBatchEmbeddings: // some dialects have the two in one
		if t := offeredBy(lease, d, llm.OpBatchEmbeddings); t != nil {
			return t
		}
		return offeredBy(lease, d, llm.OpEmbeddings)
	}
	return nil
}

// offeredBy returns how an operation is reached in the first dialect but d.
func offeredBy(lease *sdkprovider.Relay, d llm.Dialect, op llm.Op) *sdkprovider.Template {
	for _, other := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Bedrock, llm.Cohere, llm.Mistral, llm.Ollama} {
		if t := lease.Find(op, other); t != nil && other != d {
			return t
		}
	}
	return nil
}

// Refresh renews the lease.
func (v *provided) Refresh(ctx context.Context, version uint64) (bool, error) {
	lease, err := v.plugin.Refresh(ctx, version)
	if err != nil {
		return false, err
	}
	return lease.Version != version, nil
}

// Close ends the plugin, then its connections.
func (v *provided) Close(ctx context.Context) error {
	return errors.Join(v.plugin.Close(ctx), v.origin.Close())
}

// sinking is a sink's plugin with the queue in front of it.
type sinking struct {
	plugin *pluginhost.Sink
	queue  *telemetry.Sink
}

func (b *builder) openSink(t *config.Telemetry) error {
	if err := b.checkConfig(t.Config, func() (*schema.Block, error) {
		info, err := b.plugins.DescribeSink(b.ctx, pluginhost.SinkSpec{Name: t.Name, Plugin: t.Plugin, SHA256: t.SHA256, Limits: LimitsOf(t.Process)})
		if err != nil {
			return nil, err
		}
		return info.Config, nil
	}); err != nil {
		return fmt.Errorf("telemetry %s: %w", t.Name, err)
	}
	raw, err := t.Config.JSON()
	if err != nil {
		return err
	}
	id := key(t.Name, t.Plugin, t.SHA256, string(raw), t.Memory, t.Flush, t.WhenFull, t.Process)
	v, err := b.Daemon.sinks.take(b.ctx, b.scope, id, func(ctx context.Context) (*sinking, error) {
		plugin, err := b.plugins.Sink(ctx, pluginhost.SinkSpec{Name: t.Name, Plugin: t.Plugin, SHA256: t.SHA256, Config: raw, Secrets: t.Config.Secrets(), Limits: LimitsOf(t.Process)})
		if err != nil {
			return nil, err
		}
		if err := identity(t.Locked, LockOfSink(plugin.Info())); err != nil {
			plugin.Close(ctx)
			return nil, err
		}
		return &sinking{plugin, b.telemetry.NewSink(telemetry.SinkConfig{
			Name: t.Name, Exporter: plugin, Signals: plugin.Info().Signals, Queue: t.Memory, Flush: t.Flush,
			DropNewest: t.WhenFull == "drop_newest", Logger: b.log,
		})}, nil
	})
	if err != nil {
		return fmt.Errorf("telemetry %s: %w", t.Name, err)
	}
	b.mu.Lock()
	b.sinks = append(b.sinks, v.queue)
	b.mu.Unlock()
	return nil
}

// Close sends what is queued, then ends the plugin.
func (s *sinking) Close(ctx context.Context) error {
	return errors.Join(s.queue.Close(ctx), s.plugin.Close(ctx))
}
