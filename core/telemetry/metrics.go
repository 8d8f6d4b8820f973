package telemetry

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ginnel/ginnel/core/exchange"
)

// other stands for a label's value that is not configured.
const other = "other"

var (
	tokenTypes  = [...]string{"input", "output", "cache_read", "cache_write", "reasoning"}
	served      = []string{"route", "model", "provider"}
	requestTime = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	filterTime  = []float64{.00001, .00005, .0001, .0005, .001, .005, .01, .05, .1}
)

// metrics are the gateway's series. The children that an exchange needs are looked up once for each
// route, model and provider, and kept.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	first      *prometheus.HistogramVec
	tokens     *prometheus.CounterVec
	filters    *prometheus.HistogramVec
	refusals   *prometheus.CounterVec
	retries    *prometheus.CounterVec
	fallbacks  *prometheus.CounterVec
	restarts   *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	reloadTime prometheus.Histogram
	reported   *reported
	inFlight   atomic.Int64

	filterStats filterReader
	modelStats  modelReader

	lookup atomic.Pointer[lookup]
	mu     sync.Mutex // serialises changes of lookup and protects sinks
	sinks  map[string]*sinkStats
}

// lookup is what the names of one configuration lead to. It is immutable; a change makes another.
type lookup struct {
	routes, models, providers map[string]bool
	filters                   map[string]*filterSeries
	series                    map[seriesKey]*series
}

type seriesKey struct {
	route, model, provider string
	end                    exchange.Terminal
}

// series are the children of one route, model, provider and terminal state; all but the first two
// are the same for every state.
type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
	first    prometheus.Observer
	tokens   [len(tokenTypes)]prometheus.Counter
	retries  prometheus.Counter
	fallback prometheus.Counter
}

type filterSeries struct {
	time    prometheus.Observer
	refused prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	ended := append(slices.Clone(served), "terminal")
	m.requests = counter("ginnel_requests_total", "Exchanges that have ended.", ended...)
	m.duration = histogram("ginnel_request_duration_seconds", "Time from an exchange's arrival to its end.", requestTime, ended...)
	m.first = histogram("ginnel_time_to_first_token_seconds", "Time from an exchange's arrival to the first content of its answer.", requestTime, served...)
	m.tokens = counter("ginnel_tokens_total", "Tokens as the providers count them; cache reads and writes are part of the input, reasoning of the output.", append(slices.Clone(served), "type")...)
	m.retries = counter("ginnel_upstream_retries_total", "Calls to an upstream after the first of an exchange.", served...)
	m.fallbacks = counter("ginnel_upstream_fallbacks_total", "Exchanges that a fallback took instead of the model that was asked for.", served...)
	m.filters = histogram("ginnel_filter_duration_seconds", "Time of one filter over all its callbacks of an exchange.", filterTime, "filter")
	m.refusals = counter("ginnel_filter_refusals_total", "Exchanges that a filter ended.", "filter")
	m.restarts = counter("ginnel_plugin_restarts_total", "Restarts of a plugin's process.", "plugin")
	m.reloads = counter("ginnel_config_reloads_total", "Attempts to load a configuration.", "result")
	m.reloadTime = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ginnel_config_reload_duration_seconds", Help: "Time of an attempt to load a configuration.",
		Buckets: []float64{.005, .01, .05, .1, .5, 1, 5, 10, 30}})
	m.registry.MustRegister(m.reloadTime, sinkCollector{m}, filterCollector{m}, modelCollector{m}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ginnel_in_flight", Help: "Exchanges that have begun and not ended."},
			func() float64 { return float64(m.inFlight.Load()) }))
	m.reported = newReported(m.registry)
	m.lookup.Store(&lookup{})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// setNames makes n the values that labels may have and deletes the series of what is gone.
func (m *metrics) setNames(n Names) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.lookup.Load()
	next := &lookup{routes: set(n.Routes), models: set(n.Models), providers: set(n.Providers), filters: map[string]*filterSeries{}, series: map[seriesKey]*series{}}
	for _, label := range []struct {
		name     string
		was, now map[string]bool
	}{{"route", old.routes, next.routes}, {"model", old.models, next.models}, {"provider", old.providers, next.providers}} {
		for name := range label.was {
			if !label.now[name] {
				gone := prometheus.Labels{label.name: name}
				m.requests.DeletePartialMatch(gone)
				m.duration.DeletePartialMatch(gone)
				m.first.DeletePartialMatch(gone)
				m.tokens.DeletePartialMatch(gone)
				m.retries.DeletePartialMatch(gone)
				m.fallbacks.DeletePartialMatch(gone)
			}
		}
	}
	for _, name := range append(slices.Clone(n.Filters), other) {
		next.filters[name] = &filterSeries{time: m.filters.WithLabelValues(name), refused: m.refusals.WithLabelValues(name)}
	}
	for name := range old.filters {
		if next.filters[name] == nil {
			m.filters.DeleteLabelValues(name)
			m.refusals.DeleteLabelValues(name)
			m.reported.forget(name)
		}
	}
	m.lookup.Store(next)
}

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// count records an exchange that has ended.
func (m *metrics) count(e *Event) {
	l := m.lookup.Load()
	s := l.series[l.key(e)]
	if s == nil {
		s = m.add(e)
	}
	s.requests.Inc()
	if e.Timings.Total > 0 { // what only says what an earlier one has used took no time
		s.duration.Observe(e.Timings.Total.Seconds())
	}
	if e.Timings.First > 0 {
		s.first.Observe(e.Timings.First.Seconds())
	}
	if u := e.Usage; u != nil {
		for i, n := range [...]int64{u.InputTotal, u.OutputTotal, u.CacheRead, u.CacheWrite5m + u.CacheWrite1h, u.Reasoning} {
			if n > 0 {
				s.tokens[i].Add(float64(n))
			}
		}
	}
	if e.Retries > 0 {
		s.retries.Add(float64(e.Retries))
	}
	if e.Fallback != "" {
		s.fallback.Inc()
	}
	for i := range e.Timings.Filters {
		f := &e.Timings.Filters[i]
		l.filter(f.Filter).time.Observe(f.Spent.Seconds())
	}
	if e.Filter != "" {
		l.filter(e.Filter).refused.Inc()
	}
}

// add makes the children of an event that is the first of its kind.
func (m *metrics) add(e *Event) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lookup.Load()
	k := l.key(e)
	if s := l.series[k]; s != nil {
		return s
	}
	s := &series{
		requests: m.requests.WithLabelValues(k.route, k.model, k.provider, string(k.end)),
		duration: m.duration.WithLabelValues(k.route, k.model, k.provider, string(k.end)),
		first:    m.first.WithLabelValues(k.route, k.model, k.provider),
		retries:  m.retries.WithLabelValues(k.route, k.model, k.provider),
		fallback: m.fallbacks.WithLabelValues(k.route, k.model, k.provider),
	}
	for i, t := range tokenTypes {
		s.tokens[i] = m.tokens.WithLabelValues(k.route, k.model, k.provider, t)
	}
	next := *l
	next.series = maps.Clone(l.series)
	next.series[k] = s
	m.lookup.Store(&next)
	return s
}

func (l *lookup) key(e *Event) seriesKey {
	return seriesKey{bounded(l.routes, e.Route), bounded(l.models, e.Model), bounded(l.providers, e.Provider), e.Terminal}
}

func (l *lookup) filter(name string) *filterSeries {
	if f := l.filters[name]; f != nil {
		return f
	}
	return l.filters[other]
}

// bounded returns name if it is configured or empty.
func bounded(names map[string]bool, name string) string {
	if name == "" || names[name] {
		return name
	}
	return other
}
