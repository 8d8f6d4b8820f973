package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

func sampleEvent() Event {
	return Event{
		ID: "req-1", Start: time.Unix(1700000000, 0), Listener: "main", Method: "POST", Host: "example.org", Path: "/v1/chat/completions",
		Remote: netip.MustParseAddrPort("192.0.2.1:1234"), Route: "chat", Asked: "fast", Model: "fast", Provider: "echo", Target: "echo/small", Upstream: "small",
		Op: llm.OpChat, Dialect: llm.OpenAI, Stream: true, Status: 200, Terminal: exchange.Completed, Finish: "stop", KeyID: "k1", Team: "t1",
		Usage: &llm.Usage{InputTotal: 10, CacheRead: 4, OutputTotal: 5, Reasoning: 2},
		Timings: exchange.Timings{Guard: time.Microsecond, Auth: 2 * time.Microsecond, Upstream: 20 * time.Millisecond, First: 30 * time.Millisecond, Total: 40 * time.Millisecond,
			Filters: []exchange.FilterTime{{Filter: "sanitize", Spent: 100 * time.Microsecond, Calls: 3}}},
		Notes: []exchange.Note{{Filter: "sanitize", Key: "found", Value: "none"}}, Retries: 1, In: 2000, Out: 1600,
	}
}

var sampleNames = Names{Routes: []string{"chat"}, Models: []string{"fast"}, Providers: []string{"echo"}, Filters: []string{"sanitize"}}

func TestTraceContextIsTakenOver(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	good := "00-" + trace + "-" + span + "-01"
	for _, c := range []struct {
		name   string
		header llm.Header
		taken  bool
		flags  string
		state  string
	}{
		{"none", nil, false, "01", ""},
		{"sampled", llm.Header{{Name: "Traceparent", Value: good}, {Name: "tracestate", Value: "a=1"}, {Name: "TraceState", Value: "b=2"}}, true, "01", "a=1,b=2"},
		{"not sampled", llm.Header{{Name: "traceparent", Value: "00-" + trace + "-" + span + "-00"}}, true, "00", ""},
		{"other flags", llm.Header{{Name: "traceparent", Value: "00-" + trace + "-" + span + "-ff"}}, true, "01", ""},
		{"a later version", llm.Header{{Name: "traceparent", Value: "cc-" + trace + "-" + span + "-01-what-comes"}}, true, "01", ""},
		{"version ff", llm.Header{{Name: "traceparent", Value: "ff-" + trace + "-" + span + "-01"}}, false, "01", ""},
		{"too long", llm.Header{{Name: "traceparent", Value: good + "-x"}, {Name: "tracestate", Value: "a=1"}}, false, "01", ""},
		{"zero trace", llm.Header{{Name: "traceparent", Value: "00-" + strings.Repeat("0", 32) + "-" + span + "-01"}}, false, "01", ""},
		{"zero span", llm.Header{{Name: "traceparent", Value: "00-" + trace + "-" + strings.Repeat("0", 16) + "-01"}}, false, "01", ""},
		{"upper case", llm.Header{{Name: "traceparent", Value: strings.ToUpper(good)}}, false, "01", ""},
		{"twice", llm.Header{{Name: "traceparent", Value: good}, {Name: "traceparent", Value: good}}, false, "01", ""},
		{"long state", llm.Header{{Name: "traceparent", Value: good}, {Name: "tracestate", Value: strings.Repeat("a", 600)}}, true, "01", ""},
		{"control in state", llm.Header{{Name: "traceparent", Value: good}, {Name: "tracestate", Value: "a=\n"}}, true, "01", ""},
	} {
		tel := New(Config{})
		x := exchange.New(context.Background())
		x.Request.Header = c.header
		ctx := tel.Start(context.Background(), x)
		var out llm.Header
		derived, cancel := context.WithCancel(ctx)
		tel.Inject(derived, &out)
		cancel()
		parts := strings.Split(out.Get("traceparent"), "-")
		if len(parts) != 4 || parts[0] != "00" || (parts[1] == trace) != c.taken || parts[2] == span || parts[3] != c.flags || out.Get("tracestate") != c.state {
			t.Errorf("%s: %v", c.name, out)
		}
		if parts[1] != TraceID(ctx) || parts[1] == strings.Repeat("0", 32) {
			t.Errorf("%s: trace id %q", c.name, TraceID(ctx))
		}
	}
}

