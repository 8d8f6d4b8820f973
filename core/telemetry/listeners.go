package telemetry

import "github.com/prometheus/client_golang/prometheus"

// ListenerStats are the numbers of a listener; the totals only grow while it is open.
type ListenerStats struct {
	Name        string
	Connections int64  // open
	Refused     uint64 // requests that never became an exchange: framing, size, time
	Shed        uint64 // connections and requests that were one too many
}

// SetListeners has the metrics ask for the listeners' numbers: what a listener refuses becomes no
// exchange, and would be seen nowhere else. It is called once, before Handler is served.
func (t *Telemetry) SetListeners(stats func() []ListenerStats) {
	t.metrics.registry.MustRegister(listenerCollector(stats))
}

var (
	connectionsDesc = prometheus.NewDesc("ginnel_listener_connections", "Connections of clients that are open.", []string{"listener"}, nil)
	refusedDesc     = prometheus.NewDesc("ginnel_listener_refused_total", "Requests refused before they became an exchange: their framing, size or slowness.", []string{"listener"}, nil)
	shedDesc        = prometheus.NewDesc("ginnel_listener_shed_total", "Connections and requests that were one too many.", []string{"listener"}, nil)
)

// listenerCollector gives Prometheus the listeners' numbers.
type listenerCollector func() []ListenerStats

// Describe implements prometheus.Collector.
func (c listenerCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, refusedDesc, shedDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c listenerCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c() {
		out <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(s.Connections), s.Name)
		out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(s.Refused), s.Name)
		out <- prometheus.MustNewConstMetric(shedDesc, prometheus.CounterValue, float64(s.Shed), s.Name)
	}
}
