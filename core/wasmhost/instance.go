package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/scan"
	"github.com/ginnel/ginnel/core/wasmhost/meter"
	"github.com/ginnel/ginnel/core/wasmhost/snapshot"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// initTime is the time that an instance has for its start section, its initialiser and
// ginnel_init together, and initCalls its host calls.
const (
	initTime  = 2 * time.Second
	initCalls = 10_000
)

// instance is one running copy of a filter's module. It is used by one goroutine at a time.
type instance struct {
	call

	filter *Filter
	mod    api.Module
	mem    api.Memory
	alloc  api.Function
	on     api.Function
	meter  *meter.Meter
	ctx    *callContext
	vm     *proxyVM           // of a proxy-wasm module
	snap   *snapshot.Snapshot // nil where the instance serves all tenants or cannot be reset
	tenant string
	used   bool  // a callback ran since the instance began or was reset
	size   int64 // of the memory, as it was counted last
	counts counts
	stack  [2]uint64
	skips  exchange.Phase // that this configuration has no need of

	// reused between callbacks
	scratch  []byte
	matches  []scan.Match
	records  []byte
	line     []byte // what the guest printed without a line end
	addr     netip.Addr
	addrText string
}

// allocator hands out one guest memory and remembers it: a start section that fails leaves nobody
// else to free it.
type allocator struct {
	limit uint64
	made  experimental.LinearMemory
}

// Allocate implements experimental.MemoryAllocator.
func (a *allocator) Allocate(_, most uint64) experimental.LinearMemory {
	a.made = newGuestMemory(min(a.limit, most))
	return a.made
}

// newInstance starts a copy of the filter's module; begin makes it ready for callbacks.
func (f *Filter) newInstance(begin func(*instance) error) (_ *instance, err error) {
	in := &instance{filter: f, meter: &meter.Meter{}}
	in.ctx = &callContext{Context: meter.With(context.Background(), in.meter), in: in}
	in.call = call{init: true, calls: initCalls, output: f.limits.Output, lines: maxLines}
	memory := &allocator{limit: uint64(f.limits.Memory)}
	defer func() {
		if r := recover(); r != nil { // the first size did not fit
			err = fmt.Errorf("no memory: %v", r)
		}
		if err != nil && in.mod != nil {
			in.mod.Close(in.ctx)
		}
		if err != nil && memory.made != nil {
			memory.made.Free()
		}
	}()
	in.meter.Begin(initTime)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	in.mod, err = f.module.runtime.InstantiateModule(experimental.WithMemoryAllocator(in.ctx, memory), f.module.code, config)
	if err != nil {
		return nil, fmt.Errorf("start: %w", in.cause(err))
	}
	in.mem = in.mod.Memory()
	if err := begin(in); err != nil {
		return nil, err
	}
	in.size = int64(in.mem.Size())
	in.counts.memory.Store(in.size)
	f.tally.born(in)
	return in, nil
}

// prepare configures an instance of ginnel_v1 and keeps what its memory is then.
func (in *instance) prepare() (err error) {
	f := in.filter
	in.alloc, in.on = in.mod.ExportedFunction("ginnel_alloc"), in.mod.ExportedFunction("ginnel_on")
	if err := in.configure(f.config); err != nil {
		return err
	}
	in.call = call{}
	if !f.shared && f.module.stats.NoReset == "" {
		in.snap, err = snapshot.Take(in.mod, f.module.stats.Globals)
	}
	return err
}

// skipped returns the phases of a result of ginnel_init: bit 1 << event for each event that the guest
// does not need.
func skipped(skip int32) (p exchange.Phase) {
	for i, number := range eventNumbers {
		if skip&(1<<number) != 0 {
			p |= 1 << i
		}
	}
	return p
}

// configure runs the initialiser and ginnel_init.
func (in *instance) configure(config []byte) error {
	in.meter.Arm(in.mod, initTime)
	if f := in.mod.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(in.ctx); err != nil {
			return fmt.Errorf("initialise: %w", in.cause(err))
		}
	}
	v, err := in.mod.ExportedFunction("ginnel_abi_1").Call(in.ctx)
	if err != nil {
		return fmt.Errorf("ginnel_abi_1: %w", in.cause(err))
	}
	if minor := api.DecodeI32(v[0]); minor < 0 || minor > abi.Minor {
		return fmt.Errorf("it needs version 1.%d of the abi, this is 1.%d", minor, abi.Minor)
	}
	if err := in.put(config); err != nil {
		return err
	}
	v, err = in.mod.ExportedFunction("ginnel_init").Call(in.ctx, uint64(len(config)))
	if err != nil {
		return fmt.Errorf("ginnel_init: %w", in.cause(err))
	}
	in.skips = 0
	if code := api.DecodeI32(v[0]); code > 0 {
		in.skips = skipped(code)
	} else if code < 0 {
		switch {
		case in.cry != "" && in.refused != nil: // a guest learns no more than that its rules are invalid
			return fmt.Errorf("it refuses its config: %s: %w", in.cry, in.refused)
		case in.cry != "":
			return fmt.Errorf("it refuses its config: %s", in.cry)
		}
		return fmt.Errorf("it refuses its config (%d)", code)
	}
	return nil
}

