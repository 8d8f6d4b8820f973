package telemetry

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

func TestWhatFiltersReport(t *testing.T) {
	var log bytes.Buffer
	tel := New(Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Version: "1"})
	tel.SetNames(Names{Filters: []string{"f"}})
	tel.Metric("f", abi.Counter, "seen", 2)
	tel.Metric("f", abi.Counter, "seen", 3)
	tel.Metric("f", abi.Counter, "seen", -1)
	tel.Metric("f", abi.Gauge, "size", 7)
	tel.Metric("f", abi.Histogram, "score", 0.5)
	for i := range 2 * maxReported {
		tel.Metric("f", abi.Counter, fmt.Sprint("n", i), 1)
	}
	tel.Event(&exchange.Exchange{ID: "req_1"}, "f", "found", []byte(`{"a":1}`))
	tel.Event(nil, "f", "began", nil)
	scrape := func() string {
		w := httptest.NewRecorder()
		tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	text := scrape()
	for _, want := range []string{`ginnel_filter_counter_total{filter="f",name="seen"} 5`, `ginnel_filter_gauge{filter="f",name="size"} 7`, `ginnel_filter_histogram_count{filter="f",name="score"} 1`, `name="other"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(text, `ginnel_filter_counter_total{filter="f"`); n > maxReported+1 {
		t.Errorf("%d series", n)
	}
	if !strings.Contains(log.String(), `"request_id":"req_1"`) || !strings.Contains(log.String(), `"name":"began"`) {
		t.Error(log.String())
	}
	tel.SetNames(Names{})
	if strings.Contains(scrape(), `filter="f"`) {
		t.Error("a filter that is gone is still counted")
	}
}
