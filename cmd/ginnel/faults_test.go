package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// faults is what an upstream may do wrong, and what the client is told.
var faults = []struct {
	model    string
	stream   bool
	status   int    // of the answer
	code     string // of the error; "" = the upstream's own words
	terminal string
}{
	{"mock+fault=500", false, 500, "", "upstream_error"},
	{"mock+fault=503", false, 503, "", "upstream_error"},
	{"mock+fault=400", false, 400, "", "client_error"},
	{"mock+fault=401", false, 502, "upstream_error", "upstream_error"},
	{"mock+fault=429", false, 429, "", "upstream_error"},
	{"mock+fault=html500", false, 500, "upstream_error", "upstream_error"},
	{"mock+fault=badjson", false, 502, "upstream_error", "upstream_error"},
	{"mock+fault=empty", false, 502, "upstream_error", "upstream_error"},
	{"mock+fault=reset", false, 503, "unavailable", "upstream_error"},
	{"mock+fault=hang", false, 504, "timeout", "timeout"},
	{"mock+fault=slowfirst:60s", false, 504, "timeout", "timeout"},
	{"mock+fault=500", true, 500, "", "upstream_error"},
	{"mock+fault=429", true, 429, "", "upstream_error"},
	{"mock+fault=reset", true, 503, "unavailable", "upstream_error"},
	{"mock+fault=hang", true, 504, "timeout", "timeout"},
	{"mock+fault=sse-cut", true, 200, "upstream_cut", "upstream_cut"},
	{"mock+fault=sse-reset", true, 200, "upstream_cut", "upstream_cut"},
	{"mock+fault=sse-stall", true, 200, "timeout", "timeout"},
	{"mock+fault=sse-error", true, 200, "", "upstream_error"},
	{"mock+fault=sse-bad", true, 200, "upstream_cut", "upstream_cut"},
}

// harmless is what an upstream may do that looks wrong and is not.
var harmless = []string{"mock+fault=sse-noise", "mock+fault=sse-split"}

// withTimeouts makes the upstream's silences short.
func withTimeouts(hcl string) string {
	return strings.Replace(hcl, "  base_url = ", "  timeouts = { first_token = \"400ms\", idle = \"400ms\" }\n  base_url = ", 1)
}

// TestUpstreamFaults: each ends in an error of the client's dialect, before the first byte with a
// status, after it as an event, and never as a clean end.
func TestUpstreamFaults(t *testing.T) {
	for name, a := range apis {
		t.Run(name, a.faults)
	}
}

func (a api) faults(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	models := append([]string{}, harmless...)
	seen := map[string]bool{}
	for _, f := range faults {
		if !seen[f.model] {
			seen[f.model] = true
			models = append(models, f.model)
		}
	}
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		gw := start(t, withTimeouts(a.relay(up.URL, pipeline, models...)))
		for _, f := range faults {
			t.Run(name+"/"+f.model+map[bool]string{true: " stream"}[f.stream], func(t *testing.T) {
				resp, body := a.send(gw, f.model, "hello", f.stream)
				if resp.StatusCode != f.status {
					t.Errorf("status %d: %s", resp.StatusCode, body)
				}
				id := resp.Header.Get("X-Request-Id")
				e := gw.event(id)
				if e.Terminal != f.terminal {
					t.Errorf("terminal %s: %s", e.Terminal, e.Error)
				}
				payload := body
				if f.stream && f.status == 200 {
					payload = lastData(body)
					if failed, err := a.read(body); err != nil || !failed {
						t.Errorf("the stream does not end with an error: %v", err)
					}
				}
				a.check(t, payload, f.code, id)
				if strings.Contains(f.model, "429") && resp.Header.Get("Retry-After") != "1" {
					t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
				}
			})
		}
		for _, model := range harmless {
			resp, body := a.send(gw, model, "hello", true)
			if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != "completed" {
				t.Errorf("%s: %+v: %s", model, e, body)
			}
			if failed, err := a.read(body); err != nil || failed {
				t.Errorf("%s: %v: %s", model, err, body)
			}
		}
	}
}

// send asks for an answer and reads it.
func (a api) send(gw *running, model, text string, stream bool) (*http.Response, string) {
	gw.t.Helper()
	return gw.do(gw.requestTo(context.Background(), "POST", a.path(model, stream), a.ask(model, text, stream), a.header...))
}

// lastData is the payload of a stream's last event.
func lastData(stream string) string {
	at := strings.LastIndex(stream, "data: ")
	return strings.TrimSpace(stream[max(at, 0)+len("data: "):])
}

// checkError holds an error to OpenAI's shape.
func checkError(t *testing.T, payload, code, id string) {
	t.Helper()
	var e struct {
		Error struct {
			Message, Type, Code string
			RequestID           string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(payload), &e); err != nil || e.Error.Message == "" || e.Error.Type == "" {
		t.Errorf("no error of OpenAI's: %v: %s", err, payload)
	}
	if code != "" && (e.Error.Code != code || e.Error.RequestID != id) {
		t.Errorf("code %q, request %q, not %q, %q", e.Error.Code, e.Error.RequestID, code, id)
	}
}

// TestUnreachableUpstreams: nothing listens, the name does not exist.
func TestUnreachableUpstreams(t *testing.T) {
	for name, url := range map[string]string{"refused": "http://127.0.0.1:1", "no such name": "http://nowhere.invalid"} {
		gw := start(t, relay(url, emptyPipeline, "m"))
		resp, body := gw.post(ask("m", "hello", true))
		id := resp.Header.Get("X-Request-Id")
		checkError(t, body, "unavailable", id)
		if e := gw.event(id); resp.StatusCode != 503 || e.Terminal != "upstream_error" || strings.Contains(body, "nowhere") || strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s: status %d, %+v: %s", name, resp.StatusCode, e, body)
		}
	}
}

// TestOneRetry: a failure before the first byte is tried once more, one after it is not.
func TestOneRetry(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	hcl := relay(up.URL, fullPipeline, "mock+fault=500+failn=1+key=a", "mock+fault=429+failn=1+key=b", "mock+fault=reset+failn=1+key=c", "mock+fault=500", "mock+fault=400", "mock+fault=sse-reset")
	gw := start(t, strings.ReplaceAll(hcl, "  retry = { attempts = 1 }\n", ""))
	for _, c := range []struct {
		model    string
		stream   bool
		status   int
		requests int64
	}{
		{"mock+fault=500+failn=1+key=a", false, 200, 2},
		{"mock+fault=429+failn=1+key=b", true, 200, 2},
		{"mock+fault=reset+failn=1+key=c", true, 200, 2},
		{"mock+fault=500", false, 500, 2},
		{"mock+fault=400", false, 400, 1},
		{"mock+fault=sse-reset", true, 200, 1},
	} {
		before := up.Stats().Requests
		resp, body := gw.post(ask(c.model, "hello", c.stream))
		if n := up.Stats().Requests - before; resp.StatusCode != c.status || n != c.requests {
			t.Errorf("%s: status %d after %d requests: %.200s", c.model, resp.StatusCode, n, body)
		}
	}
}
