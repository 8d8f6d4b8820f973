package wasmhost

import (
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

// TestProxyContextsEnd: contexts do not stay, also where the guest puts their end off.
func TestProxyContextsEnd(t *testing.T) {
	f := newProxy(t, Spec{})
	for i := range 200 {
		x := proxyExchange([]string{"nothing", "log"}[i%2])
		run(t, f, exchange.PhaseRequestHead, x)
		x.Response.Status = 200
		run(t, f, exchange.PhaseResponseHead, x)
		proxyEnd(t, f, x)
		if i%2 == 1 && said(x) != "200" {
			t.Fatalf("the log callback: %q", said(x))
		}
	}
	x := proxyExchange("sharedget=left")
	if got := proxySays(t, f, x); got != "0(0)" {
		t.Errorf("contexts that are left: %s", got)
	}
	proxyEnd(t, f, x)
	for range maxPending + 10 {
		x := proxyExchange("later")
		run(t, f, exchange.PhaseRequestHead, x)
		proxyEnd(t, f, x)
	}
	v, err := f.vms.take(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(v.streams); n > maxPending+1 {
		t.Errorf("%d contexts are put off", n)
	}
	f.vms.leave(v)
}

// TestAnEndThatIsPutOffComes at the latest when the exchange's pauses would be over: a guest that never
// says so keeps neither its context nor its VM.
func TestAnEndThatIsPutOffComes(t *testing.T) {
	f := newProxy(t, Spec{Limits: Limits{Time: 20 * time.Second, Pause: 20 * time.Millisecond}})
	x := proxyExchange("later")
	run(t, f, exchange.PhaseRequestHead, x)
	proxyEnd(t, f, x)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		f.vms.mu.Lock()
		refs := f.vms.all["t"].vm.refs
		f.vms.mu.Unlock()
		if refs == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d contexts stay", refs)
		}
	}
}