// put writes b into the guest's buffer.
func (in *instance) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	in.stack[0] = uint64(len(b))
	if err := in.alloc.CallWithStack(in.ctx, in.stack[:]); err != nil {
		return fmt.Errorf("ginnel_alloc: %w", in.cause(err))
	}
	in.pay(len(b))
	if !in.mem.Write(api.DecodeU32(in.stack[0]), b) {
		return fmt.Errorf("ginnel_alloc gave a buffer outside of the memory")
	}
	return nil
}

// begin prepares a callback: its budgets grow with the text that it is about.
func (in *instance) begin(o *occasion) (raw []byte) {
	l := &in.filter.limits
	in.occasion = *o
	in.calls, in.lines, in.cry = l.HostCalls, maxLines, ""
	size := 0
	switch o.phase {
	case exchange.PhaseRequestBody:
		raw = o.x.Request.Body.Bytes()
		size = len(raw)
	case exchange.PhaseResponseBody:
		raw = o.x.Response.Body.Bytes()
		size = len(raw)
	case exchange.PhaseEvent:
		raw = o.x.Event.Bytes()
		size = len(raw)
	case exchange.PhaseRequestText:
		size = len(o.x.Request.Body.Raw())
		in.calls += 4 * o.x.Request.Body.Len()
	case exchange.PhaseDelta:
		size = len(o.x.Window.Bytes())
		in.calls += 4
	}
	if o.result != nil {
		raw = o.result.Body
		size += len(raw)
	}
	in.allowed = in.calls
	in.output = max(l.Output, 4*int64(size))
	in.meter.Arm(in.mod, l.Time+l.Time*time.Duration(size)/(1<<20))
	return raw
}

// run is one callback; its result is the guest's action.
func (in *instance) run(o *occasion) (int32, error) {
	raw := in.begin(o)
	in.used = true
	if err := in.put(raw); err != nil {
		return 0, err
	}
	in.stack[0], in.stack[1] = uint64(o.event), uint64(len(raw))
	if err := in.on.CallWithStack(in.ctx, in.stack[:]); err != nil {
		return 0, in.cause(err)
	}
	return api.DecodeI32(in.stack[0]), nil
}

// end forgets the callback. What is large is not kept for the next one.
func (in *instance) end() {
	in.flushLine()
	keep := in.out[:0]
	if in.answer != nil || cap(keep) > 1<<16 {
		keep = nil
	}
	in.call = call{out: keep}
	if cap(in.scratch) > 1<<16 {
		in.scratch = nil
	}
}

// bind makes the instance the tenant's. It reports false where its memory cannot be wiped.
func (in *instance) bind(tenant string) bool {
	if in.filter.shared || in.tenant == tenant {
		return true
	}
	if in.used {
		if in.snap == nil {
			return false
		}
		in.snap.Restore()
		in.used = false
		in.filter.tally.resets.Add(1)
	}
	// what the host keeps for the instance is overwritten before it is read, and no guest can see it
	in.tenant = tenant
	return true
}

func (in *instance) close() {
	in.mod.Close(in.ctx)
	in.filter.tally.gone(in)
}

// cause names what stopped a guest: the meter, a limit, or a trap of its own.
func (in *instance) cause(err error) error {
	for _, known := range []error{meter.ErrTime, meter.ErrStack, errCalls, errOutput, errExit} {
		if errors.Is(err, known) {
			return known
		}
	}
	in.flushLine()
	return &trap{err, in.cry}
}

// trap is how a guest ended by itself, and what it said last.
type trap struct {
	error
	cry string
}

func (t *trap) Unwrap() error { return t.error }

// Error leaves out the stack: its functions are numbers, and those of the rewritten module.
func (t *trap) Error() string {
	how, _, _ := strings.Cut(t.error.Error(), "\n")
	if t.cry != "" {
		how += " (it said: " + t.cry + ")"
	}
	return how
}
