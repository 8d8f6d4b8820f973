package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestFilterStatsAreReadAtEachScrape(t *testing.T) {
	tel := New(Config{Names: Names{Filters: []string{"f"}}})
	n := int64(0)
	tel.SetFilterStats(func() []FilterStats {
		n++
		return []FilterStats{
			{
				Name: "f", Verdicts: map[string]int64{"continue": n, "respond": 2}, Errors: map[string]int64{"time": 3}, Time: 4 * time.Second,
				Units: 5, HostCalls: 6, Calls: 7, Resets: 8, Disposals: 9, Instances: 10, Memory: 11, Pausing: 12,
			},
			{Name: "of an older configuration", Units: 1},
		}
	})
	scrape := func() string {
		w := httptest.NewRecorder()
		tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	scrape()
	got := scrape()
	for _, want := range []string{
		`ginnel_filter_callbacks_total{filter="f",verdict="continue"} 2`, `ginnel_filter_callbacks_total{filter="f",verdict="respond"} 2`,
		`ginnel_filter_errors_total{filter="f",reason="time"} 3`, `ginnel_filter_callback_seconds_total{filter="f"} 4`,
		`ginnel_filter_fuel_units_total{filter="f"} 5`, `ginnel_filter_host_calls_total{filter="f"} 6`, `ginnel_filter_http_calls_total{filter="f"} 7`,
		`ginnel_filter_resets_total{filter="f"} 8`, `ginnel_filter_disposals_total{filter="f"} 9`, `ginnel_filter_instances{filter="f"} 10`,
		`ginnel_filter_memory_bytes{filter="f"} 11`, `ginnel_filter_pausing{filter="f"} 12`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "older") {
		t.Error("a name that is not configured is a label")
	}
}
