package main

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestAnswersTellTheLimit: an answer, a stream and an error of the upstream's tell how much is left, once,
// and a filter behind ratelimit may take it away.
func TestAnswersTellTheLimit(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	const limited = `
filter "ratelimit" {
  wasm   = "builtin:ratelimit"
  limits = { time = "20s" }
  rate "default" { limit = "5/1h" }
}
`
	gw := start(t, relay(up.URL, limited+`pipeline "p" { filters = [filter.ratelimit] }`, "mock", "mock+fault=400"))
	for i, body := range []string{ask("mock", "hello", false), ask("mock", "hello", true), ask("mock+fault=400", "hello", false)} {
		resp, _ := gw.post(body)
		h := resp.Header
		if got := strings.Join([]string{h.Get("RateLimit-Limit"), h.Get("RateLimit-Remaining")}, " "); got != []string{"5 4", "5 3", "5 2"}[i] || h.Get("RateLimit-Reset") == "" || len(h.Values("RateLimit-Limit")) != 1 {
			t.Errorf("answer %d: %d %v", i, resp.StatusCode, h)
		}
	}
	gw = start(t, relay(up.URL, limited+`
filter "headers" {
  wasm   = "builtin:headers"
  limits = { time = "20s" }
  config {
    response { remove = ["ratelimit-limit"] }
  }
}
pipeline "p" { filters = [filter.ratelimit, filter.headers] }`, "mock"))
	if resp, _ := gw.post(ask("mock", "hello", false)); resp.Header.Get("RateLimit-Limit") != "" || resp.Header.Get("RateLimit-Remaining") != "4" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
