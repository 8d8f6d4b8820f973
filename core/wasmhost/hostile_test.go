package wasmhost

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

func TestHostileGuestsFailAlone(t *testing.T) {
	f := newGuest(t, Spec{Limits: Limits{Time: 300 * time.Millisecond}})
	for _, c := range []struct{ query, want string }{
		{"loop", "time is used up"},
		{"memory", ""},
		{"recurse", ""},
		{"calls", errCalls.Error()},
		{"output", errOutput.Error()},
		{"panic", "on purpose"},
		{"exit", errExit.Error()},
		{"fail", "it gave -8"},
		{"pause", "no call is outstanding"},
		{"action", "action 77"},
		{"drop", "action 2"},
	} {
		x := newExchange(c.query)
		x.Tenant = c.query // a tenant each: the breaker is another test's
		var wg sync.WaitGroup
		for i := range 4 { // the neighbours
			wg.Go(func() {
				for range 5 {
					y := newExchange("find")
					y.Tenant = string(rune('a' + i))
					if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, y); err != nil {
						t.Errorf("beside %s: %v", c.query, err)
					}
				}
			})
		}
		_, err := f.Run(t.Context(), exchange.PhaseRequestHead, x)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.query, err)
		}
		wg.Wait()
		x = newExchange("find")
		x.Tenant = c.query
		run(t, f, exchange.PhaseRequestHead, x)
	}
	if n := f.Stats().Failures; n != 11 {
		t.Errorf("%d failures", n)
	}
}