func TestEventAsOTLP(t *testing.T) {
	tel := New(Config{Version: "1.2.3"})
	x := exchange.New(context.Background())
	x.Request.Header = llm.Header{{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	ctx := tel.Start(context.Background(), x)
	var header llm.Header
	tel.Inject(ctx, &header)
	e := sampleEvent()
	e.Tries = []Try{{Model: "fast", Target: "down/x", Cause: "5xx", Began: e.Start, Took: time.Millisecond}, {Model: "fast", Target: "echo/small"}}
	e.Terminal, e.Err, e.Path = exchange.UpstreamCut, errors.New("the reason"), "/bad\xff"
	it := encode(spanOf(ctx), &e)

	var traces tracepb.TracesData
	if err := proto.Unmarshal(payload(tel.resource, [][]byte{it.spans, it.spans}), &traces); err != nil {
		t.Fatal(err)
	}
	rs := traces.ResourceSpans[0]
	if len(rs.Resource.Attributes) != 3 || rs.Resource.Attributes[0].GetValue().GetStringValue() != "ginnel" || rs.ScopeSpans[0].Scope.Name != scopeName {
		t.Errorf("resource %v", rs.Resource)
	}
	spans := rs.ScopeSpans[0].Spans
	if len(spans) != 6 {
		t.Fatalf("%d spans, want 6", len(spans))
	}
	server, client, filter := spans[0], spans[1], spans[2]
	if server.Kind != tracepb.Span_SPAN_KIND_SERVER || client.Kind != tracepb.Span_SPAN_KIND_CLIENT || filter.Kind != tracepb.Span_SPAN_KIND_INTERNAL {
		t.Error("kinds", server.Kind, client.Kind, filter.Kind)
	}
	if server.Name != "POST chat" || client.Name != "chat small" || filter.Name != "filter sanitize" || hex.EncodeToString(server.ParentSpanId) != "00f067aa0ba902b7" ||
		!bytes.Equal(client.ParentSpanId, server.SpanId) || !bytes.Equal(filter.ParentSpanId, server.SpanId) || hex.EncodeToString(server.TraceId) != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("spans %v %v %v", server, client, filter)
	}
	if !strings.Contains(header.Get("traceparent"), hex.EncodeToString(client.SpanId)) {
		t.Error("the upstream has another parent than the client span")
	}
	if server.EndTimeUnixNano-server.StartTimeUnixNano != uint64(40*time.Millisecond) || filter.EndTimeUnixNano-filter.StartTimeUnixNano != uint64(100*time.Microsecond) {
		t.Error("times")
	}
	if server.Status.Code != tracepb.Status_STATUS_CODE_ERROR || server.Status.Message != "upstream_cut" || server.Flags != 1 {
		t.Errorf("status %v", server.Status)
	}
	if ev := client.Events; len(ev) != 2 || ev[0].Name != "ginnel.attempt" || ev[0].TimeUnixNano != server.StartTimeUnixNano+uint64(time.Millisecond) || len(ev[0].Attributes) != 4 || len(ev[1].Attributes) != 2 ||
		ev[0].Attributes[2].Key != "error.type" || ev[0].Attributes[2].Value.GetStringValue() != "5xx" || ev[0].Attributes[3].Value.GetDoubleValue() != 0.001 {
		t.Errorf("attempts %v", client.Events)
	}
	attrs := map[string]string{}
	for _, kv := range server.Attributes {
		attrs[kv.Key] = kv.Value.String()
	}
	for key, want := range map[string]string{
		"ginnel.request.id": `string_value:"req-1"`, "http.response.status_code": "int_value:200", "gen_ai.usage.input_tokens": "int_value:10",
		"gen_ai.provider.name": `string_value:"echo"`, "gen_ai.response.finish_reasons": `array_value:{values:{string_value:"stop"}}`, "ginnel.stream": "bool_value:true",
		"url.path": `string_value:"/bad�"`, "ginnel.time.total": "double_value:0.04", "ginnel.note.sanitize.found": `string_value:"none"`, "error.type": `string_value:"upstream_cut"`,
	} {
		if attrs[key] != want {
			t.Errorf("%s = %s, want %s", key, attrs[key], want)
		}
	}

	var logs logspb.LogsData
	if err := proto.Unmarshal(payload(tel.resource, [][]byte{it.log}), &logs); err != nil {
		t.Fatal(err)
	}
	record := logs.ResourceLogs[0].ScopeLogs[0].LogRecords[0]
	if record.EventName != "ginnel.exchange" || record.SeverityText != "WARN" || record.Body.GetStringValue() != "exchange" || !bytes.Equal(record.SpanId, server.SpanId) || len(record.Attributes) != len(server.Attributes)+1 {
		t.Errorf("record %v", record)
	}
}

func TestLogLine(t *testing.T) {
	var out bytes.Buffer
	logger, level, err := NewLogger(&out, FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	tel := New(Config{Logger: logger, Names: sampleNames})
	x := exchange.New(context.Background())
	x.ID = "req-1"
	ctx := tel.Start(context.Background(), x)
	e := sampleEvent()
	tel.Finish(ctx, &e)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	for key, want := range map[string]any{"msg": "exchange", "level": "INFO", "terminal": "completed", "status": 200.0, "route": "chat", "model": "fast", "provider": "echo", "request_id": "req-1",
		"trace_id": TraceID(ctx), "ms": 40.0, "first_ms": 30.0, "tokens_in": 10.0, "note.sanitize.found": "none", "remote": "192.0.2.1", "retries": 1.0} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	out.Reset()
	level.Set(slog.LevelWarn)
	tel.Finish(ctx, &e)
	if out.Len() != 0 {
		t.Errorf("a line below the level: %s", out.Bytes())
	}
	e.Terminal = exchange.Internal
	tel.Finish(ctx, &e)
	if !strings.Contains(out.String(), `"level":"ERROR"`) {
		t.Errorf("%s", out.Bytes())
	}
	out.Reset()
	if logger, _, err = NewLogger(&out, FormatText); err != nil {
		t.Fatal(err)
	}
	logger.With("part", "x").InfoContext(ctx, "words")
	if got := out.String(); !strings.Contains(got, "words") || !strings.Contains(got, "part=x") || !strings.Contains(got, "request_id=req-1") || strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	if _, _, err := NewLogger(&out, "xml"); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// TestDurationsInTheLog have their unit, in either format and wherever they stand.
func TestDurationsInTheLog(t *testing.T) {
	for format, want := range map[string][]string{
		FormatJSON: {`"took":"1.5s"`, `"every":"250ms"`, `"most":"1m0s"`, `"any":"3ns"`, `"ms":1500`},
		FormatText: {"took=1.5s", "every=250ms", "most=1m0s", "any=3ns", "ms=1500"},
	} {
		var out bytes.Buffer
		logger, _, err := NewLogger(&out, format)
		if err != nil {
			t.Fatal(err)
		}
		logger.With("every", time.Second/4).Info("x", "took", 1500*time.Millisecond, slog.Group("limits", "most", time.Minute), slog.Any("any", time.Duration(3)), "ms", 1500)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %s is not in %s", format, w, &out)
			}
		}
	}
}

// scrape returns the metrics as Prometheus reads them.
func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func expect(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l+"\n") {
			t.Errorf("%q is missing", l)
		}
	}
}

