package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/core/wasmhost/rediscall"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Bounds of what the guests of one VM begin.
const (
	proxyInitTime = 10 * time.Second // such modules compile patterns and parse lists, some for a second

	maxReady    = 16 // queues that one callback makes ready
	maxPending  = 1024
	maxVMCalls  = 64 // calls under way
	maxCalls    = 64 // that one exchange begins, in all
	maxPseudo   = 8 << 10
	maxProperty = 8 << 10
)

// errLost is the error of an exchange whose state a trap of another one destroyed.
var errLost = errors.New("the tenant's instance broke in another callback, and what it knew of this exchange is lost")

// proxyVM is an instance of a proxy-wasm module. Its guest keeps state from one callback to the next,
// so it serves one tenant until it breaks, and all exchanges of the tenant take turns.
type proxyVM struct {
	in     *instance
	set    *proxyVMs
	cancel context.CancelFunc
	ctx    context.Context // of what runs for the VM outside of callbacks; ends with it

	// turn holds the right to call the guest and to touch what follows.
	turn      chan struct{}
	dead      bool
	next      uint32
	streams   map[uint32]*proxyStream
	current   *proxyStream // whose callback runs; nil for the plugin's own
	effective *proxyStream // whom host functions act on; nil for the plugin
	finished  []*proxyStream
	pending   []*proxyStream // that on_done has not released, oldest first
	ready     []uint32
	store     *proxywasm.Store
	config    []byte
	calls     int // under way
	started   uint32
	call      *proxyAnswer                 // during on_http_call_response and on_redis_call_response
	redis     map[string]*rediscall.Client // by the cluster's name that init was called with
	period    time.Duration
	timer     *time.Timer
	adopted   bool
	nested    bool // in the guest's allocator
	version   string
	functions map[string]api.Function
	words     [8]uint64

	// protected by set.mu
	tenant string
	refs   int // exchanges, and whoever opens one
	used   uint64
}

// proxyAnswer is what a call of the guest's brought.
type proxyAnswer struct {
	header llm.Header
	body   []byte
	status int
}

// begin makes an instance that has just been started a VM: it runs the guest's initialiser and
// configures its plugin.
func (set *proxyVMs) begin(in *instance, store *proxywasm.Store) error {
	v := &proxyVM{
		in: in, set: set, turn: make(chan struct{}, 1), next: proxywasm.RootContext + 1,
		streams: make(map[uint32]*proxyStream), functions: make(map[string]api.Function),
		store: store, config: set.filter.config, version: set.filter.module.Manifest.Proxy,
	}
	v.ctx, v.cancel = context.WithCancel(set.ctx)
	in.vm = v
	for _, c := range proxyCallbacks() {
		if f := in.mod.ExportedFunction(c.name); f != nil {
			v.functions[c.name] = f
		}
	}
	in.alloc = v.functions["proxy_on_memory_allocate"]
	if in.alloc == nil {
		in.alloc = v.functions["malloc"]
	}
	in.meter.Arm(in.mod, max(proxyInitTime, 2*set.filter.limits.Time))
	if err := v.start(); err != nil {
		v.cancel()
		return err
	}
	in.call = call{}
	return nil
}

// start runs what a guest expects before its first exchange.
func (v *proxyVM) start() error {
	var err error
	switch {
	case v.has("_initialize"):
		if _, err = v.invoke("_initialize"); err == nil && v.has("main") {
			_, err = v.invoke("main", 0, 0)
		}
	case v.has("_start"):
		if _, err = v.invoke("_start"); errors.Is(err, errExit) {
			err = nil // a command ends; its memory stays
		}
	}
	if err != nil {
		return fmt.Errorf("initialise: %w", err)
	}
	if _, err := v.invoke("proxy_on_context_create", proxywasm.RootContext, 0); err != nil {
		return fmt.Errorf("proxy_on_context_create: %w", err)
	}
	for _, c := range []struct {
		name string
		size int
	}{{"proxy_on_vm_start", 0}, {"proxy_on_configure", len(v.config)}} {
		if !v.has(c.name) {
			continue
		}
		ok, err := v.invoke(c.name, proxywasm.RootContext, uint64(c.size))
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", c.name, err)
		case api.DecodeU32(ok) == 0 && v.in.cry != "":
			return fmt.Errorf("it refuses its config: %s", v.in.cry)
		case api.DecodeU32(ok) == 0:
			return fmt.Errorf("it refuses its config (%s)", c.name)
		}
	}
	return nil
}

func (v *proxyVM) has(name string) bool { return v.functions[name] != nil }

// invoke calls one of the guest's functions, if it has it. The caller holds the turn and has armed the
// meter.
func (v *proxyVM) invoke(name string, args ...uint64) (uint64, error) {
	f := v.functions[name]
	if f == nil {
		return 0, nil
	}
	clear(v.words[:])
	copy(v.words[:], args)
	if err := f.CallWithStack(v.in.ctx, v.words[:max(len(args), 1)]); err != nil {
		return 0, v.in.cause(err)
	}
	return v.words[0], nil
}

// callback runs one callback of an exchange, or with nil one of the plugin's own; size is the bytes
// that it is about. What the guest put off until its end is done then.
func (v *proxyVM) callback(s *proxyStream, size int, name string, args ...uint64) (uint64, error) {
	v.arm(s, size)
	result, err := v.invoke(name, args...)
	if err := v.end(s, result, err); err != nil {
		return 0, err
	}
	return result, v.settle()
}

