package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"
)

const (
	streamConns = 8
	openConns   = 8
	streamRate  = 100 // paced streams per second
)

// measure runs the phases, each in rounds in which every candidate has its turn, so that what the
// machine does besides is spread over all.
func (b *bench) measure(ctx context.Context) error {
	all := append([]*candidate{b.mock}, b.candidates...)
	get := b.byName()
	var streaming, apart []*candidate
	for _, name := range []string{secureRelay, secureInvoked} {
		if c := get(name); c.proc != nil {
			apart = append(apart, c)
		}
	}
	for _, c := range all {
		if c.streams {
			streaming = append(streaming, c)
		}
	}
	for _, phase := range []struct {
		name string
		of   []*candidate
		run  func(context.Context, *candidate, time.Duration, bool) error
	}{
		{"throughput and processor time", b.candidates, b.saturate},
		{"latency", all, b.pace},
		{"time to first token", append([]*candidate{b.mock}, streaming...), b.firstToken},
		{"processor time per chunk", streaming, b.chunks},
		{"processor time per paced chunk", apart, b.pacedChunks},
	} {
		for round := -1; round < b.plan.rounds; round++ { // round -1 warms up and does not count
			if round <= 0 {
				log.Printf("%s: %s", phase.name, map[bool]string{true: "warming up", false: "measuring"}[round < 0])
			}
			for i := range phase.of {
				c, d := phase.of[(i+max(round, 0))%len(phase.of)], b.plan.slice
				if round < 0 {
					d = min(d, time.Second)
				}
				if err := phase.run(ctx, c, d, round >= 0); err != nil {
					return fmt.Errorf("%s: %s: %w", phase.name, c.name, err)
				}
			}
		}
	}
	return nil
}

// saturate measures how much goes through, and what it costs.
func (b *bench) saturate(ctx context.Context, c *candidate, d time.Duration, counts bool) error {
	l, spent, err := b.spending(c, func() load {
		return closedLoop(ctx, c.addr, c.request(modelWhole, false), b.plan.conns, d)
	})
	if err != nil || !counts {
		return err
	}
	c.perSecond = append(c.perSecond, float64(l.requests)/l.took.Seconds())
	c.cpu = append(c.cpu, spent.Seconds()/float64(l.requests)*10_000)
	return nil
}

// pace measures what a call takes when the machine is not busy.
func (b *bench) pace(ctx context.Context, c *candidate, d time.Duration, counts bool) error {
	l := openLoop(ctx, c.addr, c.request(modelWhole, false), openConns, b.plan.rate, d)
	if err := b.check(ctx, c, l); err != nil || !counts {
		return err
	}
	c.p50 = append(c.p50, quantile(l.latencies, 0.50).Seconds())
	c.p99 = append(c.p99, quantile(l.latencies, 0.99).Seconds())
	return nil
}

// firstToken measures how long the first words of a paced stream take, and its first bytes.
func (b *bench) firstToken(ctx context.Context, c *candidate, d time.Duration, counts bool) error {
	l := openLoop(ctx, c.streamAddr, c.request(modelPaced, true), openConns, streamRate, d)
	if err := b.check(ctx, c, l); err != nil || !counts {
		return err
	}
	if int64(len(l.tokens)) < l.requests {
		return fmt.Errorf("%d of %d streams had words", len(l.tokens), l.requests)
	}
	c.first = append(c.first, quantile(l.firsts, 0.50).Seconds())
	c.token = append(c.token, quantile(l.tokens, 0.50).Seconds())
	return nil
}

// chunks measures what the chunks of streams cost that come as fast as they can.
func (b *bench) chunks(ctx context.Context, c *candidate, d time.Duration, counts bool) error {
	l, spent, err := b.spending(c, func() load {
		return closedLoop(ctx, c.streamAddr, c.request(modelBurst, true), streamConns, d)
	})
	if err != nil || !counts {
		return err
	}
	c.chunk = append(c.chunk, spent.Seconds()/float64(l.requests*burst))
	return nil
}

// pacedChunks measures what the chunks of streams cost that come one by one.
func (b *bench) pacedChunks(ctx context.Context, c *candidate, d time.Duration, counts bool) error {
	l, spent, err := b.spending(c, func() load {
		return closedLoop(ctx, c.streamAddr, c.request(modelPaced, true), b.plan.conns, d)
	})
	if err != nil || !counts {
		return err
	}
	c.pacedChunk = append(c.pacedChunk, spent.Seconds()/float64(l.requests*paced))
	return nil
}

// spending runs a load and returns what the candidate's processes spent on it.
func (b *bench) spending(c *candidate, run func() load) (load, time.Duration, error) {
	before, err := c.proc.usage()
	if err != nil {
		return load{}, 0, err
	}
	l := run()
	after, err := c.proc.usage()
	if err != nil {
		return l, 0, err
	}
	c.memory = max(c.memory, after.rss)
	return l, after.cpu - before.cpu, b.check(context.Background(), c, l)
}

// check refuses figures of a load that failed: an error is cheaper than an answer.
func (b *bench) check(ctx context.Context, c *candidate, l load) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.requests == 0 || l.failed*1000 > l.requests {
		return fmt.Errorf("%d of %d requests failed: %w", l.failed, l.failed+l.requests, l.err)
	}
	if l.failed > 0 {
		b.notes = append(b.notes, fmt.Sprintf("%s: %d of %d requests failed: %v", c.name, l.failed, l.failed+l.requests, l.err))
	}
	return nil
}

// quantile returns the value below which the share q of sorted lies.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
