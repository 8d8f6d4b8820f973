package telemetry

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestRecentExchanges: the last ones are remembered, found by either id, and hold on to nothing else.
func TestRecentExchanges(t *testing.T) {
	tel := New(Config{})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	end := func(e Event) {
		x := exchange.New(t.Context())
		x.Request.Header = llm.Header{{Name: "traceparent", Value: "00-" + trace + "-00f067aa0ba902b7-01"}}
		tel.Finish(tel.Start(t.Context(), x), &e)
	}
	e := sampleEvent()
	e.Usage.Raw = []byte("{}")
	e.Tries, e.Err = []Try{{Model: "chat", Target: "a", Cause: "5xx", Took: 1530 * time.Microsecond}, {Model: "chat", Target: "b"}}, errors.New("the cause")
	e.Path = "/" + strings.Repeat("x", 10_000)
	end(e)
	got, ok := tel.Find("req-1")
	if !ok || got.TraceID != trace || strings.Join(got.Tries, ", ") != "chat/a 5xx in 1.5 ms, chat/b answered" || got.TokensIn != 10 || got.Error != "the cause" || got.Notes["sanitize.found"] != "none" || len(got.Path) > 2*maxKeptText {
		t.Errorf("%+v", got)
	}
	if f := got.Filters; len(f) != 1 || f[0] != (FilterTrace{"sanitize", 3, 100 * time.Microsecond}) {
		t.Errorf("%+v", f)
	}
	if e.Usage.Raw == nil || e.Err == nil || len(e.Path) < 10_000 {
		t.Error("the event itself was changed")
	}
	for k := range tel.recent.ring {
		if at := tel.recent.ring[k].event; at.Usage != nil || at.Err != nil {
			t.Error("it keeps what it should not")
		}
	}
	for i := range keptTraces + 5 {
		e := sampleEvent()
		if e.ID = fmt.Sprint("n-", i); i%100 == 0 {
			e.Status = 502
		}
		end(e)
	}
	if _, ok := tel.Find("req-1"); ok || tel.recent.held != keptTraces {
		t.Errorf("%d are kept", tel.recent.held)
	}
	all, failed := tel.Recent(1<<20, false), tel.Recent(3, true)
	if len(all) != keptTraces || all[0].ID != fmt.Sprint("n-", keptTraces+4) || all[keptTraces-1].ID != "n-5" {
		t.Errorf("%d, from %s to %s", len(all), all[0].ID, all[len(all)-1].ID)
	}
	if len(failed) != 3 || failed[0].ID != "n-1000" || failed[2].ID != "n-800" {
		t.Errorf("%+v", failed)
	}
	if got, ok := tel.Find(trace); !ok || got.ID != all[0].ID {
		t.Errorf("by its trace: %+v", got)
	}
	if _, ok := tel.Find(""); ok {
		t.Error("nothing is found by nothing")
	}
}

// TestWhatIsRememberedKeepsNothingAlive: neither the exchange nor the head that its words are cut from.
func TestWhatIsRememberedKeepsNothingAlive(t *testing.T) {
	var r recent
	freed := make(chan string, 2)
	func() {
		x := exchange.New(t.Context())
		head := make([]byte, 1<<20)
		runtime.AddCleanup(x, func(what string) { freed <- what }, "exchange")
		runtime.AddCleanup(&head[0], func(what string) { freed <- what }, "head")
		x.Path = unsafe.String(&head[0], len(head))[:7]
		x.Timings.Spend("sanitize", time.Millisecond)
		e := NewEvent(x)
		r.keep(nil, &e)
		x.Cancel(nil)
	}()
	for range 2 {
		runtime.GC()
		select {
		case <-freed:
		case <-time.After(20 * time.Second):
			t.Fatal("something is kept alive")
		}
	}
	if k := r.all()[0]; len(k.event.Path) != 7 || len(k.event.Timings.Filters) != 1 {
		t.Errorf("%+v", k.event)
	}
}

// TestRememberingCostsNothing: what is kept has its place, and an error's text is there already.
func TestRememberingCostsNothing(t *testing.T) {
	var r recent
	e, s := sampleEvent(), &spanContext{Context: context.Background(), trace: newTraceID()}
	for range keptTraces {
		r.keep(s, &e)
	}
	if n := testing.AllocsPerRun(1000, func() { r.keep(s, &e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