func TestMetrics(t *testing.T) {
	tel := New(Config{Names: sampleNames})
	ctx := tel.Start(context.Background(), exchange.New(context.Background()))
	tel.Start(context.Background(), exchange.New(context.Background()))
	e := sampleEvent()
	tel.Finish(ctx, &e)
	strange := sampleEvent()
	strange.Route, strange.Model, strange.Provider, strange.Terminal, strange.Filter = "client-made", "no-such-model", "", exchange.Denied, "no-such-filter"
	for range 3 {
		tel.metrics.inFlight.Add(1)
		tel.Finish(ctx, &strange)
	}
	tel.PluginRestarted("openai")
	tel.ConfigReloaded("applied", time.Second)
	text := scrape(t, tel)
	expect(t, text,
		`ginnel_requests_total{model="fast",provider="echo",route="chat",terminal="completed"} 1`,
		`ginnel_requests_total{model="other",provider="",route="other",terminal="denied"} 3`,
		`ginnel_request_duration_seconds_bucket{model="fast",provider="echo",route="chat",terminal="completed",le="0.05"} 1`,
		`ginnel_time_to_first_token_seconds_count{model="fast",provider="echo",route="chat"} 1`,
		`ginnel_tokens_total{model="fast",provider="echo",route="chat",type="input"} 10`,
		`ginnel_tokens_total{model="fast",provider="echo",route="chat",type="cache_read"} 4`,
		`ginnel_upstream_retries_total{model="fast",provider="echo",route="chat"} 1`,
		`ginnel_filter_duration_seconds_count{filter="sanitize"} 4`,
		`ginnel_filter_refusals_total{filter="other"} 3`,
		`ginnel_in_flight 1`, `ginnel_plugin_restarts_total{plugin="openai"} 1`, `ginnel_config_reloads_total{result="applied"} 1`, `ginnel_config_reload_duration_seconds_count 1`)
	if strings.Contains(text, "client-made") || strings.Contains(text, "no-such") {
		t.Error("a client made a series")
	}

	told := sampleEvent()
	told.Timings = exchange.Timings{} // it only says what an earlier one has used
	tel.metrics.inFlight.Add(1)
	tel.Finish(ctx, &told)
	expect(t, scrape(t, tel),
		`ginnel_requests_total{model="fast",provider="echo",route="chat",terminal="completed"} 2`,
		`ginnel_tokens_total{model="fast",provider="echo",route="chat",type="input"} 20`,
		`ginnel_request_duration_seconds_count{model="fast",provider="echo",route="chat",terminal="completed"} 1`)

	tel.SetNames(Names{Routes: []string{"chat"}, Models: []string{"slow"}, Providers: []string{"echo"}})
	tel.Finish(ctx, &e)
	text = scrape(t, tel)
	if strings.Contains(text, `model="fast"`) || strings.Contains(text, `filter="sanitize"`) {
		t.Error("series of a name that is gone stay")
	}
	expect(t, text, `ginnel_requests_total{model="other",provider="echo",route="chat",terminal="completed"} 1`)
}

