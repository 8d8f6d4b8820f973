package wasmhost

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/outcall"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// outcallCost is the price of beginning a call, in the meter's units.
const outcallCost = 10_000

var (
	errNoCall    = errors.New("it pauses, and no call is outstanding")
	errNoDone    = errors.New("it pauses, and its manifest does not declare the event call_done")
	errPauseOver = errors.New("it has paused for too long")
)

// abandoned is the error of a callback that nobody waits for any more, which is no fault of the filter's.
type abandoned struct{ cause error }

func (a abandoned) Error() string { return a.cause.Error() }
func (a abandoned) Unwrap() error { return a.cause }

// importHTTPCall is http_call(p, n, timeout_ms).
func importHTTPCall(in *instance, st []uint64) {
	block, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	k := in.tick
	switch {
	case in.init:
		result(st, abi.WrongPhase)
		return
	case in.x != nil:
		k = in.filter.keep(in.x)
	}
	if len(block) > outcall.MaxBody+2*outcall.MaxHeader {
		result(st, abi.TooLarge)
		return
	}
	request, ok := parseCall(block)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	request.Timeout = time.Duration(api.DecodeU32(st[2])) * time.Millisecond
	in.meter.Charge(in.mod, outcallCost)
	if k.calls == nil {
		k.calls = in.filter.origins.New()
	}
	id, err := k.calls.Start(in.callsEnd(), request)
	switch {
	case err == nil:
		in.filter.tally.calls.Add(1)
		result(st, int(id))
	case errors.Is(err, outcall.ErrDenied):
		result(st, abi.Denied)
	case errors.Is(err, outcall.ErrTooLarge):
		result(st, abi.TooLarge)
	case errors.Is(err, outcall.ErrLimit):
		result(st, abi.Limit)
	default:
		result(st, abi.Invalid)
	}
}

// callsEnd returns what ends the calls of the callback at hand: the exchange, but for those that are
// made when it has ended.
func (in *instance) callsEnd() context.Context {
	switch {
	case in.x == nil:
		return context.Background()
	case in.phase == exchange.PhaseDone:
		return context.WithoutCancel(in.x.Context())
	}
	return in.x.Context()
}

// parseCall reads the block of http_call.
func parseCall(b []byte) (r outcall.Request, ok bool) {
	for {
		var name, value []byte
		if name, b, ok = nextNUL(b); !ok {
			return r, false
		}
		if len(name) == 0 {
			r.Body = b
			return r, r.URL != ""
		}
		if value, b, ok = nextNUL(b); !ok {
			return r, false
		}
		switch string(name) {
		case abi.PseudoURL:
			r.URL = string(value)
		case abi.PseudoMethod:
			r.Method = string(value)
		default:
			if name[0] == ':' || len(r.Header) > outcall.MaxFields {
				return r, false
			}
			r.Header = append(r.Header, llm.Field{Name: string(name), Value: string(value)})
		}
	}
}

// nextNUL splits b at its first NUL and reports whether there is one.
func nextNUL(b []byte) (before, after []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// giveCall answers a get of a field of the call that has ended.
func (in *instance) giveCall(field uint32, key []byte, st []uint64) {
	r := in.result
	if r == nil {
		result(st, abi.WrongPhase)
		return
	}
	if field == abi.CallHeader {
		for i := range r.Header {
			if equalFold(r.Header[i].Name, key) {
				in.giveString(st, 3, r.Header[i].Value)
				return
			}
		}
	} else if reason := r.Reason(); reason != "" {
		in.giveString(st, 3, reason)
		return
	}
	result(st, abi.NotFound)
}

// pausing reports whether the guest pauses, or why it may not.
func (in *instance) pausing(action int32) (bool, error) {
	if action < 0 || action&0xff != abi.Pause || in.phase == exchange.PhaseDone {
		return false, nil
	}
	k := in.tick
	if in.x != nil {
		k = in.filter.kept(in.x)
	}
	switch {
	case !in.filter.module.Manifest.callDone:
		return false, errNoDone
	case k == nil || k.calls == nil || k.calls.Outstanding() == 0:
		return false, errNoCall
	}
	return true, nil
}

// await waits for a call of the exchange or tick to end. No instance is held meanwhile.
func (f *Filter) await(ctx context.Context, o *occasion) (*outcall.Result, error) {
	k := o.tick
	if o.x != nil {
		k = f.kept(o.x)
	}
	begin := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, f.limits.Pause-k.paused, errPauseOver)
	defer cancel()
	if o.x != nil {
		defer context.AfterFunc(o.x.Context(), cancel)()
	}
	f.tally.pausing.Add(1)
	r, err := k.calls.Wait(limited)
	f.tally.pausing.Add(-1)
	k.paused += time.Since(begin)
	switch {
	case ctx.Err() != nil:
		return nil, abandoned{context.Cause(ctx)}
	case o.x != nil && o.x.Context().Err() != nil: // which ends the calls too; either may be seen first
		return nil, abandoned{context.Cause(o.x.Context())}
	case err != nil:
		return nil, errPauseOver
	}
	return r, nil
}
