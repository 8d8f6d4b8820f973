package jsonl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/plugins/jsonl"
	"github.com/ginnel/ginnel/sdk/sdktest"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

var (
	traceID = bytes.Repeat([]byte{0xab}, 16)
	spanID  = bytes.Repeat([]byte{0x0f}, 8)
)

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// batch holds a payload of each signal.
func batch(t testing.TB, text string) *telemetry.Batch {
	span := &trace.Span{
		TraceId: traceID, SpanId: spanID, Name: text, Kind: trace.Span_SPAN_KIND_SERVER,
		Links: []*trace.Span_Link{{TraceId: traceID, SpanId: spanID}},
	}
	record := &logs.LogRecord{TraceId: traceID, SpanId: spanID, Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: text}}}
	point := &metrics.NumberDataPoint{Exemplars: []*metrics.Exemplar{{TraceId: traceID, SpanId: spanID}}}
	sum := &metrics.Metric{Name: text, Data: &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: []*metrics.NumberDataPoint{point}}}}
	return &telemetry.Batch{ID: "1", Seq: 1, Payloads: []telemetry.Payload{
		{Signal: telemetry.Traces, OTLP: marshal(t, &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{span}}}}}})},
		{Signal: telemetry.Logs, OTLP: marshal(t, &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{record}}}}}})},
		{Signal: telemetry.Metrics, OTLP: marshal(t, &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{sum}}}}}})},
	}}
}

func TestConformance(t *testing.T) {
	bad := batch(t, "x")
	bad.Payloads = append([]telemetry.Payload{{Signal: telemetry.Traces, OTLP: []byte{0xff, 0xff}}}, bad.Payloads...)
	sdktest.Sink(t, sdktest.SinkCase{New: jsonl.New, Config: config(t, filepath.Join(t.TempDir(), "f"), ""), Batch: batch(t, "x"), Bad: bad})
}

func config(t testing.TB, path, more string) string {
	t.Helper()
	raw, err := json.Marshal(path)
	if err != nil {
		t.Fatal(err)
	}
	return `{"path":` + string(raw) + more + `}`
}

func opened(t testing.TB, config string) *telemetry.Client {
	t.Helper()
	c := sdktest.StartSink(t, jsonl.New()).Sink
	if err := c.Configure(context.Background(), []byte(config)); err != nil {
		t.Fatal(err)
	}
	return c
}

func export(t testing.TB, c *telemetry.Client, b *telemetry.Batch) {
	t.Helper()
	r, err := c.Export(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Outcomes {
		if o.Status != telemetry.OK {
			t.Fatalf("%+v", r.Outcomes)
		}
	}
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		t.Errorf("%s does not end in a whole line", path)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

func TestLinesAreOTLP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	export(t, opened(t, config(t, path, "")), batch(t, "hello\nworld"))
	got := lines(t, path)
	if len(got) != 3 {
		t.Fatalf("%d lines", len(got))
	}
	for i, want := range []string{`"kind":2`, `"stringValue":"hello\nworld"`, `"exemplars":[{`} {
		if !json.Valid([]byte(got[i])) || !strings.Contains(got[i], want) ||
			!strings.Contains(got[i], `"traceId":"`+strings.Repeat("ab", 16)+`"`) || !strings.Contains(got[i], `"spanId":"`+strings.Repeat("0f", 8)+`"`) {
			t.Errorf("%s", got[i])
		}
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", stat.Mode(), err)
	}
}

// Every batch is in the file or in one of those that are kept, whole, and in order.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	c := opened(t, config(t, path, `,"max_size":4096,"keep":3`))
	const n = 200
	for i := range n {
		export(t, c, &telemetry.Batch{Payloads: batch(t, fmt.Sprintf("batch-%03d", i)).Payloads[1:2]})
	}
	var all []string
	for _, name := range []string{path + ".3", path + ".2", path + ".1", path} {
		if stat, err := os.Stat(name); err != nil || stat.Size() > 4096 {
			t.Fatalf("%v %v", stat, err)
		}
		all = append(all, lines(t, name)...)
	}
	if _, err := os.Stat(path + ".4"); err == nil {
		t.Error("more are kept than asked for")
	}
	for i, line := range all {
		if want := fmt.Sprintf("batch-%03d", n-len(all)+i); !strings.Contains(line, want) {
			t.Fatalf("line %d has no %s: %s", i, want, line)
		}
	}
}

// What a killed process left of a line is not joined to the next.
func TestHalfALineIsCutOff(t *testing.T) {
	for _, before := range []string{"", "{\"a\":1}\n", "{\"a\":1}\n{\"b\"", "{\"b\"", "{\"a\":1}\n" + strings.Repeat("x", 9000)} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		export(t, opened(t, config(t, path, "")), batch(t, "x"))
		for _, line := range lines(t, path) {
			if !json.Valid([]byte(line)) {
				t.Errorf("after %.20q: %.40q", before, line)
			}
		}
		if strings.Contains(before, "\n") != strings.HasPrefix(lines(t, path)[0], `{"a":1}`) {
			t.Errorf("after %.20q: a whole line was lost", before)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, config := range map[string]string{
		"no path":      `{}`,
		"no directory": `{"path":"/nonexistent/f"}`,
		"a directory":  config(t, t.TempDir(), ""),
		"too small":    config(t, filepath.Join(t.TempDir(), "f"), `,"max_size":1`),
		"keeps less":   config(t, filepath.Join(t.TempDir(), "f"), `,"keep":-1`),
	} {
		c := sdktest.StartSink(t, jsonl.New()).Sink
		if err := c.Configure(context.Background(), []byte(config)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzExport(f *testing.F) {
	for _, p := range batch(f, "x").Payloads {
		f.Add(uint8(p.Signal), p.OTLP)
	}
	sink := jsonl.New()
	path := filepath.Join(f.TempDir(), "f")
	if err := sink.Configure(context.Background(), []byte(config(f, path, `,"max_size":65536,"keep":0`))); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, signal uint8, otlp []byte) {
		r, err := sink.Export(context.Background(), &telemetry.Batch{Payloads: []telemetry.Payload{{Signal: telemetry.Signal(signal), OTLP: otlp}}})
		if err != nil || r.Outcomes[0].Status == telemetry.Retry {
			t.Fatal(err, r)
		}
		if got := lines(t, path); r.Outcomes[0].Status == telemetry.OK && !json.Valid([]byte(got[len(got)-1])) {
			t.Fatalf("%q", got[len(got)-1])
		}
	})
}
