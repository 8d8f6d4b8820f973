package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// figure is a ratio: of the medians, and its range over the rounds.
type figure struct{ value, low, high float64 }

// row is one line of the table.
type row struct {
	name   string
	of     figure
	target string // as TARGETS says it
	reach  func(float64) bool
}

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }
func atMost(limit float64) func(float64) bool  { return func(v float64) bool { return v <= limit } }

// print writes the table of ratios.
func (b *bench) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tmeasured\tover the rounds\ttarget\treached")
	for _, r := range b.rows() {
		reached := ""
		if r.reach != nil {
			reached = map[bool]string{true: "yes", false: "no"}[r.reach(r.of.value)]
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f-%.2f\t%s\t%s\n", r.name, r.of.value, r.of.low, r.of.high, r.target, reached)
	}
	w.Flush()
	if b.raw {
		b.printRaw(out)
	}
	for _, n := range b.notes {
		fmt.Fprintln(out, "note:", n)
	}
}

// rows derives the figures from what was measured; one whose parts were not is left out.
func (b *bench) rows() []row {
	var rows []row
	add := func(name string, f figure, target string, reach func(float64) bool) {
		if !math.IsNaN(f.value) && !math.IsInf(f.value, 0) && f.value != 0 {
			rows = append(rows, row{name, f, target, reach})
		}
	}
	get := b.byName()
	bare, nginx := get(fasthttpProxy), get(nginxProxy)
	empty, noScan, full := get(emptyRelay), get(fullNoScan), get(fullRelay)
	relayed, invoked := get(secureRelay), get(secureInvoked)

	add("throughput, nginx / fasthttp", ratio(nginx.perSecond, bare.perSecond), "", nil)
	add("throughput, empty pipeline / fasthttp", ratio(empty.perSecond, bare.perSecond), ">= 0.80", atLeast(0.80))
	add("throughput, full pipeline / fasthttp", ratio(full.perSecond, bare.perSecond), ">= 0.50", atLeast(0.50))
	add("throughput, invoked / relayed", ratio(invoked.perSecond, relayed.perSecond), "", nil)

	add("CPU per request, nginx / fasthttp", ratio(nginx.cpu, bare.cpu), "", nil)
	add("CPU per request, empty pipeline / fasthttp", ratio(empty.cpu, bare.cpu), "", nil)
	add("CPU per request, full pipeline without sanitize / fasthttp", ratio(noScan.cpu, bare.cpu), "<= 2.00", atMost(2))
	add("CPU per request, full pipeline / fasthttp", ratio(full.cpu, bare.cpu), "<= 3.00", atMost(3))
	add("CPU per request, invoked with its plugin / relayed", ratio(invoked.cpu, relayed.cpu), "<= 2.10", atMost(2.1))

	reference, base := "nginx", nginx
	if len(nginx.p50) == 0 {
		reference, base = "fasthttp", bare
	}
	per := " / " + reference + "'s"
	onlyNginx := func(target string, reach func(float64) bool) (string, func(float64) bool) {
		if base != nginx {
			return "", nil
		}
		return target, reach
	}
	target, reach := onlyNginx("<= 1.50", atMost(1.5))
	add("added p50, empty pipeline"+per, b.added(p50Of, empty, base), "", nil)
	add("added p50, full pipeline"+per, b.added(p50Of, full, base), target, reach)
	add("added p99, full pipeline"+per, b.added(p99Of, full, base), "", nil)
	add("added time to first token, empty pipeline"+per, b.added(tokenOf, empty, base), "", nil)
	add("added time to first token, full pipeline"+per, b.added(tokenOf, full, base), target, reach)
	add("added time to first byte of a stream, full pipeline"+per, b.added(firstOf, full, base), "", nil)
	add("p50, invoked less relayed, ms", difference(invoked.p50, relayed.p50, 1e3), "<= 0.12", atMost(0.12))

	add("CPU per streamed chunk, nginx / fasthttp", ratio(nginx.chunk, bare.chunk), "", nil)
	add("CPU per streamed chunk, empty pipeline / fasthttp", ratio(empty.chunk, bare.chunk), "", nil)
	add("CPU per streamed chunk, full pipeline without sanitize / fasthttp", ratio(noScan.chunk, bare.chunk), "", nil)
	add("CPU per streamed chunk, full pipeline / fasthttp", ratio(full.chunk, bare.chunk), "<= 1.50", atMost(1.5))

	add("CPU per streamed chunk, invoked with its plugin / relayed", ratio(invoked.chunk, relayed.chunk), "<= 1.60", atMost(1.6))
	add("CPU per paced chunk, invoked with its plugin / relayed", ratio(invoked.pacedChunk, relayed.pacedChunk), "<= 1.80", atMost(1.8))

	add("core memory under load, full pipeline, MB", single(float64(full.memory)/1e6), "<= 60", atMost(60))
	add("start to listening, empty pipeline, ms", single(float64(empty.started)/float64(time.Millisecond)), "<= 60", atMost(60))
	add("start to listening, full pipeline, warm module cache, ms", single(float64(full.started)/float64(time.Millisecond)), "", nil)
	add("start to listening, which is when its plugins are ready, four plugins, ms", single(float64(b.four.started)/float64(time.Millisecond)), "<= 250", atMost(250))
	return rows
}

// byName returns a candidate by its name; one that was not measured is empty.
func (b *bench) byName() func(string) *candidate {
	return func(name string) *candidate {
		for _, c := range b.candidates {
			if c.name == name {
				return c
			}
		}
		return &candidate{}
	}
}

func p50Of(c *candidate) []float64   { return c.p50 }
func p99Of(c *candidate) []float64   { return c.p99 }
func firstOf(c *candidate) []float64 { return c.first }
func tokenOf(c *candidate) []float64 { return c.token }

// added compares what a candidate adds to the direct way with what the base adds.
func (b *bench) added(of func(*candidate) []float64, c, base *candidate) figure {
	return ratio(less(of(c), of(b.mock)), less(of(base), of(b.mock)))
}

func less(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] - b[i]
	}
	return out
}

// ratio compares the medians of two series of rounds, and the rounds one by one.
func ratio(a, b []float64) figure {
	f := figure{value: median(a) / median(b), low: math.Inf(1), high: math.Inf(-1)}
	for i := range min(len(a), len(b)) {
		f.low, f.high = min(f.low, a[i]/b[i]), max(f.high, a[i]/b[i])
	}
	return f
}

func difference(a, b []float64, unit float64) figure {
	d := less(a, b)
	f := figure{value: median(d) * unit, low: math.Inf(1), high: math.Inf(-1)}
	for _, v := range d {
		f.low, f.high = min(f.low, v*unit), max(f.high, v*unit)
	}
	return f
}

func single(v float64) figure { return figure{v, v, v} }

// printRaw writes the absolute figures, which hold for this machine and this minute only.
func (b *bench) printRaw(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\ncandidate\treq/s\tCPU s/10k\tp50 ms\tp99 ms\tfirst ms\ttoken ms\tCPU us/chunk\tMB\tstart ms")
	for _, c := range append([]*candidate{b.mock}, b.candidates...) {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.3f\t%.3f\t%.3f\t%.3f\t%.2f\t%.0f\t%d\n", c.name, median(c.perSecond), median(c.cpu), median(c.p50)*1e3, median(c.p99)*1e3,
			median(c.first)*1e3, median(c.token)*1e3, median(c.chunk)*1e6, float64(c.memory)/1e6, c.started.Milliseconds())
	}
	w.Flush()
}
