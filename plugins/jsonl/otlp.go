package jsonl

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/sdk/telemetry"
)

// encode returns a payload as a line of OTLP's JSON: protobuf's, with enums as numbers and the ids
// of traces and spans in hexadecimal
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
func encode(p telemetry.Payload) ([]byte, error) {
	var m proto.Message
	switch p.Signal {
	case telemetry.Traces:
		m = new(trace.TracesData)
	case telemetry.Metrics:
		m = new(metrics.MetricsData)
	case telemetry.Logs:
		m = new(logs.LogsData)
	default:
		return nil, fmt.Errorf("unknown signal %d", p.Signal)
	}
	if err := proto.Unmarshal(p.OTLP, m); err != nil {
		return nil, errors.New("the payload is not OTLP")
	}
	hexIDs(m)
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer // protojson varies its white space on purpose
	line.Grow(len(text) + 1)
	if err := json.Compact(&line, text); err != nil {
		return nil, err
	}
	line.WriteByte('\n')
	return line.Bytes(), nil
}

// hexIDs replaces the ids by bytes whose base64 is the hexadecimal of the id: protobuf's JSON writes
// base64, and hexadecimal digits in fours are base64 of something.
func hexIDs(m proto.Message) {
	switch m := m.(type) {
	case *trace.TracesData:
		for _, r := range m.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					span.TraceId, span.SpanId, span.ParentSpanId = hexed(span.TraceId), hexed(span.SpanId), hexed(span.ParentSpanId)
					for _, l := range span.GetLinks() {
						l.TraceId, l.SpanId = hexed(l.TraceId), hexed(l.SpanId)
					}
				}
			}
		}
	case *logs.LogsData:
		for _, r := range m.GetResourceLogs() {
			for _, s := range r.GetScopeLogs() {
				for _, l := range s.GetLogRecords() {
					l.TraceId, l.SpanId = hexed(l.TraceId), hexed(l.SpanId)
				}
			}
		}
	case *metrics.MetricsData:
		for _, r := range m.GetResourceMetrics() {
			for _, s := range r.GetScopeMetrics() {
				for _, one := range s.GetMetrics() {
					hexExemplars(one)
				}
			}
		}
	}
}

func hexExemplars(m *metrics.Metric) {
	var all []*metrics.Exemplar
	for _, p := range m.GetGauge().GetDataPoints() {
		all = append(all, p.GetExemplars()...)
	}
	for _, p := range m.GetSum().GetDataPoints() {
		all = append(all, p.GetExemplars()...)
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		all = append(all, p.GetExemplars()...)
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		all = append(all, p.GetExemplars()...)
	}
	for _, e := range all {
		e.TraceId, e.SpanId = hexed(e.TraceId), hexed(e.SpanId)
	}
}

// hexed returns the bytes whose base64 is the hexadecimal of an id. An id of another length than
// OpenTelemetry's is left out.
func hexed(id []byte) []byte {
	if len(id) != 16 && len(id) != 8 {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(hex.EncodeToString(id))
	if err != nil {
		return nil
	}
	return b
}
