package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/wasmhost"
)

func TestStatusTellsOfFilters(t *testing.T) {
	var out strings.Builder
	writeStatus(&out, daemon.Status{Filters: []daemon.FilterStatus{
		{Name: "quiet", Stats: wasmhost.Stats{Callbacks: 4, Verdicts: map[string]int64{"continue": 4}, Time: 8 * time.Microsecond, Instances: 2, Memory: 3 << 20}},
		{Name: "busy", Stats: wasmhost.Stats{
			Callbacks: 9, Failures: 3, Verdicts: map[string]int64{"respond": 2}, Errors: map[string]int64{"time": 1, "trap": 2, "suspended": 7}, Calls: 5, Pausing: 1, Disposals: 3,
		}},
	}})
	for _, want := range []string{
		"4 callbacks of 2µs, 0 failures, 2 instances with 3.0 MiB\n",
		"9 callbacks of 0s, 3 failures, 0 instances with 0.0 MiB, 2 refusals or answers, 5 calls, 1 pausing, 3 instances disposed of, 7 suspended, 1 by time, 2 by trap\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
