package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestModelStatsAreReadAtEachScrape(t *testing.T) {
	tel := New(Config{Names: Names{Models: []string{"m"}}})
	n := uint64(0)
	tel.SetModelStats(func() []ModelStats {
		n++
		return []ModelStats{
			{Name: "m", RetriesRefused: n, Targets: []TargetStats{
				{Name: "a", Breaker: "half_open", Cooling: true, Latency: 250 * time.Millisecond, Waiting: 3, Calls: 4, Failures: 5, Limited: 6, Opened: 7},
				{Name: "b", Breaker: "closed"},
			}},
			{Name: "of an older configuration", RetriesRefused: 1},
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
		`ginnel_model_retries_refused_total{model="m"} 2`, `ginnel_target_breaker{model="m",state="half_open",target="a"} 1`,
		`ginnel_target_breaker{model="m",state="closed",target="a"} 0`, `ginnel_target_breaker{model="m",state="closed",target="b"} 1`,
		`ginnel_target_cooling{model="m",target="a"} 1`, `ginnel_target_latency_seconds{model="m",target="a"} 0.25`,
		`ginnel_target_waiting{model="m",target="a"} 3`, `ginnel_target_calls_total{model="m",target="a"} 4`,
		`ginnel_target_failures_total{model="m",target="a"} 5`, `ginnel_target_limited_total{model="m",target="a"} 6`,
		`ginnel_target_breaker_opened_total{model="m",target="a"} 7`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "older") {
		t.Error("a name that is not configured is a label")
	}
}