func TestServerTiming(t *testing.T) {
	e := sampleEvent()
	e.Timings.Filters = append(e.Timings.Filters, exchange.FilterTime{Filter: "odd name", Spent: time.Millisecond})
	want := "guard;dur=0.001, auth;dur=0.002, filter-sanitize;dur=0.100, filter-odd_name;dur=1.000, upstream;dur=20.000, first;dur=30.000, total;dur=40.000"
	if got := string(AppendServerTiming([]byte("x"), &e.Timings)); got != "x"+want {
		t.Errorf("%s\nwant %s", got[1:], want)
	}
	if got := AppendServerTiming(nil, &exchange.Timings{}); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestNewEventTakesWhatTheExchangeKnows(t *testing.T) {
	x := exchange.New(context.Background())
	x.ID, x.Route, x.Model, x.End = "r", "chat", "fast", exchange.Completed
	x.Request.Body = exchange.NewBody([]byte("{}"), nil)
	if e := NewEvent(x); e.ID != "r" || e.Route != "chat" || e.Asked != "fast" || e.Terminal != exchange.Completed || e.In != 2 || e.Start != x.Start {
		t.Errorf("%+v", e)
	}
}

func TestAllocationBudgets(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	logger := slog.New(&correlated{slog.NewJSONHandler(io.Discard, nil)})
	x := exchange.New(context.Background())
	x.Request.Header = llm.Header{{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	quiet, loud, sunk := New(Config{Names: sampleNames}), New(Config{Names: sampleNames, Logger: logger}), New(Config{Names: sampleNames})
	sunk.SetSinks(sunk.newSink(SinkConfig{Name: "full", Queue: 1}))
	timing, header := make([]byte, 0, 256), make(llm.Header, 0, 4)
	e := sampleEvent()
	ctx := quiet.Start(context.Background(), x)
	for _, c := range []struct {
		name   string
		budget float64
		run    func()
	}{
		{"start", 1, func() { quiet.Start(context.Background(), x) }},
		{"inject", 1, func() { header = header[:0]; quiet.Inject(ctx, &header) }},
		{"finish: metrics", 0, func() { quiet.Finish(ctx, &e) }},
		{"finish: metrics and log", 8, func() { loud.Finish(ctx, &e) }},
		{"finish: metrics and sink", 8, func() { sunk.Finish(ctx, &e) }},
		{"server timing", 0, func() { timing = AppendServerTiming(timing[:0], &e.Timings) }},
	} {
		if n := testing.AllocsPerRun(200, c.run); n > c.budget {
			t.Errorf("%s: %v allocations, budget %v", c.name, n, c.budget)
		}
	}
}

func BenchmarkFinish(b *testing.B) {
	logger := slog.New(&correlated{slog.NewJSONHandler(io.Discard, nil)})
	x := exchange.New(context.Background())
	quiet, loud, sunk := New(Config{Names: sampleNames}), New(Config{Names: sampleNames, Logger: logger}), New(Config{Names: sampleNames})
	sunk.SetSinks(sunk.newSink(SinkConfig{Name: "full", Queue: 1}))
	e := sampleEvent()
	for _, c := range []struct {
		name string
		tel  *Telemetry
	}{{"metrics", quiet}, {"log", loud}, {"sink", sunk}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := c.tel.Start(context.Background(), x)
			for b.Loop() {
				c.tel.Finish(ctx, &e)
			}
		})
	}
}

func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "", "00-", strings.Repeat("-", 55), strings.Repeat("0", 55)} {
		f.Add(s, "a=1")
	}
	f.Fuzz(func(t *testing.T, parent, state string) {
		var s spanContext
		s.begin(llm.Header{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: state}})
		if s.trace == (traceID{}) || s.server == (spanID{}) || len(s.state) > maxTraceState || s.flags > 1 {
			t.Fatalf("%q: %+v", parent, s)
		}
		var h llm.Header
		s.inject(&h, time.Time{})
		var next spanContext
		next.begin(h)
		if next.trace != s.trace || next.parent != s.client || next.flags != s.flags || next.state != s.state {
			t.Fatalf("%v reads as %+v, want %+v", h, next, s)
		}
	})
}
