package telemetry

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// maxReported is how many names of its own one filter may count under; what comes after them counts
// as "other". A series is for ever, and a guest makes its names up.
const maxReported = 64

// reported are the series that filters keep by themselves.
type reported struct {
	counters   *prometheus.CounterVec
	gauges     *prometheus.GaugeVec
	histograms *prometheus.HistogramVec

	mu    sync.Mutex // protects names
	names map[string]map[string]bool
}

func newReported(r *prometheus.Registry) *reported {
	labels := []string{"filter", "name"}
	p := &reported{
		counters:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ginnel_filter_counter_total", Help: "What filters count by themselves."}, labels),
		gauges:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ginnel_filter_gauge", Help: "What filters measure by themselves, the last value."}, labels),
		histograms: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ginnel_filter_histogram", Help: "What filters measure by themselves.", Buckets: prometheus.ExponentialBuckets(0.001, 10, 9)}, labels),
		names:      map[string]map[string]bool{},
	}
	r.MustRegister(p.counters, p.gauges, p.histograms)
	return p
}

// name returns the name to count under.
func (p *reported) name(filter, name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.names[filter]
	if known == nil {
		known = map[string]bool{}
		p.names[filter] = known
	}
	if !known[name] {
		if len(known) >= maxReported {
			return other
		}
		known[name] = true
	}
	return name
}

// forget drops the series of filters that are gone.
func (p *reported) forget(filter string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.names, filter)
	gone := prometheus.Labels{"filter": filter}
	p.counters.DeletePartialMatch(gone)
	p.gauges.DeletePartialMatch(gone)
	p.histograms.DeletePartialMatch(gone)
}

// Metric takes a value that a filter counts or measures: kind is the ABI's: a counter grows by
// value, which is not negative; a gauge has the last value; a histogram has all.
func (t *Telemetry) Metric(filter string, kind int, name string, value float64) {
	p := t.metrics.reported
	name = p.name(filter, name)
	switch kind {
	case abi.Counter:
		if value > 0 {
			p.counters.WithLabelValues(filter, name).Add(value)
		}
	case abi.Gauge:
		p.gauges.WithLabelValues(filter, name).Set(value)
	case abi.Histogram:
		p.histograms.WithLabelValues(filter, name).Observe(value)
	}
}

// Event logs what a filter has to say about an exchange, which may be nil. fields is a JSON object.
func (t *Telemetry) Event(x *exchange.Exchange, filter, name string, fields []byte) {
	attrs := []any{slog.String("filter", filter), slog.String("name", name)}
	if len(fields) > 0 {
		attrs = append(attrs, slog.String("fields", string(fields)))
	}
	if x != nil {
		attrs = append(attrs, slog.String("request_id", x.ID))
	}
	t.logger.Info("filter event", attrs...)
}
