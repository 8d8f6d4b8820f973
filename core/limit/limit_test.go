package limit

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bucket is the algorithm in its other form, a leaky bucket that is drained step by step.
type bucket struct {
	level int64
	last  time.Time
}

func (b *bucket) take(r Rate, cost int64, now time.Time) bool {
	b.level = max(0, b.level-int64(now.Sub(b.last)))
	b.last = now
	if b.level+cost*r.step() > r.burst()*r.step() {
		return false
	}
	b.level += cost * r.step()
	return true
}

func TestTakeAgreesWithALeakyBucket(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := Rate{Limit: 1 + rnd.Int64N(1000), Per: time.Duration(1+rnd.Int64N(100)) * time.Second, Burst: rnd.Int64N(50)}
		l := New(Config{})
		now := l.start
		model := map[string]*bucket{}
		for i := range 2000 {
			now = now.Add(time.Duration(rnd.Int64N(int64(2 * r.Per / time.Duration(r.Limit)))))
			key := strconv.Itoa(rnd.IntN(3))
			if model[key] == nil {
				model[key] = &bucket{last: l.start}
			}
			cost := 1 + rnd.Int64N(3)
			want := cost <= r.burst() && model[key].take(r, cost, now)
			d := l.Take(r, key, cost, now)
			if d.OK != want {
				t.Fatalf("seed %d, call %d of %v: %+v, want %v", seed, i, r, d, want)
			}
			if d.Remaining < 0 || d.Remaining > d.Limit || d.OK == (d.RetryAfter > 0) {
				t.Fatalf("seed %d, call %d: impossible %+v", seed, i, d)
			}
			if !d.OK && d.RetryAfter != Never {
				if e := l.Take(r, key, 0, now); e.Remaining != d.Remaining {
					t.Fatalf("a refusal took something: %+v, %+v", d, e)
				}
			}
		}
	}
}

func TestRetryAfterIsExact(t *testing.T) {
	r, l := Rate{Limit: 600, Per: time.Minute, Burst: 2}, New(Config{})
	now := l.start
	l.Take(r, "k", 2, now)
	d := l.Take(r, "k", 1, now)
	if d.OK || d.RetryAfter != 100*time.Millisecond || d.Reset != 200*time.Millisecond {
		t.Fatalf("%+v", d)
	}
	if l.Take(r, "k", 1, now.Add(d.RetryAfter-1)).OK {
		t.Error("passes one nanosecond early")
	}
	if !l.Take(r, "k", 1, now.Add(d.RetryAfter)).OK {
		t.Error("does not pass when it should")
	}
	if d := l.Take(r, "k", 3, now); d.RetryAfter != Never {
		t.Errorf("a cost above the burst: %+v", d)
	}
}

func TestDelayGrowsFromTheThreshold(t *testing.T) {
	r, l := Rate{Limit: 10, Per: 10 * time.Second, SlowDownAt: 0.8}, New(Config{})
	var last time.Duration
	for i := range 10 {
		d := l.Take(r, "k", 1, l.start)
		if (i < 8) != (d.Delay == 0) || d.Delay < last {
			t.Errorf("take %d: delay %s after %s", i+1, d.Delay, last)
		}
		last = d.Delay
	}
	if last != time.Second {
		t.Errorf("at the full burst the delay is %s, not one step", last)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	r, l := Rate{Limit: 1, Per: time.Hour}, New(Config{Keys: 640})
	for i := range 10000 {
		l.Take(r, strconv.Itoa(i), 1, l.start)
	}
	if n := l.Len(); n > 640 {
		t.Errorf("%d live keys", n)
	}
	l = New(Config{})
	for i := range 100000 { // idle keys go as new ones come
		l.Take(Rate{Limit: 1000, Per: time.Second}, strconv.Itoa(i), 1, l.start.Add(time.Duration(i)*time.Millisecond))
	}
	if n := l.Len(); n > 1000 {
		t.Errorf("%d keys, nearly all idle", n)
	}
}

func TestConcurrentTakesAreExact(t *testing.T) {
	r, l := Rate{Limit: 1000, Per: time.Hour}, New(Config{})
	var passed [4]atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if l.Take(r, strconv.Itoa(i%4), 1, l.start).OK {
					passed[i%4].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range passed {
		if n := passed[i].Load(); n != 1000 {
			t.Errorf("key %d: %d passed", i, n)
		}
	}
}

func TestTakeAllocatesNothingForAKnownKey(t *testing.T) {
	r, l := Rate{Limit: 1 << 30, Per: time.Hour}, New(Config{})
	l.Take(r, "key", 1, l.start)
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { l.Take(r, "key", 1, now) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseRate(t *testing.T) {
	good := map[string]Rate{
		"600/1m":  {Limit: 600, Per: time.Minute},
		"10/s":    {Limit: 10, Per: time.Second},
		"2M/1h":   {Limit: 2_000_000, Per: time.Hour},
		"5k/1d":   {Limit: 5000, Per: 24 * time.Hour},
		"1/500ms": {Limit: 1, Per: 500 * time.Millisecond},
	}
	for s, want := range good {
		if r, err := ParseRate(s); err != nil || r != want {
			t.Errorf("%s: %+v, %v", s, r, err)
		}
	}
	for _, s := range []string{"", "600", "/1m", "0/1m", "-1/1m", "x/1m", "1/", "1/0s", "1/x", "1/99d", "4000M/1s", "1/-1m", "9999999999999/1m"} {
		if r, err := ParseRate(s); err == nil {
			t.Errorf("%q gives %+v", s, r)
		}
	}
}

// TestGive: what is given back may be taken again, and no more than that.
func TestGive(t *testing.T) {
	r, l := Rate{Limit: 10, Per: time.Hour}, New(Config{})
	now := l.start
	l.Give(r, "k", 5) // of nothing
	if d := l.Take(r, "k", 10, now); !d.OK {
		t.Errorf("%+v", d)
	}
	l.Give(r, "k", 4)
	if d := l.Take(r, "k", 0, now); d.Remaining != 4 {
		t.Errorf("%+v", d)
	}
	l.Give(r, "k", 100)
	if d := l.Take(r, "k", 0, now); d.Remaining != 10 || d.Reset != 0 {
		t.Errorf("%+v", d)
	}
	if d := l.Take(r, "k", 11, now); d.OK {
		t.Errorf("%+v", d)
	}
	if d := l.Take(r, "k", 10, now); !d.OK || d.Remaining != 0 {
		t.Errorf("%+v", d)
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"600/1m", "10/s", "2M/1h", "5k/1d", "/", "1/1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		l := New(Config{})
		if d := l.Take(r, "k", r.Limit, l.start); !d.OK || d.Remaining != 0 {
			t.Errorf("%q: %+v", s, d)
		}
		if d := l.Take(r, "k", 1, l.start); d.OK {
			t.Errorf("%q: one more than the limit", s)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	r, l := Rate{Limit: 1 << 30, Per: time.Hour}, New(Config{})
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l.Take(r, "a-key-of-usual-length", 1, now)
		}
	})
}
