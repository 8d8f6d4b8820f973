package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// routing is a model with its routing written out, and one that backs it and is backed by it.
const routing = `
model "big" {
  balance  = "least_latency"
  fallback = [model.small, model.m]
  retry    = { attempts = 3, on = ["429", "timeout"], budget = "5%" }
  breaker  = { failures = 5, window = "1m", cooldown = "15s" }
  target "up" {
    provider = provider.up
    model    = "m-2"
    context  = 8192
    output   = 4000
    lacks    = ["images", "audio"]
  }
}
model "small" {
  fallback = [model.big]
  target "up" {
    provider = provider.up
    model    = "m-3"
  }
}
`

func TestRouting(t *testing.T) {
	c := must(t, load(t, base+routing, nil))
	m, big, small := c.Models[0], c.Models[1], c.Models[2]
	if at := big.Targets[0]; at.Context != 8192 || at.Output != 4000 || m.Targets[0].Output != 0 || !slices.Equal(at.Lacks, []string{"images", "audio"}) || m.Targets[0].Context != 0 || m.Targets[0].Lacks != nil {
		t.Errorf("abilities: %+v, %+v", at, m.Targets[0])
	}
	if m.Balance != "weighted" || m.Retry.Attempts != 2 || m.Retry.Budget != 0.2 || !slices.Equal(m.Retry.On, []string{"429", "5xx"}) || m.Breaker.Failures != 0 || m.Fallback != nil {
		t.Errorf("defaults: %+v", m)
	}
	if big.Balance != "least_latency" || big.Retry.Attempts != 3 || !slices.Equal(big.Retry.On, []string{"429", "timeout"}) || big.Retry.Budget != 0.05 || big.Breaker != (Breaker{5, time.Minute, 15 * time.Second}) {
		t.Errorf("%+v", big)
	}
	if !slices.Equal(big.Fallback, []*Model{small, m}) || !slices.Equal(small.Fallback, []*Model{big}) {
		t.Errorf("fallbacks: %v, %v", big.Fallback, small.Fallback)
	}
}

func TestRoutingMistakes(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"balance":             {`"least_latency"`, `"least_latncy"`, `Did you mean "least_latency"?`},
		"its own fallback":    {"[model.small, model.m]", "[model.big]", "no fallback of itself"},
		"unknown fallback":    {"[model.small, model.m]", "[model.smal]", `Did you mean "small"?`},
		"fallback twice":      {"[model.small, model.m]", "[model.m, model.m]", "model.m stands twice"},
		"fallback to others":  {"[model.small, model.m]", "[provider.up]", "a model is needed here"},
		"fallback in quotes":  {"[model.small, model.m]", `["small"]`, "without quotes"},
		"attempts":            {"attempts = 3", "attempts = 0", "from 1 to 10"},
		"unknown cause":       {`"timeout"]`, `"timeuot"]`, `Did you mean "timeout"?`},
		"cause twice":         {`"timeout"]`, `"429"]`, `"429" stands twice`},
		"budget":              {`"5%"`, `"500%"`, "not a share"},
		"failures":            {"failures = 5", "failures = -1", "from 0 to 10000"},
		"window":              {`"1m"`, `"0s"`, `window: from "10ms" to "1h"`},
		"cooldown":            {`"15s"`, `"2h"`, `cooldown: from "10ms" to "1h"`},
		"unknown feature":     {`"images"`, `"image"`, `Did you mean "images"?`},
		"feature twice":       {`"audio"`, `"images"`, `"images" stands twice`},
		"context":             {"8192", "8", "from 256"},
		"output":              {"4000", "0", "output: the number of tokens, from 1."},
		"context in words":    {"8192", `"8k"`, "context"},
		"unknown field":       {"failures = 5", "failure = 5", `Did you mean "failures"?`},
		"targets of one name": {"model \"small\" {", "model \"small\" {\n  target \"up\" {\n    provider = provider.up\n    model = \"x\"\n  }\n", "up"},
	} {
		if !strings.Contains(routing, c.old) {
			t.Fatalf("%s: %q is not there", name, c.old)
		}
		r := load(t, base+strings.Replace(routing, c.old, c.new, 1), nil)
		if out := said(r); r.Config != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in:\n%s", name, c.want, out)
		}
	}
}