func (v *proxyVM) arm(s *proxyStream, size int) {
	in := v.in
	l := &in.filter.limits
	calls := l.HostCalls + size>>10
	in.call = call{calls: calls, allowed: calls, lines: maxLines, output: max(l.Output, 4*int64(size))}
	in.meter.Arm(in.mod, l.Time+l.Time*time.Duration(size)/(1<<20))
	v.current, v.effective = s, s
}

// end counts the callback and, where it failed, ends the VM.
func (v *proxyVM) end(s *proxyStream, result uint64, err error) error {
	action := int32(abi.Continue)
	switch {
	case s != nil && s.decided():
		action = abi.Respond
	case s != nil && s.phase != exchange.PhaseDone && api.DecodeU32(result) != proxywasm.Continue:
		action = abi.Pause
	}
	v.in.flushLine()
	v.in.ran(action, err)
	v.in.call = call{}
	v.current, v.effective = nil, nil
	if err != nil {
		v.in.filter.tally.reasons[reasonOf(err)].Add(1)
		v.in.filter.tally.disposals.Add(1)
		v.kill()
	}
	return err
}

// settle delivers what became ready in a callback and deletes the contexts that are done. What the
// deliveries make ready is delivered by the next callback: a guest must not go round in circles here.
func (v *proxyVM) settle() error {
	ready := v.ready
	v.ready = nil
	for ; len(ready) > 0; ready = ready[1:] {
		if err := v.plain(nil, "proxy_on_queue_ready", proxywasm.RootContext, uint64(ready[0])); err != nil {
			return err
		}
	}
	for len(v.finished) > 0 {
		s := v.finished[0]
		v.finished = v.finished[1:]
		if err := v.release(s); err != nil {
			return err
		}
	}
	for len(v.pending) > maxPending {
		s := v.pending[0]
		v.pending = v.pending[1:]
		if err := v.release(s); err != nil {
			return err
		}
	}
	return nil
}

// plain is a callback after which nothing is settled.
func (v *proxyVM) plain(s *proxyStream, name string, args ...uint64) error {
	if !v.has(name) {
		return nil
	}
	v.arm(s, 0)
	_, err := v.invoke(name, args...)
	return v.end(s, 0, err)
}

// release ends a context for good.
func (v *proxyVM) release(s *proxyStream) error {
	if v.streams[s.id] != s {
		return nil
	}
	for _, name := range []string{"proxy_on_log", "proxy_on_delete"} {
		if err := v.plain(s, name, uint64(s.id)); err != nil {
			return err
		}
	}
	delete(v.streams, s.id)
	if s.deadline != nil {
		s.deadline.Stop()
	}
	for i, p := range v.pending {
		if p == s {
			v.pending = append(v.pending[:i], v.pending[i+1:]...)
			break
		}
	}
	v.set.leave(v)
	return nil
}

// allocate has the guest allocate n bytes. A guest whose allocator asks the host for something that
// must be allocated is refused: it would never end.
func (v *proxyVM) allocate(n int) (uint32, proxywasm.Status) {
	if v.nested {
		return 0, proxywasm.InternalFailure
	}
	v.nested = true
	defer func() { v.nested = false }()
	stack := [1]uint64{uint64(n)}
	if err := v.in.alloc.CallWithStack(v.in.ctx, stack[:]); err != nil {
		panic(v.in.cause(err)) // it unwinds the callback that asked
	}
	at := api.DecodeU32(stack[0])
	if at == 0 {
		return 0, proxywasm.InternalFailure
	}
	return at, proxywasm.OK
}

// enter takes the turn. After the VM broke it gives errLost.
func (v *proxyVM) enter(ctx context.Context) error {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if v.dead {
		<-v.turn
		return errLost
	}
	return nil
}

func (v *proxyVM) exit() { <-v.turn }

// kill ends a VM that broke, or is not needed any more; the caller has the turn. What its exchanges
// left with it is lost.
func (v *proxyVM) kill() {
	if v.dead {
		return
	}
	v.dead = true
	v.cancel()
	if v.timer != nil {
		v.timer.Stop()
	}
	v.set.forget(v)
	for _, s := range v.streams {
		s.signal()
		if s.deadline != nil {
			s.deadline.Stop()
		}
	}
	v.streams, v.pending, v.finished = nil, nil, nil
	for _, c := range v.redis {
		c.Close()
	}
	v.in.close()
}

// setTick sets the period of the plugin's ticks; 0 ends them.
func (v *proxyVM) setTick(d time.Duration) {
	if d > 0 {
		d = max(d, minTick*time.Millisecond)
	}
	v.period = d
	v.schedule()
}

// schedule arms the timer of a VM that serves somebody.
func (v *proxyVM) schedule() {
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	if v.period > 0 && v.adopted && !v.dead {
		v.timer = time.AfterFunc(v.period, v.tick)
	}
}

// tick is one tick, on the timer's goroutine.
func (v *proxyVM) tick() {
	if !v.set.enter() {
		return
	}
	defer v.set.work.Done()
	if v.enter(v.ctx) != nil {
		return
	}
	defer v.exit()
	if v.period == 0 {
		return
	}
	if _, err := v.callback(nil, 0, "proxy_on_tick", proxywasm.RootContext); err != nil {
		v.set.broke(v, "tick", err)
		return
	}
	v.schedule()
}
