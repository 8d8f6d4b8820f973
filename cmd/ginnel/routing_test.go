package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// routed declares models over one upstream that is spoken to as OpenAI (provider.up) and as Anthropic
// (provider.claude); the route lists those named.
func routed(upstream, auth, listed, models string) string {
	hcl := strings.Replace(relay(upstream, emptyPipeline), "models   = []", "models   = ["+listed+"]", 1)
	hcl = strings.Replace(hcl, `auth     = "none"`, fmt.Sprintf("auth     = %q", auth), 1)
	return hcl + fmt.Sprintf(`
listener "admin" {
  address = "127.0.0.1:0"
  serve   = ["metrics"]
}
provider "claude" {
  plugin   = "anthropic"
  base_url = %q
  config { api_key = secret.up }
}
`, upstream+"/v1") + models
}

// target declares a target of a model.
func target(name, provider, model string) string {
	return fmt.Sprintf("  target %q {\n    provider = provider.%s\n    model    = %q\n  }\n", name, provider, model)
}

func (r *running) scrape() string {
	r.t.Helper()
	resp, err := http.Get("http://" + r.Addresses()["admin"] + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// target returns how a target is.
func (r *running) target(model, name string) daemon.TargetStatus {
	r.t.Helper()
	for _, m := range r.Status().Models {
		for _, t := range m.Targets {
			if m.Name == model && t.Name == name {
				return t
			}
		}
	}
	r.t.Fatalf("no target %s of %s in %+v", name, model, r.Status().Models)
	return daemon.TargetStatus{}
}

// TestALimitedTargetCoolsDown: its calls go elsewhere, the first one at once, for as long as it said.
func TestALimitedTargetCoolsDown(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	limited := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(429)
	}))
	t.Cleanup(limited.Close)
	gw := start(t, routed(up.URL, "none", "model.m", "provider \"busy\" {\n  plugin = \"openai\"\n  base_url = \""+limited.URL+"\"\n}\nmodel \"m\" {\n"+
		strings.Replace(target("a", "busy", "mock"), "model ", "weight = 1000\n    model ", 1)+target("b", "up", "mock")+"}\n"))
	gw.wait("the limit", func() bool {
		resp, body := gw.post(ask("m", "hello", false))
		if resp.StatusCode != 200 {
			t.Fatalf("status %d: %s", resp.StatusCode, body)
		}
		return gw.target("m", "a").Limited > 0
	})
	for range 20 {
		if resp, _ := gw.post(ask("m", "hello", false)); resp.Header.Get(gateway.HeaderRoute) != "m/b/1" {
			t.Fatalf("route %q", resp.Header.Get(gateway.HeaderRoute))
		}
	}
	a := gw.target("m", "a")
	if a.Calls != 1 || a.Cooling <= 0 || a.Breaker != "closed" {
		t.Errorf("%+v", a)
	}
	if text := gw.scrape(); !strings.Contains(text, `ginnel_target_cooling{model="m",target="a"} 1`) {
		t.Error("the metrics do not tell")
	}
	var out bytes.Buffer
	if writeStatus(&out, gw.Status()); !strings.Contains(out.String(), "cools down for") {
		t.Errorf("the status does not tell:\n%s", &out)
	}
}

