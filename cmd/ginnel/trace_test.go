package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/telemetry"
)

// TestTraceCommand: what an operator sees of an exchange by the id that a client reports.
func TestTraceCommand(t *testing.T) {
	dir, address := writeConfig(t, "none")
	startProgram(t, dir, "run")
	answers(t, dir)
	post := func(model string) string {
		t.Helper()
		resp, err := http.Post("http://"+address+"/v1/chat/completions", "application/json", strings.NewReader(strings.Replace(ask("MODEL", "words that nobody keeps", false), "MODEL", model, 1)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("X-Request-Id")
	}
	good, bad := post("echo"), post(`a model\u001b[31m that is none`)
	see := func(args ...string) said {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // an exchange ends a little later than its answer
			if r := ginnel(t, dir, append([]string{"trace"}, args...)...); r.code == 0 && strings.Contains(r.out, bad) || len(args) > 0 && r.code == 0 || time.Now().After(end) {
				return r
			}
		}
	}
	one := see(good)
	for _, want := range []string{"chat", "in the dialect openai", "of the model echo", "status 200", "completed", "provider echo", "trace "} {
		if !strings.Contains(one.out, want) {
			t.Errorf("no %q in\n%s", want, one.out)
		}
	}
	var as telemetry.Trace
	if r := see(good, "--json"); json.Unmarshal([]byte(r.out), &as) != nil || as.ID != good || as.TraceID == "" || as.Total <= 0 {
		t.Errorf("%+v", r)
	}
	resp, err := http.Post("http://"+address+"/v1/messages", "application/json", strings.NewReader(`{"model":"echo","max_tokens":9,"top_k":3,"messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if r := see(resp.Header.Get("X-Request-Id")); !strings.Contains(r.out, "dropped") || !strings.Contains(r.out, "top_k") {
		t.Errorf("what was lost in translation: %+v", r)
	}
	if r := see(as.TraceID); !strings.Contains(r.out, good) {
		t.Errorf("by its trace id: %+v", r)
	}
	if r := see(bad); !strings.Contains(r.out, "status 404") || strings.Contains(r.out, "\x1b") || strings.Contains(r.out, "nobody keeps") {
		t.Errorf("%+v", r)
	}
	if r := see(); !strings.Contains(r.out, good) || !strings.Contains(r.out, bad) {
		t.Errorf("the list: %+v", r)
	}
	if r := see("--failed"); strings.Contains(r.out, good) || !strings.Contains(r.out, bad) {
		t.Errorf("those that failed: %+v", r)
	}
	if r := ginnel(t, dir, "trace", "req_none"); r.code == 0 || !strings.Contains(r.err, "not remembered") {
		t.Errorf("none: %+v", r)
	}
	if r := ginnel(t, dir, "trace", "--last", "0"); r.code == 0 || !strings.Contains(r.err, "--last 0") {
		t.Errorf("none: %+v", r)
	}
}
