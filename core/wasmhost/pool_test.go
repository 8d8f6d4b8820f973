package wasmhost

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
)

func TestPoolGrowsToItsBoundAndNoFurther(t *testing.T) {
	h := newHost(t)
	m, err := h.Open(t.Context(), guestCode{}.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	f, err := h.NewFilter(Spec{Name: "f", Module: m, Limits: Limits{Instances: 3}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(t.Context())
	var held []*instance
	for range 3 {
		in, err := f.pool.get(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, in)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := f.pool.get(ctx, "a"); !errors.Is(err, gone) {
		t.Errorf("a fourth instance: %v", err)
	}
	var wg sync.WaitGroup
	for range 5 { // waiters get what comes back
		wg.Go(func() {
			in, err := f.pool.get(context.Background(), "b")
			if err != nil {
				t.Error(err)
				return
			}
			f.pool.put(in)
		})
	}
	f.pool.discard(held[0], false) // a place, an instance and a refill are all news to a waiter
	f.pool.discard(held[1], true)
	f.pool.put(held[2])
	wg.Wait()
	f.pool.refills.Wait()
	if n := f.pool.live(); n > 3 {
		t.Errorf("%d instances", n)
	}
}

func TestPoolHammer(t *testing.T) {
	h := newHost(t)
	m, err := h.Open(t.Context(), guestCode{}.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	f, err := h.NewFilter(Spec{Name: "f", Module: m, Limits: Limits{Instances: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var inUse sync.Map
	var wg sync.WaitGroup
	var n atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				in, err := f.pool.get(context.Background(), string(rune('a'+(g+i)%5)))
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := inUse.LoadOrStore(in, g); twice {
					t.Error("one instance is in use twice")
				}
				in.bind(string(rune('a' + (g+i)%5)))
				n.Add(1)
				inUse.Delete(in)
				if (g+i)%17 == 0 {
					f.pool.discard(in, i%2 == 0)
				} else {
					f.pool.put(in)
				}
			}
		})
	}
	wg.Wait()
	if err := f.Close(t.Context()); err != nil || n.Load() != 4000 {
		t.Errorf("%d, %v", n.Load(), err)
	}
	if live := f.pool.live(); live != 0 {
		t.Errorf("%d instances are left", live)
	}
}

func TestACallbackAllocatesNothing(t *testing.T) {
	h := newHost(t)
	m, err := h.Open(t.Context(), guestCode{}.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	for _, shared := range []bool{true, false} {
		f, err := h.NewFilter(Spec{Name: "f", Module: m, Builtin: shared})
		if err != nil {
			t.Fatal(err)
		}
		x := newExchange("")
		if n := testing.AllocsPerRun(200, func() {
			if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("shared %v: %v allocations", shared, n)
		}
		f.Close(t.Context())
	}
}