// TestBreakerOverAReload: failures take a target out of service, a reload that leaves it as it is does not
// bring it back, one that changes it does; another model of the same provider is not concerned.
func TestBreakerOverAReload(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	config := func(name, limit string) string {
		return routed(up.URL, "none", "model.m, model.well", `
model "m" {
  retry   = { attempts = 1 }
  breaker = { failures = 3, cooldown = "1h" }
`+target("a", "up", name)+"}\nmodel \"well\" {\n  breaker = { failures = 3 }\n"+target("a", "up", "mock")+"}\n"+
			"team \"t\" {\n  limit = { requests = \""+limit+"\" }\n}\n")
	}
	gw := start(t, config("mock+fault=500", "10/1m"))
	for range 3 {
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 500 {
			t.Fatalf("status %d: %s", resp.StatusCode, body)
		}
	}
	refused := func(when string) {
		before := up.Stats().Requests
		for _, stream := range []bool{false, true} {
			resp, body := gw.post(ask("m", "hello", stream))
			id := resp.Header.Get("X-Request-Id")
			checkError(t, body, "unavailable", id)
			if e := gw.event(id); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || e.Terminal != "upstream_error" || resp.Header.Get(gateway.HeaderRoute) != "" {
				t.Errorf("%s: status %d, %v, %+v", when, resp.StatusCode, resp.Header, e)
			}
		}
		if up.Stats().Requests != before {
			t.Errorf("%s: the upstream was called", when)
		}
		if resp, _ := gw.post(ask("well", "hello", false)); resp.StatusCode != 200 {
			t.Errorf("%s: another model: status %d", when, resp.StatusCode)
		}
	}
	refused("open")
	s := gw.Status()
	if len(s.Degraded) != 1 || !strings.Contains(s.Degraded[0], "target a of model m") {
		t.Errorf("degraded: %v", s.Degraded)
	}
	text := gw.scrape()
	for _, want := range []string{`ginnel_target_breaker{model="m",state="open",target="a"} 1`, `ginnel_target_breaker{model="well",state="closed",target="a"} 1`, `ginnel_target_breaker_opened_total{model="m",target="a"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	reload := func(hcl string) {
		gw.write(hcl)
		if r := gw.Reload(context.Background(), "test"); !r.Changed {
			t.Fatalf("%+v", r)
		}
	}
	reload(config("mock+fault=500", "20/1m"))
	refused("after a reload")
	reload(config("mock", "20/1m"))
	if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
}

// TestHalfOpenRecovery: after the cooldown one call finds out that the target is well again.
func TestHalfOpenRecovery(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, routed(up.URL, "none", "model.m", `
model "m" {
  retry    = { attempts = 1 }
  breaker  = { failures = 3, cooldown = "200ms" }
  fallback = [model.backup]
`+target("a", "up", "mock+fault=500+failn=3+key=h")+"}\nmodel \"backup\" {\n"+target("b", "up", "mock")+"}\n"))
	for i := range 3 {
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 || resp.Header.Get(gateway.HeaderRoute) != "backup/b/2" {
			t.Fatalf("call %d: status %d, route %s: %s", i, resp.StatusCode, resp.Header.Get(gateway.HeaderRoute), body)
		}
	}
	if opened := gw.target("m", "a").Opened; opened != 1 {
		t.Fatalf("it opened %d times", opened)
	}
	gw.wait("the cooldown", func() bool { return gw.target("m", "a").Breaker == "half_open" })
	resp, _ := gw.post(ask("m", "hello", false))
	if a := gw.target("m", "a"); resp.Header.Get(gateway.HeaderRoute) != "m/a/1" || a.Breaker != "closed" {
		t.Errorf("route %s, %+v", resp.Header.Get(gateway.HeaderRoute), a)
	}
}

// TestFallback: a model of another dialect takes the call where the first one fails, for a key that may use
// the first one only; nobody may ask for it by name that way.
func TestFallback(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, routed(up.URL, "key", "model.chat", `
model "chat" {
  fallback = [model.down, model.backup]
`+target("a", "up", "mock+fault=500")+"}\nmodel \"down\" {\n  retry = { attempts = 1 }\n"+target("x", "up", "mock+fault=reset")+"}\n"+
		"model \"backup\" {\n"+target("claude", "claude", "mock")+"}\n"))
	key, err := gw.CreateKey(daemon.NewKey{Name: "a", Models: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []bool{false, true} {
		resp, body := gw.post(ask("chat", "hello", stream), "Authorization", "Bearer "+key.Text)
		if resp.StatusCode != 200 || !strings.Contains(body, "chat.completion") || resp.Header.Get(gateway.HeaderRoute) != "backup/claude/4" {
			t.Errorf("status %d, route %s: %.300s", resp.StatusCode, resp.Header.Get(gateway.HeaderRoute), body)
		}
		if stream {
			if failed, err := readChat(body); failed || err != nil {
				t.Errorf("%v: %s", err, body)
			}
		}
		e := gw.event(resp.Header.Get("X-Request-Id"))
		if e.Terminal != "completed" || e.Retries != 3 || e.Fallback != "backup" || untimed(e.Tries) != "chat/a 5xx, chat/a 5xx, down/x cut, backup/claude answered" || e.Provider != "claude" {
			t.Errorf("%+v", e)
		}
	}
	if text := gw.scrape(); !strings.Contains(text, `ginnel_upstream_fallbacks_total{model="chat",provider="claude",route="all"} 2`) {
		t.Error("the metrics do not tell")
	}
	if resp, _ := gw.post(ask("backup", "hello", false), "Authorization", "Bearer "+key.Text); resp.StatusCode != 404 {
		t.Errorf("the fallback itself: status %d", resp.StatusCode)
	}
}

// TestNoFallbackBehindTheFirstEvent: a stream that fails in its first event is made elsewhere, one that
// fails behind it is not, and where there is nowhere else the upstream's own words stand.
func TestNoFallbackBehindTheFirstEvent(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	var asked atomic.Int64
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range []string{"data: {\"error\":{\"message\":\"overloaded\",", "\"type\":\"server_error\",\"code\":\"server_error\"}}\n", "\n"} {
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(first.Close)
	gw := start(t, withTimeouts(routed(up.URL, "none", "model.first, model.alone, model.later, model.stalls, model.resets", "provider \"first\" {\n  plugin = \"openai\"\n  base_url = \""+first.URL+"\"\n}\n"+
		"model \"first\" {\n  fallback = [model.backup]\n  retry = { attempts = 1 }\n"+target("a", "first", "mock")+"}\n"+
		"model \"alone\" {\n"+target("a", "first", "mock")+"}\n"+
		"model \"later\" {\n  fallback = [model.backup]\n  breaker = { failures = 1 }\n"+target("a", "up", "mock+fault=sse-error")+"}\n"+
		"model \"stalls\" {\n  fallback = [model.backup]\n  breaker = { failures = 1 }\n"+target("a", "up", "mock+fault=sse-stall")+"}\n"+
		"model \"resets\" {\n  retry = { attempts = 1 }\n"+target("a", "up", "mock+fault=reset")+"}\n"+
		"model \"backup\" {\n"+target("b", "up", "mock")+"}\n")))
	resp, body := gw.post(ask("first", "hello", true))
	if failed, err := readChat(body); failed || err != nil || resp.Header.Get(gateway.HeaderRoute) != "backup/b/2" {
		t.Errorf("route %s, %v: %.300s", resp.Header.Get(gateway.HeaderRoute), err, body)
	}
	asked.Store(0)
	resp, body = gw.post(ask("alone", "hello", true))
	if e := gw.event(resp.Header.Get("X-Request-Id")); resp.StatusCode != 200 || !strings.Contains(body, "overloaded") || asked.Load() != 2 || e.Terminal != "upstream_error" || e.Retries != 1 {
		t.Errorf("status %d, %d calls, %+v: %s", resp.StatusCode, asked.Load(), e, body)
	}
	for model, terminal := range map[string]string{"later": "upstream_error", "stalls": "timeout"} {
		before := up.Stats().Requests
		resp, body = gw.post(ask(model, "hello", true))
		if e := gw.event(resp.Header.Get("X-Request-Id")); resp.StatusCode != 200 || up.Stats().Requests-before != 1 || e.Terminal != terminal || resp.Header.Get(gateway.HeaderRoute) != model+"/a/1" {
			t.Errorf("%s: status %d, %d calls, %+v: %s", model, resp.StatusCode, up.Stats().Requests-before, e, body)
		}
		gw.wait("the breaker", func() bool { return gw.target(model, "a").Breaker == "open" })
	}
	resp, _ = gw.post(ask("resets", "hello", true))
	gw.event(resp.Header.Get("X-Request-Id"))
	if n := gw.target("resets", "a").Failures; n != 1 {
		t.Errorf("one failure before the first event counts as %d", n)
	}
}

// TestRetryBudget: however many calls fail, the upstream gets their share and the reserve more.
func TestRetryBudget(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, routed(up.URL, "none", "model.m", "model \"m\" {\n  retry = { budget = \"1%\" }\n"+target("a", "up", "mock+fault=503")+"}\n"))
	for range 15 {
		if resp, _ := gw.post(ask("m", "hello", false)); resp.StatusCode != 503 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	if n := up.Stats().Requests; n != 15+10 {
		t.Errorf("%d requests", n)
	}
	if m := gw.Status().Models[0]; m.Retries != 10 || m.RetriesRefused != 5 {
		t.Errorf("%+v", m)
	}
	if text := gw.scrape(); !strings.Contains(text, `ginnel_model_retries_refused_total{model="m"} 5`) {
		t.Error("the metrics do not tell")
	}
}
