package wasmhost

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
)

// TestANeighboursStreamIsUnharmed: what one tenant makes a filter do costs another's stream no byte.
func TestANeighboursStreamIsUnharmed(t *testing.T) {
	f := newGuest(t, Spec{Config: []byte(wordRules), Limits: Limits{Time: 3 * time.Second}})
	piece := strings.Repeat("benign text ", 9) + "secret1234 "
	want := strings.Repeat(strings.Replace(piece, "secret1234", "[x]", 1), 25)
	stop := make(chan struct{})
	var good, bad sync.WaitGroup
	for i := range 2 {
		bad.Go(func() {
			for n := 0; ; n++ {
				for _, query := range []string{"panic", "memory", "recurse", "calls", "output", "loop", "exit", "fail", "plant", "logs"} {
					x := newExchange(query)
					x.Tenant = fmt.Sprintf("bad %d %d %s", i, n, query) // a new one each time: no breaker saves the neighbours
					f.Run(context.Background(), exchange.PhaseRequestHead, x)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 4 {
		good.Go(func() {
			x := newExchange("redact")
			x.Tenant = fmt.Sprintf("good %d", i)
			var cuts []string
			for text := strings.Repeat(piece, 25); text != ""; {
				n := min(len(text), 37+i)
				cuts, text = append(cuts, text[:n]), text[n:]
			}
			if got, v := stream(t, f, x, cuts); got != want || v.Action != exchange.Continue {
				t.Errorf("%d of %d bytes, %+v", len(got), len(want), v)
			}
		})
	}
	good.Wait()
	close(stop)
	bad.Wait()
	if s := f.Stats(); s.Disposals == 0 || s.Failures == 0 || s.Instances > int64(f.limits.Instances) {
		t.Errorf("%+v", s)
	}
}

// loads is what a process holds.
type loads struct {
	goroutines, maps int
	heap             uint64
}

func weigh() (l loads) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	maps, _ := os.ReadFile("/proc/self/maps")
	return loads{runtime.NumGoroutine(), bytes.Count(maps, []byte("\n")), m.HeapAlloc}
}

// TestTenThousandSwapsLeaveNothing: each swap opens a module with another digest in the middle of a
// stream, which ends on the module that it began on.
func TestTenThousandSwapsLeaveNothing(t *testing.T) {
	h := newHost(t)
	open := func(i int) (*Module, *Filter) {
		manifest := fmt.Sprintf(`{"name":"hand","version":"%d","abi":"ginnel_v1","events":["request_head","delta","tick"],"tick_ms":60000,"body":"parsed"}`, i)
		m, err := h.Open(t.Context(), guestCode{manifest: manifest}.bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.NewFilter(Spec{Name: "f", Module: m})
		if err != nil {
			t.Fatal(err)
		}
		return m, f
	}
	m, f := open(0)
	var first loads
	for i := 1; i <= 10_000; i++ {
		x := newExchange("")
		flow := exchange.NewPipeline("p", f).Flow(x)
		if _, err := flow.Request(t.Context()); err != nil {
			t.Fatal(err)
		}
		out := 0
		event := func() {
			e := &exchange.Event{Body: exchange.NewBody([]byte("text"), []dialect.Text{{Span: dialect.Span{Start: 0, End: 4}}})}
			if _, err := flow.Event(t.Context(), e, func(*exchange.Event) { out++ }); err != nil {
				t.Fatal(err)
			}
		}
		event()
		nextModule, next := open(i)
		event()
		if _, err := flow.Flush(t.Context(), func(*exchange.Event) {}); err != nil || out != 2 {
			t.Fatal(err, out)
		}
		if n := f.Stats().Callbacks; n != 4 {
			t.Fatalf("the old one ran %d callbacks", n)
		}
		f.Close(t.Context())
		m.Close(t.Context())
		if n := f.Stats().Instances; n != 0 {
			t.Fatalf("swap %d: %d instances of the old one are left", i, n)
		}
		m, f = nextModule, next
		if i == 1000 {
			first = weigh()
		}
	}
	last := weigh()
	f.Close(t.Context())
	m.Close(t.Context())
	if last.goroutines > first.goroutines || last.maps > first.maps+20 || last.heap > first.heap+4<<20 {
		t.Errorf("after 1,000 swaps %+v, after 10,000 %+v", first, last)
	}
	if s := h.Stats()["f"]; s.Callbacks != 40_000 || s.Instances != 0 || s.Memory != 0 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
	if len(h.filters) != 0 {
		t.Errorf("%d filters are left", len(h.filters))
	}
}
