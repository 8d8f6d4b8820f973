package wasmhost

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/sdk/llm"
)

// newBuiltin returns a built-in filter, from the module that is committed.
func newBuiltin(t testing.TB, name string, s Spec) *Filter {
	t.Helper()
	wasm, err := os.ReadFile("../../filters/" + name + "/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := guest(t)
	m, err := h.Open(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	s.Name, s.Module, s.Builtin = name, m, true
	s.Limiter, s.Limits = newLimiter(), patient
	f, err := h.NewFilter(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close(context.Background())
		m.Close(context.Background())
	})
	return f
}

func TestBuiltinHeaders(t *testing.T) {
	f := newBuiltin(t, "headers", Spec{Config: []byte(`{"request":{"require":["x-team"],"remove":["x-debug"],"set":{"x-via":"ginnel"}},"response":{"remove":["server"]}}`)})
	x := newExchange("")
	if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Respond || v.Reply.Error.Code != llm.CodeInvalid {
		t.Errorf("%+v", v)
	}
	x.Request.Header = llm.Header{{Name: "X-Team", Value: "a"}, {Name: "X-Debug", Value: "1"}}
	x.Response.Header = llm.Header{{Name: "Server", Value: "s"}}
	run(t, f, exchange.PhaseRequestHead, x)
	run(t, f, exchange.PhaseResponseHead, x)
	if h := x.Request.Header; len(h) != 2 || h.Get("x-via") != "ginnel" || len(x.Response.Header) != 0 {
		t.Errorf("%v, %v", h, x.Response.Header)
	}
}

func TestBuiltinRatelimit(t *testing.T) {
	f := newBuiltin(t, "ratelimit", Spec{Config: []byte(`{"by":"key"}`), Rates: map[string]limit.Rate{"default": {Limit: 2, Per: time.Hour, SlowDownAt: 0.9}}})
	for i := range 2 {
		x := newExchange("")
		x.SetContext(gone()) // whom nobody waits for, a delay does not hold up
		if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Continue {
			t.Fatalf("%+v", v)
		}
		if l := x.Limit(); l.Of != 2 || l.Remaining != int64(1-i) || l.Reset <= 0 {
			t.Errorf("request %d: it tells %+v", i, l)
		}
	}
	if f.Phases() != exchange.PhaseRequestHead {
		t.Errorf("where no tokens are counted, it looks at %b", f.Phases())
	}
	v := run(t, f, exchange.PhaseRequestHead, newExchange(""))
	if v.Action != exchange.Respond || v.Reply.Error.Code != llm.CodeRateLimited || v.Reply.Error.RetryAfter < 29*time.Minute || v.Reply.Header.Get("RateLimit-Limit") != "2" || v.Reply.Class != "rate_limit" {
		t.Errorf("%+v", v.Reply)
	}
	x := newExchange("")
	x.KeyID = "another"
	if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Continue {
		t.Errorf("another key: %+v", v)
	}
}

func TestBuiltinRatelimitNeedsItsBlock(t *testing.T) {
	h, _ := guest(t)
	wasm, err := os.ReadFile("../../filters/ratelimit/ratelimit.wasm")
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Open(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	if _, err := h.NewFilter(Spec{Name: "r", Module: m, Limiter: newLimiter(), Builtin: true}); err == nil || !strings.Contains(err.Error(), `no block rate "default"`) {
		t.Errorf("%v", err)
	}
}

// TestARefusedRuleSaysWhy, with its name: the guest itself learns no more than that its rules are invalid.
func TestARefusedRuleSaysWhy(t *testing.T) {
	h, _ := guest(t)
	wasm, err := os.ReadFile("../../filters/sanitize/sanitize.wasm")
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Open(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	for _, c := range []struct{ rule, want string }{
		{`{"acme":{"class":"secrets","pattern":"a(b"}}`, "rule acme: error parsing regexp: missing closing )"},
		{`{"acme":{"class":"secrets","pattern":"ACME-[0-9]{2}","yes":["ACME-1"]}}`, "acme"},
	} {
		_, err := h.NewFilter(Spec{Name: "s", Module: m, Config: []byte(`{"rule":` + c.rule + `}`), Limiter: newLimiter(), Builtin: true, Limits: patient})
		if err == nil || !strings.Contains(err.Error(), "it refuses its config: rules: invalid") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func BenchmarkHeaders(b *testing.B) {
	f := newBuiltin(b, "headers", Spec{Config: []byte(`{"request":{"require":["x-team"],"remove":["x-debug"],"set":{"x-via":"ginnel"}}}`)})
	x := newExchange("")
	x.Request.Header = llm.Header{{Name: "X-Team", Value: "a"}, {Name: "content-type", Value: "application/json"}, {Name: "x-via", Value: "none"}}
	callbacks(b, f, exchange.PhaseRequestHead, x)
}

func BenchmarkRateLimit(b *testing.B) {
	f := newBuiltin(b, "ratelimit", Spec{Rates: map[string]limit.Rate{"default": {Limit: 1 << 30, Per: time.Minute}}})
	callbacks(b, f, exchange.PhaseRequestHead, newExchange(""))
}
