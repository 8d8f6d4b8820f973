package filtertest

import (
	"context"
	"slices"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost"
)

// The numbers of callbacks that warm a filter up, and that a percentile is taken of at most.
const (
	warmUp  = 50
	samples = 1 << 14
)

// Cost is what one event of a case costs in one callback, on average where nothing else is said.
type Cost struct {
	Case      string  `json:"case"`
	Way       string  `json:"way"` // unary or streamed
	Event     string  `json:"event"`
	Callbacks int     `json:"callbacks"` // for each exchange
	NS        int64   `json:"ns"`        // the median
	P99       int64   `json:"p99_ns"`
	HostCalls float64 `json:"host_calls"`
	Fuel      float64 `json:"fuel"`         // units of the meter, about a nanosecond each
	Memory    int64   `json:"memory_bytes"` // of the instance, at most
}

// Bench measures each case for about the given time. It runs what Test runs, so a case whose
// transcript is wrong is an error here too.
func (r *Runner) Bench(ctx context.Context, t *Transcript, each time.Duration) ([]Cost, error) {
	var all []Cost
	for _, c := range t.Cases {
		for _, w := range c.ways() {
			costs, err := r.bench(ctx, c, w, each)
			if err != nil {
				return all, err
			}
			all = append(all, costs...)
		}
	}
	return all, nil
}

func (r *Runner) bench(ctx context.Context, c *Case, w way, each time.Duration) ([]Cost, error) {
	s, err := r.scene(c, w)
	if err != nil {
		return nil, err
	}
	rec := &record{}
	filter, done, err := r.filter(ctx, c, rec)
	if err != nil {
		return nil, err
	}
	defer done()
	m := &measured{Filter: filter, by: map[exchange.Phase]*tally{}}
	g := r.gateway(s, rec, m)
	once := func() {
		for i := range s.play.calls {
			s.play.calls[i].used = false
		}
		s.play.made = s.play.made[:0]
		rec.forget()
		r.exchange(ctx, g, s)
	}
	for range warmUp {
		once()
	}
	clear(m.by)
	exchanges := 0
	for begin := time.Now(); time.Since(begin) < each && ctx.Err() == nil; exchanges++ {
		once()
	}
	var costs []Cost
	for p := exchange.PhaseRequestHead; p <= exchange.PhaseDone; p <<= 1 {
		if t := m.by[p]; t != nil && exchanges > 0 {
			costs = append(costs, t.cost(c.Name, w, p, exchanges))
		}
	}
	return costs, ctx.Err()
}

// measured measures the callbacks of a filter.
type measured struct {
	*wasmhost.Filter
	by map[exchange.Phase]*tally
}

// tally is what the callbacks of one phase cost.
type tally struct {
	n                        int
	times                    []time.Duration // of the first ones
	hostCalls, units, memory int64
}

// Run implements exchange.Filter.
func (m *measured) Run(ctx context.Context, p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
	before := m.Stats()
	begin := time.Now()
	v, err := m.Filter.Run(ctx, p, x)
	took := time.Since(begin)
	after := m.Stats()
	if p&m.Phases() == 0 {
		return v, err
	}
	t := m.by[p]
	if t == nil {
		t = &tally{times: make([]time.Duration, 0, samples)}
		m.by[p] = t
	}
	t.n++
	if len(t.times) < samples {
		t.times = append(t.times, took)
	}
	t.hostCalls += after.HostCalls - before.HostCalls
	t.units += after.Units - before.Units
	t.memory = max(t.memory, after.Memory/max(after.Instances, 1))
	return v, err
}

func (t *tally) cost(name string, w way, p exchange.Phase, exchanges int) Cost {
	slices.Sort(t.times)
	at := func(share float64) int64 { return t.times[int(share*float64(len(t.times)-1))].Nanoseconds() }
	return Cost{
		Case: name, Way: w.String(), Event: p.String(), Callbacks: t.n / exchanges, NS: at(0.5), P99: at(0.99),
		HostCalls: float64(t.hostCalls) / float64(t.n), Fuel: float64(t.units) / float64(t.n), Memory: t.memory,
	}
}
