package sdktest

import (
	"context"
	"testing"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/sdk/schema"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// taking is a sink that notes what it is sent.
type taking struct{ got *[]telemetry.Payload }

func (taking) Describe(context.Context) (*telemetry.Info, error) {
	return &telemetry.Info{Name: "taking", Version: "1", Config: &schema.Block{Doc: "Nothing."}}, nil
}
func (taking) Configure(context.Context, []byte) error { return nil }
func (s taking) Export(_ context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	for _, p := range b.Payloads {
		*s.got = append(*s.got, telemetry.Payload{Signal: p.Signal, OTLP: append([]byte(nil), p.OTLP...)})
	}
	return nil, nil
}

// TestASmallBatchIsOneThatBackendsKeep: it is of now, and says all that OTLP has each signal say.
func TestASmallBatchIsOneThatBackendsKeep(t *testing.T) {
	var got []telemetry.Payload
	begin := uint64(time.Now().UnixNano())
	SinkCase{New: func() telemetry.Sink { return taking{&got} }, Config: "{}"}.export(t)
	if len(got) != 6 {
		t.Fatalf("%d payloads are sent", len(got))
	}
	end := uint64(time.Now().UnixNano())
	within := func(what string, times ...uint64) {
		for _, at := range times {
			if at < begin || at > end {
				t.Errorf("%s is of %d, not of now", what, at)
			}
		}
	}
	read := func(p telemetry.Payload, m proto.Message) {
		if err := proto.Unmarshal(p.OTLP, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range got {
		switch p.Signal {
		case telemetry.Traces:
			var v trace.TracesData
			read(p, &v)
			span := v.ResourceSpans[0].ScopeSpans[0].Spans[0]
			within("the span", span.StartTimeUnixNano, span.EndTimeUnixNano)
		case telemetry.Metrics:
			var v metrics.MetricsData
			read(p, &v)
			sum := v.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetSum()
			within("the sum", sum.DataPoints[0].StartTimeUnixNano, sum.DataPoints[0].TimeUnixNano)
			if sum.AggregationTemporality == metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED {
				t.Error("the sum does not say what it is the sum of")
			}
		case telemetry.Logs:
			var v logs.LogsData
			read(p, &v)
			within("the record", v.ResourceLogs[0].ScopeLogs[0].LogRecords[0].TimeUnixNano)
		}
	}
}
