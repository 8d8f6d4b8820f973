// Package telemetry tells what happens in the gateway: the logger, one event per exchange, the
// exchanges that ended last, metrics for Prometheus, OpenTelemetry spans with W3C trace context, and the queues that feed the sinks.
//
// It never delays an exchange: what a sink does not take is queued in bounded memory, and what does
// not fit is dropped and counted. It knows no plugin (an Exporter is handed in) and decides nothing.
package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Config is what a Telemetry works with.
type Config struct {
	Logger  *slog.Logger // each exchange's line; nil = none
	Service string       // the resource's service.name; "" = "ginnel"
	Version string       // the resource's service.version
	Names   Names        // the first configuration's, as with SetNames
}

// Names are the configured names that may become values of metric labels. Any other value counts as
// "other", so that no client makes series.
type Names struct {
	Routes, Models, Providers, Filters []string
}

// Telemetry records what happens. It is safe for concurrent use and outlives every generation.
type Telemetry struct {
	logger   *slog.Logger
	metrics  *metrics
	resource []byte // encoded once
	sinks    atomic.Pointer[[]*Sink]
	recent   recent
}

// New returns a Telemetry without sinks.
func New(c Config) *Telemetry {
	if c.Service == "" {
		c.Service = "ginnel"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{logger: c.Logger, metrics: newMetrics(), resource: appendResource(nil, c.Service, c.Version)}
	t.metrics.setNames(c.Names)
	t.sinks.Store(&[]*Sink{})
	return t
}

// SetNames makes the names of a new configuration the values of labels, and forgets the series of
// those that are gone.
func (t *Telemetry) SetNames(n Names) { t.metrics.setNames(n) }

// SetSinks makes sinks those that get the events from now on. It closes none: their owner does.
func (t *Telemetry) SetSinks(sinks ...*Sink) { t.sinks.Store(&sinks) }

// Start begins the exchange's span, under the client's if it sent one, and returns the context that
// carries it. Finish must follow.
func (t *Telemetry) Start(ctx context.Context, x *exchange.Exchange) context.Context {
	t.metrics.inFlight.Add(1)
	s := &spanContext{Context: ctx, requestID: x.ID}
	s.begin(x.Request.Header)
	return s
}

// Inject writes the trace context of the upstream call into its header, and marks its beginning.
func (t *Telemetry) Inject(ctx context.Context, h *llm.Header) {
	if s := spanOf(ctx); s != nil {
		s.inject(h, time.Now())
	}
}

// Finish ends the exchange that ctx belongs to: it writes the log line, counts, remembers the event and
// queues it for the sinks. e is the caller's again when it returns. It never waits.
func (t *Telemetry) Finish(ctx context.Context, e *Event) {
	t.metrics.inFlight.Add(-1)
	t.metrics.count(e)
	t.log(ctx, e)
	t.recent.keep(spanOf(ctx), e)
	sinks := *t.sinks.Load()
	if len(sinks) == 0 {
		return
	}
	it := encode(spanOf(ctx), e)
	for _, s := range sinks {
		s.put(it)
	}
}

// Handler serves the metrics to Prometheus.
func (t *Telemetry) Handler() http.Handler { return t.metrics.handler() }

// PluginRestarted counts a restart of a plugin's process.
func (t *Telemetry) PluginRestarted(plugin string) {
	t.metrics.restarts.WithLabelValues(plugin).Inc()
}

// ConfigReloaded counts an attempt to load a configuration: result is "applied", "unchanged" or
// "refused", or another word of a small set.
func (t *Telemetry) ConfigReloaded(result string, took time.Duration) {
	t.metrics.reloads.WithLabelValues(result).Inc()
	t.metrics.reloadTime.Observe(took.Seconds())
}

// TraceID returns the trace id of the exchange that ctx belongs to, in hexadecimal, or "".
func TraceID(ctx context.Context) string {
	if s := spanOf(ctx); s != nil {
		return s.traceText()
	}
	return ""
}
