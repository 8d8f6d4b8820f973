package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons why a sink drops an event.
const (
	dropFull     = iota // the queue is full
	dropRejected        // the sink refused it for good
	dropShutdown        // it was not acknowledged in time at the end
	dropClosed          // it came after the end
	dropReasons
)

var reasons = [dropReasons]string{"queue_full", "rejected", "shutdown", "closed"}

// sinkStats are the numbers of the sinks of one name; they outlive a reload.
type sinkStats struct {
	dropped  [dropReasons]atomic.Int64
	exported atomic.Int64
	retries  atomic.Int64
	bytes    atomic.Int64
}

// sink returns the numbers of the sinks called name.
func (m *metrics) sink(name string) *sinkStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sinks == nil {
		m.sinks = map[string]*sinkStats{}
	}
	if m.sinks[name] == nil {
		m.sinks[name] = &sinkStats{}
	}
	return m.sinks[name]
}

var (
	droppedDesc  = prometheus.NewDesc("ginnel_sink_dropped_total", "Events that a sink did not get.", []string{"sink", "reason"}, nil)
	exportedDesc = prometheus.NewDesc("ginnel_sink_exported_total", "Events that a sink acknowledged or refused.", []string{"sink"}, nil)
	retriesDesc  = prometheus.NewDesc("ginnel_sink_retries_total", "Batches that were sent again.", []string{"sink"}, nil)
	bytesDesc    = prometheus.NewDesc("ginnel_sink_queue_bytes", "Bytes that wait for a sink or are on their way.", []string{"sink"}, nil)
)

// sinkCollector gives Prometheus the sinks' numbers, which are counted without it.
type sinkCollector struct{ *metrics }

// Describe implements prometheus.Collector.
func (c sinkCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{droppedDesc, exportedDesc, retriesDesc, bytesDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c sinkCollector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, s := range c.sinks {
		for i, reason := range reasons {
			out <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(s.dropped[i].Load()), name, reason)
		}
		out <- prometheus.MustNewConstMetric(exportedDesc, prometheus.CounterValue, float64(s.exported.Load()), name)
		out <- prometheus.MustNewConstMetric(retriesDesc, prometheus.CounterValue, float64(s.retries.Load()), name)
		out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(s.bytes.Load()), name)
	}
}