// TestOnErrorOpenGoesOn, and the exchange and the log say so: which one it was, and no more than how it came.
func TestOnErrorOpenGoesOn(t *testing.T) {
	var log bytes.Buffer
	f := newGuest(t, Spec{OnError: Open, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	x := newExchange("panic")
	for range 2 {
		if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Continue {
			t.Errorf("%+v", v)
		}
	}
	if len(x.Notes) != 1 || x.Notes[0] != (exchange.Note{Filter: "test", Key: "failed_open", Value: "request_head"}) {
		t.Errorf("%+v", x.Notes)
	}
	for _, want := range []string{"filter failed", "request_id=req-1", "on purpose"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log: %s", want, &log)
		}
	}
	if strings.Contains(log.String(), "stack trace") {
		t.Errorf("%s", &log)
	}
}

// TestOneGoodPhaseKeepsNoFilter: one that fails in each exchange is suspended, though another of its callbacks succeeds.
func TestOneGoodPhaseKeepsNoFilter(t *testing.T) {
	f := newGuest(t, Spec{OnError: Open})
	for range tolerated + 1 {
		x := newExchange("fail")
		run(t, f, exchange.PhaseRequestHead, x)
		x.Query = "find"
		run(t, f, exchange.PhaseRequestHead, x)
	}
	if s := f.Stats(); s.Failures != tolerated || s.Errors["suspended"] == 0 {
		t.Errorf("%+v", s)
	}
}

func TestPlantedDataNeverCrossesTenants(t *testing.T) {
	f := newGuest(t, Spec{Limits: Limits{Time: 20 * time.Second, Instances: 2}})
	var wg sync.WaitGroup
	for tenant := range 6 {
		wg.Go(func() {
			name := strings.Repeat("t", tenant+1)
			for range 200 {
				for _, query := range []string{"plant", "find"} {
					x := newExchange(query)
					x.Tenant = name
					if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x); err != nil {
						t.Error(err)
						return
					}
					if got := said(x); got != "" && got != "secret of "+name {
						t.Errorf("%s sees %q", name, got)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	s := f.Stats()
	if s.Instances > 2 || s.Resets == 0 || s.Failures > 0 {
		t.Errorf("%+v", s)
	}
}

func TestSharedInstancesKeepWhatTheyHave(t *testing.T) {
	f := newGuest(t, Spec{Builtin: true, Limits: Limits{Time: 20 * time.Second, Instances: 1}})
	run(t, f, exchange.PhaseRequestHead, newExchange("plant"))
	x := newExchange("find")
	x.Tenant = "other"
	if run(t, f, exchange.PhaseRequestHead, x); said(x) != "secret of t" || f.Stats().Resets != 0 {
		t.Errorf("%q, %+v", said(x), f.Stats())
	}
}

// TestInstancesAreSharedByGrantOnly: the guest fails where it finds what an earlier callback left.
func TestInstancesAreSharedByGrantOnly(t *testing.T) {
	h := newHost(t)
	manifest := `{"name":"hand","abi":"ginnel_v1","events":["request_head"],"capabilities":["shared"]}`
	left := []byte{0x41, 0, 0x28, 2, 0, 0x41, 0, 0x41, 0x7f, 0x36, 2, 0} // returns the word at 0 and puts -1 there
	for _, shared := range []bool{true, false} {
		code := guestCode{manifest: manifest, on: left}
		if !shared {
			code.manifest = strings.Replace(manifest, `"shared"`, "", 1) // the grant alone shares nothing
		}
		m, err := h.Open(t.Context(), code.bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.NewFilter(Spec{Name: "f", Module: m, Grant: Grant{Shared: true}, Limits: Limits{Time: 20 * time.Second, Instances: 1}})
		if err != nil {
			t.Fatal(err)
		}
		for i, tenant := range []string{"a", "b", "c"} {
			x := newExchange("")
			x.Tenant = tenant
			if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, x); (err != nil) != (shared && i == 1) {
				t.Errorf("shared %v, tenant %s: %v", shared, tenant, err)
			}
		}
		f.Close(t.Context())
		m.Close(t.Context())
	}
}

func TestTheBreakerOpensForOneTenant(t *testing.T) {
	var log bytes.Buffer
	f := newGuest(t, Spec{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range tolerated {
		f.Run(t.Context(), exchange.PhaseRequestHead, newExchange("fail"))
	}
	before := f.Stats().Failures
	if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, newExchange("find")); err != errSuspended || f.Stats().Failures != before {
		t.Errorf("%v", err)
	}
	x := newExchange("find")
	x.Tenant = "other"
	run(t, f, exchange.PhaseRequestHead, x)
	if !strings.Contains(log.String(), "filter suspended") {
		t.Error("nothing in the log")
	}
}

func TestBreakerClosesAfterATrial(t *testing.T) {
	var b breaker
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	for range tolerated {
		b.failed("t", clock)
	}
	if b.allow("t", clock) || !b.allow("u", clock) {
		t.Fatal("open for the wrong tenant")
	}
	now = now.Add(minBackoff)
	if !b.allow("t", clock) || b.allow("t", clock) {
		t.Error("not one trial")
	}
	if d, opened := b.failed("t", clock); !opened || d != 2*minBackoff {
		t.Errorf("a failed trial: %s", d)
	}
	now = now.Add(2 * minBackoff)
	if !b.allow("t", clock) {
		t.Fatal("no second trial")
	}
	// the trial's client left before it told anything: another one is made in its turn
	now = now.Add(4 * minBackoff)
	if !b.allow("t", clock) || b.allow("t", clock) {
		t.Error("no trial after one that did not end")
	}
	b.succeeded("t")
	for range 2 {
		if !b.allow("t", clock) {
			t.Error("still open after a success")
		}
	}
}

// TestATrialWhoseClientLeaves neither succeeds nor fails, and is not the last one.
func TestATrialWhoseClientLeaves(t *testing.T) {
	var b breaker
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	for range tolerated {
		b.failed("t", clock)
	}
	for range 3 {
		now = now.Add(maxBackoff)
		if !b.allow("t", clock) {
			t.Fatal("suspended for good")
		}
	}
}

func TestRefusedConfigsAreErrors(t *testing.T) {
	h, m := guest(t)
	kv := newKV(t)
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Config: []byte(`{"refuse":"because"}`)}, "because"},
		{Spec{Config: []byte(`{"rules":"nonsense"}`)}, "invalid"},
		{Spec{Config: []byte(`{`)}, "refuses its config"},
		{Spec{Limits: Limits{Memory: 1 << 16}}, "begins with"},
		{Spec{OnError: "maybe"}, "on_error"},
		{Spec{Grant: Grant{KV: true}}, "grant = { http"},
		{Spec{Grant: Grant{HTTP: []string{"http://127.0.0.1:9"}}}, "grant = { kv"},
		{Spec{Grant: Grant{HTTP: []string{"http://127.0.0.1:9/path"}}}, "goes on after its host"},
	} {
		c.spec.Name, c.spec.Module, c.spec.Limiter = "bad", m, newLimiter()
		c.spec.KV, c.spec.Egress = kv, egress.New(egress.Needs{})
		if c.spec.Grant.HTTP == nil && !c.spec.Grant.KV {
			c.spec.Grant = Grant{KV: true, HTTP: []string{"http://127.0.0.1:9"}}
		}
		c.spec.Grant.KV = c.spec.Grant.KV || strings.Contains(c.want, "goes on")
		if f, err := h.NewFilter(c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
			if f != nil {
				f.Close(t.Context())
			}
		}
	}
	if len(h.sets) != 0 {
		t.Errorf("%d sets of rules are left", len(h.sets))
	}
}
