package wasmhost

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/wasmhost/meter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// The verdicts of callbacks, by the ABI's number of the action, and the reasons for which one fails.
var (
	verdictNames = [...]string{"continue", "replace", "drop", "respond", "hold", "close", "pause"}
	reasonNames  = [...]string{"time", "stack", "host_calls", "output", "exit", "trap", "failed", "verdict", "instance", "pause", "suspended"}
)

const (
	reasonTime = iota
	reasonStack
	reasonHostCalls
	reasonOutput
	reasonExit
	reasonTrap
	reasonFailed    // the guest said so
	reasonVerdict   // an action that cannot be
	reasonInstance  // there was none
	reasonPause     // it paused for too long
	reasonSuspended // the breaker is open: no callback ran
)

// Stats counts what a filter did.
type Stats struct {
	Callbacks int64            `json:"callbacks"`
	Failures  int64            `json:"failures"`
	Verdicts  map[string]int64 `json:"verdicts,omitempty"` // callbacks by action
	Errors    map[string]int64 `json:"errors,omitempty"`   // failures by reason, and what the breaker suspended
	Time      time.Duration    `json:"time_ns"`            // in callbacks, pauses aside
	Units     int64            `json:"units"`              // fuel, about a nanosecond each
	HostCalls int64            `json:"host_calls"`
	Calls     int64            `json:"http_calls"`
	Resets    int64            `json:"resets"`
	Disposals int64            `json:"disposals"` // instances that were thrown away
	Instances int64            `json:"instances"` // live
	Memory    int64            `json:"memory"`    // bytes of the live instances
	Pausing   int64            `json:"pausing"`   // exchanges that wait for the filter's calls
}

// counts is what one instance did. Its goroutine adds, any reads: the line of memory is its own, so
// that counting costs a callback no contention.
type counts struct {
	verdicts  [len(verdictNames)]atomic.Int64
	failures  atomic.Int64 // of its callbacks
	time      atomic.Int64 // nanoseconds
	units     atomic.Int64
	hostCalls atomic.Int64
	memory    atomic.Int64
}

// tally is what a filter did, apart from what its live instances count.
type tally struct {
	reasons                           [len(reasonNames)]atomic.Int64
	resets, disposals, calls, pausing atomic.Int64

	mu      sync.Mutex // protects what follows
	live    map[*instance]struct{}
	retired totals
}

// totals is the sum of counts.
type totals struct {
	verdicts                                        [len(verdictNames)]int64
	failures, time, units, hostCalls, memory, count int64
}

func (t *totals) add(c *counts) {
	for i := range c.verdicts {
		t.verdicts[i] += c.verdicts[i].Load()
	}
	t.failures += c.failures.Load()
	t.time += c.time.Load()
	t.units += c.units.Load()
	t.hostCalls += c.hostCalls.Load()
	t.memory += c.memory.Load()
	t.count++
}

func (t *tally) born(in *instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.live = make(map[*instance]struct{})
	}
	t.live[in] = struct{}{}
}

// gone keeps what an instance counted.
func (t *tally) gone(in *instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, in)
	t.retired.add(&in.counts)
	t.retired.memory, t.retired.count = 0, 0
}

// stats sums up.
func (t *tally) stats() Stats {
	t.mu.Lock()
	sum := t.retired
	for in := range t.live {
		sum.add(&in.counts)
	}
	t.mu.Unlock()
	s := Stats{
		Time: time.Duration(sum.time), Units: sum.units, HostCalls: sum.hostCalls, Calls: t.calls.Load(),
		Resets: t.resets.Load(), Disposals: t.disposals.Load(), Instances: sum.count, Memory: sum.memory, Pausing: t.pausing.Load(),
	}
	s.Callbacks = sum.failures
	for i, n := range sum.verdicts {
		s.Callbacks += n
		s.Verdicts = count(s.Verdicts, verdictNames[i], n)
	}
	for i := range t.reasons {
		n := t.reasons[i].Load()
		s.Errors = count(s.Errors, reasonNames[i], n)
		if i != reasonSuspended {
			s.Failures += n
		}
	}
	return s
}

func count(m map[string]int64, name string, n int64) map[string]int64 {
	if n == 0 {
		return m
	}
	if m == nil {
		m = make(map[string]int64)
	}
	m[name] += n
	return m
}

// Add adds what another filter of the same name did, or the same in another generation.
func (s *Stats) Add(o Stats) {
	for name, n := range o.Verdicts {
		s.Verdicts = count(s.Verdicts, name, n)
	}
	for name, n := range o.Errors {
		s.Errors = count(s.Errors, name, n)
	}
	for _, f := range []struct {
		to   *int64
		from int64
	}{
		{&s.Callbacks, o.Callbacks}, {&s.Failures, o.Failures}, {(*int64)(&s.Time), int64(o.Time)}, {&s.Units, o.Units}, {&s.HostCalls, o.HostCalls},
		{&s.Calls, o.Calls}, {&s.Resets, o.Resets}, {&s.Disposals, o.Disposals}, {&s.Instances, o.Instances}, {&s.Memory, o.Memory}, {&s.Pausing, o.Pausing},
	} {
		*f.to += f.from
	}
}

// ran counts a callback: its action, or that it failed.
func (in *instance) ran(action int32, err error) {
	c := &in.counts
	if err != nil {
		c.failures.Add(1)
	} else {
		if action &= 0xff; int(action) >= len(c.verdicts) { // in done, where none counts
			action = abi.Continue
		}
		c.verdicts[action].Add(1)
	}
	units, took := in.meter.Spent()
	c.time.Add(int64(took))
	c.units.Add(units)
	if n := int64(in.allowed - in.calls); n > 0 {
		c.hostCalls.Add(n)
	}
	if size := int64(in.mem.Size()); size != in.size {
		in.size = size
		c.memory.Store(size)
	}
}

// Stats returns what the filters did since the host was made, by the name of their block and over all
// their generations.
func (h *Host) Stats() map[string]Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]Stats, len(h.past))
	for name, past := range h.past {
		var s Stats
		s.Add(past)
		all[name] = s
	}
	for f := range h.filters {
		s := all[f.name]
		s.Add(f.Stats())
		all[f.name] = s
	}
	return all
}

func (h *Host) enter(f *Filter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.filters[f] = struct{}{}
}

// leave keeps what a filter counted.
func (h *Host) leave(f *Filter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, there := h.filters[f]; there {
		delete(h.filters, f)
		s := h.past[f.name]
		s.Add(f.Stats())
		h.past[f.name] = s
	}
}

// reasonOf sorts the error of a guest's call.
func reasonOf(err error) int {
	for i, known := range []error{reasonTime: meter.ErrTime, reasonStack: meter.ErrStack, reasonHostCalls: errCalls, reasonOutput: errOutput, reasonExit: errExit} {
		if errors.Is(err, known) {
			return i
		}
	}
	return reasonTrap
}
