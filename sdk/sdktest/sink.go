package sdktest

import (
	"context"
	"slices"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/sdk/telemetry"
)

// SinkCase is a sink and what it needs to be held to its contract.
type SinkCase struct {
	New    func() telemetry.Sink
	Start  func(t T) *Host  // instead of New: starts a process that is not configured yet, until the check has ended
	Config string           // a config block that works, as JSON
	Batch  *telemetry.Batch // one that is kept; nil = a small one of each signal that the sink takes
	Bad    *telemetry.Batch // one whose first payload can never be kept, and the others can; may be nil
}

// Sink runs the list.
func Sink(t *testing.T, c SinkCase) {
	for _, check := range c.Checks() {
		t.Run(check.Name, func(t *testing.T) { check.Run(t) })
	}
}

// Checks returns the list.
func (c SinkCase) Checks() []Check {
	return []Check{{"describe", c.describe}, {"configure", c.configure}, {"export", c.export}, {"permanent", c.permanent}}
}

// start returns a sink that is not configured.
func (c SinkCase) start(t T) *Host {
	t.Helper()
	if c.Start != nil {
		return c.Start(t)
	}
	return StartSink(t, c.New())
}

func (c SinkCase) ready(t T) *Host {
	t.Helper()
	h := c.start(t)
	if err := h.Sink.Configure(deadline(t), []byte(c.Config)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	return h
}

func (c SinkCase) describe(t T) {
	info, err := c.start(t).Sink.Describe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Name == "" || info.Version == "" {
		t.Errorf("a name and a version are needed: %+v", info)
	}
	for _, s := range info.Signals {
		if s < telemetry.Traces || s > telemetry.Logs {
			t.Errorf("there is no signal %d", s)
		}
	}
	if err := checkShape(info.Config); err != nil {
		t.Error(err)
	}
}

func (c SinkCase) configure(t T) {
	refused(t, c.Config, func(t T) func(context.Context, []byte) error {
		return c.start(t).Sink.Configure
	})
	c.ready(t)
}

func (c SinkCase) export(t T) {
	h := c.ready(t)
	batch := c.Batch
	if batch == nil {
		batch = small(t, h)
	}
	for range 2 { // the second time, as if the answer to the first had been lost
		result, err := h.Sink.Export(deadline(t), batch)
		if err != nil {
			t.Fatal(err)
		}
		if result == nil {
			continue
		}
		for i, o := range result.Outcomes {
			if o.Status != telemetry.OK {
				t.Errorf("payload %d: %+v", i, o)
			}
		}
	}
	if err := h.Sink.Flush(deadline(t)); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// small returns a batch with one span, one sum and one record, as far as a sink takes them. They are of now: what is old, or
// lacks what OTLP asks for, is refused by some backends, and that is not the sink's doing.
func small(t T, h *Host) *telemetry.Batch {
	t.Helper()
	info, err := h.Sink.Describe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	now := uint64(time.Now().UnixNano())
	span := &trace.Span{TraceId: []byte("sdktest's trace."), SpanId: []byte("the span"), Name: "sdktest", Kind: trace.Span_SPAN_KIND_SERVER, StartTimeUnixNano: now, EndTimeUnixNano: now}
	sum := &metrics.Metric{Name: "sdktest", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{
		AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, IsMonotonic: true,
		DataPoints: []*metrics.NumberDataPoint{{StartTimeUnixNano: now, TimeUnixNano: now, Value: &metrics.NumberDataPoint_AsInt{AsInt: 1}}},
	}}}
	record := &logs.LogRecord{TimeUnixNano: now, Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "sdktest"}}}
	batch := &telemetry.Batch{ID: "sdktest", Seq: 1}
	for signal, m := range map[telemetry.Signal]proto.Message{
		telemetry.Traces:  &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{span}}}}}},
		telemetry.Metrics: &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{sum}}}}}},
		telemetry.Logs:    &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{record}}}}}},
	} {
		if len(info.Signals) > 0 && !slices.Contains(info.Signals, signal) {
			continue
		}
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		batch.Payloads = append(batch.Payloads, telemetry.Payload{Signal: signal, OTLP: raw})
	}
	return batch
}

func (c SinkCase) permanent(t T) {
	if c.Bad == nil {
		t.Skip("no such batch")
	}
	result, err := c.ready(t).Sink.Export(deadline(t), c.Bad)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range result.Outcomes {
		if (o.Status == telemetry.Permanent) != (i == 0) {
			t.Errorf("payload %d: %+v", i, o)
		}
	}
}
