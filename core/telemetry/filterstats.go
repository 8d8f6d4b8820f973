package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FilterStats are what a filter did since the start, as its host counted it.
type FilterStats struct {
	Name      string
	Verdicts  map[string]int64 // callbacks by the action they gave
	Errors    map[string]int64 // failures by reason
	Time      time.Duration    // in callbacks
	Units     int64            // fuel
	HostCalls int64
	Calls     int64 // HTTP calls
	Resets    int64
	Disposals int64
	Instances int64 // now, as what follows
	Memory    int64 // bytes
	Pausing   int64
}

// SetFilterStats makes read the place that the filters' numbers are read from at each scrape. What is
// not configured by SetNames is left out.
func (t *Telemetry) SetFilterStats(read func() []FilterStats) { t.metrics.filterStats.Store(&read) }

type filterReader = atomic.Pointer[func() []FilterStats]

var (
	filterLabel      = []string{"filter"}
	callbacksDesc    = prometheus.NewDesc("ginnel_filter_callbacks_total", "Callbacks of a filter by the action they gave.", []string{"filter", "verdict"}, nil)
	filterErrorsDesc = prometheus.NewDesc("ginnel_filter_errors_total", "Callbacks of a filter that failed, by reason; suspended ones did not run.", []string{"filter", "reason"}, nil)
	filterTimeDesc   = prometheus.NewDesc("ginnel_filter_callback_seconds_total", "Time in a filter's callbacks, without the pauses between them.", filterLabel, nil)
	unitsDesc        = prometheus.NewDesc("ginnel_filter_fuel_units_total", "Fuel that a filter's callbacks used; a unit is about a nanosecond.", filterLabel, nil)
	hostCallsDesc    = prometheus.NewDesc("ginnel_filter_host_calls_total", "Calls of the host in a filter's callbacks.", filterLabel, nil)
	filterCallsDesc  = prometheus.NewDesc("ginnel_filter_http_calls_total", "HTTP calls that a filter made.", filterLabel, nil)
	resetsDesc       = prometheus.NewDesc("ginnel_filter_resets_total", "Instances of a filter that were wiped for another tenant.", filterLabel, nil)
	disposalsDesc    = prometheus.NewDesc("ginnel_filter_disposals_total", "Instances of a filter that were thrown away.", filterLabel, nil)
	instancesDesc    = prometheus.NewDesc("ginnel_filter_instances", "Instances of a filter.", filterLabel, nil)
	memoryDesc       = prometheus.NewDesc("ginnel_filter_memory_bytes", "Memory of a filter's instances.", filterLabel, nil)
	pausingDesc      = prometheus.NewDesc("ginnel_filter_pausing", "Exchanges that wait for a filter's HTTP calls.", filterLabel, nil)
)

// filterCollector gives Prometheus the filters' numbers, which are counted without it.
type filterCollector struct{ *metrics }

// Describe implements prometheus.Collector.
func (c filterCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callbacksDesc, filterErrorsDesc, filterTimeDesc, unitsDesc, hostCallsDesc, filterCallsDesc, resetsDesc, disposalsDesc, instancesDesc, memoryDesc, pausingDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c filterCollector) Collect(out chan<- prometheus.Metric) {
	read := c.filterStats.Load()
	if read == nil {
		return
	}
	known := c.lookup.Load().filters
	for _, s := range (*read)() {
		if known[s.Name] == nil {
			continue
		}
		put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, kind, v, append([]string{s.Name}, labels...)...)
		}
		for verdict, n := range s.Verdicts {
			put(callbacksDesc, prometheus.CounterValue, float64(n), verdict)
		}
		for reason, n := range s.Errors {
			put(filterErrorsDesc, prometheus.CounterValue, float64(n), reason)
		}
		put(filterTimeDesc, prometheus.CounterValue, s.Time.Seconds())
		put(unitsDesc, prometheus.CounterValue, float64(s.Units))
		put(hostCallsDesc, prometheus.CounterValue, float64(s.HostCalls))
		put(filterCallsDesc, prometheus.CounterValue, float64(s.Calls))
		put(resetsDesc, prometheus.CounterValue, float64(s.Resets))
		put(disposalsDesc, prometheus.CounterValue, float64(s.Disposals))
		put(instancesDesc, prometheus.GaugeValue, float64(s.Instances))
		put(memoryDesc, prometheus.GaugeValue, float64(s.Memory))
		put(pausingDesc, prometheus.GaugeValue, float64(s.Pausing))
	}
}
