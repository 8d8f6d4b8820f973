package wasmhost

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

func TestATickIsOutsideOfExchanges(t *testing.T) {
	seen, kv := &notices{}, newKV(t)
	f, _ := judged(t, Spec{KV: kv, Observer: seen})
	set := func(word string) { kv.Set(own+"\x00test", "tick", []byte(word), 0) }
	tick := func(word string) string {
		set(word)
		seen.all = nil
		f.tick(context.Background())
		return strings.Join(seen.all, "|")
	}
	kv.Set(own+"\x00test", "tick", nil, 0)
	f.tick(context.Background())
	if got, _ := kv.Get(nil, own+"\x00test", "ticks"); string(got) != "1" {
		t.Errorf("a tick counted %q", got)
	}
	if got := tick("/listed"); got != "test raw\"tick got 200 for listed\"" {
		t.Errorf("a tick that pauses: %s", got)
	}
	// what a tick learned is every tenant's, where it has nothing of its own
	for _, c := range []struct{ tenant, want string }{{"a", "listed"}, {"b", "own"}, {"", "listed"}} {
		kv.Set("b\x00test", "list", []byte("own"), 0)
		x := newExchange("kv")
		x.Tenant = c.tenant
		if run(t, f, exchange.PhaseRequestHead, x); said(x) != c.want {
			t.Errorf("tenant %q reads %q", c.tenant, said(x))
		}
	}
	// and what a tenant planted is not the tick's, nor the other way round
	x := newExchange("plant")
	x.Tenant = ""
	run(t, f, exchange.PhaseRequestHead, x)
	if got := tick("find"); got != `test raw""` {
		t.Errorf("a tick sees %s", got)
	}
	tick("plant")
	for range 20 {
		x = newExchange("find")
		x.Tenant = ""
		if run(t, f, exchange.PhaseRequestHead, x); said(x) != "" && said(x) != "secret of " {
			t.Errorf("an exchange sees %q", said(x))
		}
	}
	if n := f.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
	for i, word := range []string{"fail", "drop", "pause"} {
		if tick(word); f.Stats().Failures != int64(i+1) {
			t.Errorf("%s: %d failures", word, f.Stats().Failures)
		}
	}
}

// lines is a log that somebody waits for.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestTicksComeAndEnd(t *testing.T) {
	h := newHost(t)
	manifest := `{"name":"hand","abi":"ginnel_v1","events":["tick"],"tick_ms":100}`
	m, err := h.Open(t.Context(), guestCode{manifest: manifest, on: []byte{0x41, 0x7f}}.bytes(t)) // it fails, and the log tells
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	told := make(lines, 100)
	f, err := h.NewFilter(Spec{Name: "f", Module: m, Logger: slog.New(slog.NewTextHandler(told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if line := <-told; !strings.Contains(line, "phase=tick") {
			t.Error(line)
		}
	}
	f.Close(t.Context())
	if n := f.Stats(); n.Instances != 0 {
		t.Errorf("%+v", n)
	}
}

func TestCloseEndsATickThatPauses(t *testing.T) {
	kv := newKV(t)
	f, j := judged(t, Spec{KV: kv})
	kv.Set(own+"\x00test", "tick", []byte("/wait"), 0)
	f.ticker.stop() // that of the manifest comes once a day
	f.startTicker(time.Millisecond)
	<-j.arrived
	f.Close(context.Background())
	if s := f.Stats(); s.Instances != 0 || s.Failures != 0 || f.origins.Open() != 0 {
		t.Errorf("%+v", s)
	}
}
