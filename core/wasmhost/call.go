package wasmhost

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/wasmhost/outcall"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// What ends a callback besides the meter; a panic with one of them unwinds the guest.
var (
	errCalls  = errors.New("too many host calls")
	errOutput = errors.New("too much output")
	errExit   = errors.New("the guest exited")
)

// The prices of host functions in the meter's units: a fixed one, and one for every 1<<byteShift
// bytes that they copy. A unit is about a nanosecond.
const (
	callCost  = 60
	byteShift = 4
)

// eventNumbers are the ABI's numbers of the phases, in the order of exchange.Phase.
var eventNumbers = [...]int32{abi.RequestHead, abi.RequestBody, abi.RequestText, abi.ResponseHead, abi.ResponseBody, abi.Delta, abi.Event, abi.End, abi.Done}

// eventOf returns the ABI's number of a single phase.
func eventOf(p exchange.Phase) int32 {
	for i, e := range eventNumbers {
		if p == 1<<i {
			return e
		}
	}
	return 0
}

// occasion is what a callback is about.
type occasion struct {
	x      *exchange.Exchange // nil in a tick
	phase  exchange.Phase     // 0 in a tick
	event  int32
	result *outcall.Result // in CallDone
	tick   *kept           // of a tick and the CallDone that follow it, else nil
	delay  time.Duration   // that the guest asked for
}

// call is the callback that an instance is in. Outside of one, it has no event.
type call struct {
	occasion
	init    bool // in ginnel_init: rules may be compiled
	calls   int  // host calls that are left of those allowed
	allowed int
	output  int64  // bytes that may still be written
	lines   int    // log lines that are left
	cry     string // the first error that it logged or line that it printed
	refused error  // why rules that it had compiled were refused

	out     []byte
	written bool // out was called
	answer  *exchange.Answer
	rate    limit.Decision
	rated   bool
}

// callContext is the context of all calls of one instance; host functions find the instance by it.
type callContext struct {
	context.Context
	in *instance
}

type instanceKey struct{}

// Value finds the instance through whatever wazero wraps around the context.
func (c *callContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.in
	}
	return c.Context.Value(key)
}

// importFunc is a host function: it takes its parameters from st and puts its result there.
type importFunc func(in *instance, st []uint64)

// guarded wraps an import: every call is counted and paid for before it does anything.
func guarded(f importFunc) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, st []uint64) {
		var in *instance
		if c, ok := ctx.(*callContext); ok {
			in = c.in
		} else {
			in = ctx.Value(instanceKey{}).(*instance) // in a start section
			in.mod, in.mem = mod, mod.Memory()
		}
		if in.calls--; in.calls < 0 {
			panic(errCalls)
		}
		in.meter.Charge(mod, callCost)
		f(in, st)
	}
}

// pay charges for n copied bytes.
func (in *instance) pay(n int) { in.meter.Charge(in.mod, int64(n)>>byteShift) }

// emit counts n bytes of output.
func (in *instance) emit(n int) {
	if in.output -= int64(n); in.output < 0 {
		panic(errOutput)
	}
}

func result(st []uint64, n int) { st[0] = api.EncodeI32(int32(n)) }

// bytes returns the guest's bytes that the two parameters from st[i] on name. They are valid until
// the guest runs again.
func (in *instance) bytes(st []uint64, i int) ([]byte, bool) {
	n := api.DecodeU32(st[i+1])
	if n == 0 {
		return nil, true
	}
	b, ok := in.mem.Read(api.DecodeU32(st[i]), n)
	if ok {
		in.pay(len(b))
	}
	return b, ok
}

// give writes v into the guest's buffer that the two parameters from st[i] on name, if it fits, and
// sets the result.
func (in *instance) give(st []uint64, i int, v []byte) {
	if n := api.DecodeU32(st[i+1]); len(v) > 0 && len(v) <= int(n) {
		in.pay(len(v))
		if !in.mem.Write(api.DecodeU32(st[i]), v) {
			result(st, abi.Invalid)
			return
		}
	}
	result(st, len(v))
}

func (in *instance) giveString(st []uint64, i int, v string) {
	if n := api.DecodeU32(st[i+1]); len(v) > 0 && len(v) <= int(n) {
		in.pay(len(v))
		if !in.mem.WriteString(api.DecodeU32(st[i]), v) {
			result(st, abi.Invalid)
			return
		}
	}
	result(st, len(v))
}

// message is the side of the exchange that the phase is about.
func (c *call) message() *exchange.Message {
	if c.phase < exchange.PhaseResponseHead {
		return &c.x.Request
	}
	return &c.x.Response
}
