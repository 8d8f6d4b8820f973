package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ModelStats are what a model's routing did since the start.
type ModelStats struct {
	Name           string
	RetriesRefused uint64 // for want of budget
	Targets        []TargetStats
}

// TargetStats are how a target of a model is and what it did since the start.
type TargetStats struct {
	Name     string
	Breaker  string        // closed, half_open, open
	Cooling  bool          // after a 429
	Latency  time.Duration // to the first content, as it is expected
	Waiting  int           // calls that wait for their first content
	Calls    uint64
	Failures uint64
	Limited  uint64
	Opened   uint64
}

// SetModelStats makes read the place that the models' numbers are read from at each scrape. What is not
// configured by SetNames is left out.
func (t *Telemetry) SetModelStats(read func() []ModelStats) { t.metrics.modelStats.Store(&read) }

type modelReader = atomic.Pointer[func() []ModelStats]

var (
	targetLabels     = []string{"model", "target"}
	breakerStates    = []string{"closed", "half_open", "open"}
	noBudgetDesc     = prometheus.NewDesc("ginnel_model_retries_refused_total", "Calls of a model that were not made again for want of retry budget.", []string{"model"}, nil)
	breakerDesc      = prometheus.NewDesc("ginnel_target_breaker", "1 for the state that a target's breaker is in.", append(targetLabels, "state"), nil)
	coolingDesc      = prometheus.NewDesc("ginnel_target_cooling", "1 while a target is passed over after it said that it has too much to do.", targetLabels, nil)
	latencyDesc      = prometheus.NewDesc("ginnel_target_latency_seconds", "Time to the first content that is expected of a target.", targetLabels, nil)
	waitingDesc      = prometheus.NewDesc("ginnel_target_waiting", "Calls of a target that wait for their first content.", targetLabels, nil)
	targetCallsDesc  = prometheus.NewDesc("ginnel_target_calls_total", "Calls of a target.", targetLabels, nil)
	targetFailedDesc = prometheus.NewDesc("ginnel_target_failures_total", "Calls of a target that failed as its breaker counts it.", targetLabels, nil)
	limitedDesc      = prometheus.NewDesc("ginnel_target_limited_total", "Calls of a target that it answered with 429.", targetLabels, nil)
	openedDesc       = prometheus.NewDesc("ginnel_target_breaker_opened_total", "Openings of a target's breaker.", targetLabels, nil)
)

// modelCollector gives Prometheus the models' numbers, which are counted without it.
type modelCollector struct{ *metrics }

// Describe implements prometheus.Collector.
func (c modelCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{noBudgetDesc, breakerDesc, coolingDesc, latencyDesc, waitingDesc, targetCallsDesc, targetFailedDesc, limitedDesc, openedDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c modelCollector) Collect(out chan<- prometheus.Metric) {
	read := c.modelStats.Load()
	if read == nil {
		return
	}
	known := c.lookup.Load().models
	for _, m := range (*read)() {
		if !known[m.Name] {
			continue
		}
		out <- prometheus.MustNewConstMetric(noBudgetDesc, prometheus.CounterValue, float64(m.RetriesRefused), m.Name)
		for i := range m.Targets {
			m.Targets[i].collect(out, m.Name)
		}
	}
}

func (t *TargetStats) collect(out chan<- prometheus.Metric, model string) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, append([]string{model, t.Name}, labels...)...)
	}
	for _, state := range breakerStates {
		put(breakerDesc, prometheus.GaugeValue, truth(t.Breaker == state), state)
	}
	put(coolingDesc, prometheus.GaugeValue, truth(t.Cooling))
	put(latencyDesc, prometheus.GaugeValue, t.Latency.Seconds())
	put(waitingDesc, prometheus.GaugeValue, float64(t.Waiting))
	put(targetCallsDesc, prometheus.CounterValue, float64(t.Calls))
	put(targetFailedDesc, prometheus.CounterValue, float64(t.Failures))
	put(limitedDesc, prometheus.CounterValue, float64(t.Limited))
	put(openedDesc, prometheus.CounterValue, float64(t.Opened))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
