package wasmhost

import (
	"context"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
)

// BenchmarkCallback is host and guest of a callback that does nothing: a hand-written guest, a Go
// guest, and a Go guest that asks for one field.
func BenchmarkCallback(b *testing.B) {
	h := newHost(b)
	m, err := h.Open(b.Context(), guestCode{}.bytes(b))
	if err != nil {
		b.Fatal(err)
	}
	hand, err := h.NewFilter(Spec{Name: "f", Module: m, Builtin: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("hand", func(b *testing.B) { callbacks(b, hand, exchange.PhaseRequestHead, newExchange("")) })
	b.Run("go", func(b *testing.B) {
		callbacks(b, newGuest(b, Spec{Builtin: true}), exchange.PhaseRequestBody, newExchange(""))
	})
	b.Run("go/field", func(b *testing.B) {
		callbacks(b, newGuest(b, Spec{Builtin: true}), exchange.PhaseRequestHead, newExchange(""))
	})
	b.Run("go/rate", func(b *testing.B) {
		s := Spec{Builtin: true, Rates: map[string]limit.Rate{"default": {Limit: 1 << 30, Per: time.Minute}}}
		callbacks(b, newGuest(b, s), exchange.PhaseRequestHead, newExchange("rate"))
	})
}

// BenchmarkReset is a callback of a Go guest that serves another tenant each time.
func BenchmarkReset(b *testing.B) {
	f := newGuest(b, Spec{Limits: Limits{Instances: 1}})
	x := [2]*exchange.Exchange{newExchange(""), newExchange("")}
	x[1].Tenant = "other"
	i := 0
	for b.Loop() {
		i++
		if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is the opening of a Go module, with an empty cache and with a full one.
func BenchmarkOpen(b *testing.B) {
	guest(b)
	for _, cold := range []bool{true, false} {
		b.Run(map[bool]string{true: "cold", false: "warm"}[cold], func(b *testing.B) {
			dir := b.TempDir()
			open := func() {
				if cold {
					dir = b.TempDir()
				}
				h, err := New(b.Context(), Config{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := h.Open(b.Context(), bench.wasm); err != nil {
					b.Fatal(err)
				}
				h.Close(b.Context())
			}
			open()
			for b.Loop() {
				open()
			}
		})
	}
}

func callbacks(b *testing.B, f *Filter, p exchange.Phase, x *exchange.Exchange) {
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		x.Notes = x.Notes[:0]
		if _, err := f.Run(ctx, p, x); err != nil {
			b.Fatal(err)
		}
	}
}
