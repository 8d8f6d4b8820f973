package wasmhost

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// Bounds of what a guest leaves behind.
const (
	maxKey   = 64
	maxNote  = 1 << 10
	maxNotes = 32 // per filter and exchange
	maxState = 64 << 10
	maxEvent = 16 << 10
	maxLines = 16 // log lines per callback
	maxDelay = 10 * time.Second
)

// importLog is log(level, p, n).
func importLog(in *instance, st []uint64) {
	b, ok := in.bytes(st, 1)
	if !ok {
		return
	}
	level := slog.LevelDebug + slog.Level(4*min(api.DecodeU32(st[0]), abi.Error))
	in.logLine(level, string(b[:min(len(b), maxLine)]))
}

// logLine writes one line of the guest's, as long as it does not flood.
func (in *instance) logLine(level slog.Level, line string) {
	if in.lines--; in.lines < 0 {
		return
	}
	if in.cry == "" && level >= slog.LevelError {
		in.cry = line
	}
	in.filter.logger.Log(in.ctx, level, "filter says", "filter", in.filter.name, "line", line)
}

// importOut is out(p, n).
func importOut(in *instance, st []uint64) {
	b, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	in.emit(len(b))
	in.out, in.written = append(in.out, b...), true
	result(st, 0)
}

// importJSONGet is json_get(pp, pn, buf, cap).
func importJSONGet(in *instance, st []uint64) {
	span, code := in.find(st)
	if code < 0 {
		result(st, code)
		return
	}
	in.give(st, 2, in.message().Body.Raw()[span.Start:span.End])
}

// importJSONSet is json_set(pp, pn, vp, vn).
func importJSONSet(in *instance, st []uint64) {
	value, ok := in.bytes(st, 2)
	if !ok || !json.Valid(value) {
		result(st, abi.Invalid)
		return
	}
	pointer, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	if owned(pointer) {
		result(st, abi.Denied)
		return
	}
	span, code := in.find(st)
	if code < 0 {
		result(st, code)
		return
	}
	if in.phase != exchange.PhaseRequestBody && in.phase != exchange.PhaseRequestText && in.phase != exchange.PhaseResponseBody {
		result(st, abi.WrongPhase)
		return
	}
	in.emit(len(value))
	if in.message().Body.Splice(span, append([]byte(nil), value...)) != nil {
		result(st, abi.Invalid)
		return
	}
	result(st, 0)
}

// find returns the span of the value at the pointer that the first two parameters name.
func (in *instance) find(st []uint64) (exchange.Span, int) {
	if in.x == nil {
		return exchange.Span{}, abi.WrongPhase
	}
	pointer, ok := in.bytes(st, 0)
	if !ok {
		return exchange.Span{}, abi.Invalid
	}
	raw := in.message().Body.Raw()
	in.pay(len(raw) << 2)
	span, ok := findJSON(raw, pointer)
	if !ok {
		return span, abi.NotFound
	}
	return span, 0
}

// importAnnotate is annotate(kp, kn, vp, vn).
func importAnnotate(in *instance, st []uint64) {
	key, ok := in.bytes(st, 0)
	value, ok2 := in.bytes(st, 2)
	switch {
	case !ok || !ok2 || len(key) == 0:
		result(st, abi.Invalid)
		return
	case in.x == nil:
		result(st, abi.WrongPhase)
		return
	case len(key) > maxKey || len(value) > maxNote:
		result(st, abi.TooLarge)
		return
	}
	n := 0
	for i := range in.x.Notes {
		if in.x.Notes[i].Filter == in.filter.name {
			n++
		}
	}
	if n >= maxNotes {
		result(st, abi.Limit)
		return
	}
	in.x.Annotate(in.filter.name, string(key), string(value))
	result(st, 0)
}

// importStateGet is state_get(buf, cap).
func importStateGet(in *instance, st []uint64) {
	if in.x == nil {
		result(st, abi.WrongPhase)
		return
	}
	b := in.x.State(in.filter.name)
	if b == nil {
		result(st, abi.NotFound)
		return
	}
	in.give(st, 0, b)
}

// importStatePut is state_put(p, n).
func importStatePut(in *instance, st []uint64) {
	b, ok := in.bytes(st, 0)
	switch {
	case !ok:
		result(st, abi.Invalid)
	case in.x == nil:
		result(st, abi.WrongPhase)
	case len(b) > maxState:
		result(st, abi.TooLarge)
	default:
		in.x.SetState(in.filter.name, b)
		result(st, 0)
	}
}

// importRateTake is rate_take(np, nn, kp, kn, cost). The limiter's key names the filter, the rate
// and, unless the filter serves all tenants, the tenant.
func importRateTake(in *instance, st []uint64) {
	name, ok := in.bytes(st, 0)
	key, ok2 := in.bytes(st, 2)
	code := 0
	rate, known := in.filter.rates[string(name)]
	switch {
	case !ok || !ok2:
		code = abi.Invalid
	case !known: // in init too, so that a guest can look for its blocks
		code = abi.NotFound
	case in.x == nil:
		code = abi.WrongPhase
	case len(key) > maxNote:
		code = abi.TooLarge
	}
	if code < 0 {
		st[0] = api.EncodeI64(int64(code))
		return
	}
	b := append(append(in.scratch[:0], in.filter.name...), 0)
	b = append(append(b, name...), 0)
	if !in.filter.shared {
		b = append(append(b, in.x.Tenant...), 0)
	}
	b = append(b, key...)
	in.scratch = b
	in.rate = in.filter.limiter.Take(rate, unsafe.String(unsafe.SliceData(b), len(b)), int64(api.DecodeU32(st[4])), time.Now())
	in.rated = true
	if !in.rate.OK {
		st[0] = api.EncodeI64(abi.Limit)
		return
	}
	st[0] = api.EncodeI64(in.rate.Delay.Milliseconds())
}

// importRateTell is rate_tell(): the answer tells the client the last decision.
func importRateTell(in *instance, st []uint64) {
	switch {
	case in.x == nil || in.phase >= exchange.PhaseResponseHead:
		result(st, abi.WrongPhase)
	case !in.rated:
		result(st, abi.NotFound)
	default:
		in.x.TellLimit(exchange.Limit{Of: in.rate.Limit, Remaining: in.rate.Remaining, Reset: in.rate.Reset})
		result(st, 0)
	}
}

// giveRate writes the last decision into the buffer of a get.
func (in *instance) giveRate(st []uint64) {
	if !in.rated {
		result(st, abi.NotFound)
		return
	}
	d := &in.rate
	var b [abi.RateRecord]byte
	for i, n := range [...]int64{d.Limit, d.Remaining, ceilMS(d.Reset), ceilMS(d.RetryAfter), d.Delay.Milliseconds()} {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(min(n, 1<<31-1)))
	}
	in.scratch = append(in.scratch[:0], b[:]...)
	in.give(st, 3, in.scratch)
}

// ceilMS rounds up: a client that waits so long finds room.
func ceilMS(d time.Duration) int64 {
	return int64(d/time.Millisecond) + truth(d%time.Millisecond > 0)
}

// importDelay is delay(ms).
func importDelay(in *instance, st []uint64) {
	if in.x == nil || in.phase >= exchange.PhaseEnd {
		result(st, abi.WrongPhase)
		return
	}
	in.delay = min(in.delay+time.Duration(api.DecodeU32(st[0]))*time.Millisecond, maxDelay)
	result(st, 0)
}

// importMetric is metric(kind, np, nn, value).
func importMetric(in *instance, st []uint64) {
	name, ok := in.bytes(st, 1)
	kind := api.DecodeU32(st[0])
	switch {
	case !ok || kind > abi.Histogram || !validMetric(name):
		result(st, abi.Invalid)
	case in.filter.observer == nil:
		result(st, 0)
	default:
		in.filter.observer.Metric(in.filter.name, int(kind), string(name), api.DecodeF64(st[3]))
		result(st, 0)
	}
}

func validMetric(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxKey
}

// importEvent is event(np, nn, jp, jn).
func importEvent(in *instance, st []uint64) {
	name, ok := in.bytes(st, 0)
	fields, ok2 := in.bytes(st, 2)
	switch {
	case in.init:
		result(st, abi.WrongPhase)
	case !ok || !ok2 || !validMetric(name) || len(fields) > 0 && !json.Valid(fields):
		result(st, abi.Invalid)
	case len(fields) > maxEvent:
		result(st, abi.TooLarge)
	case in.filter.observer == nil:
		result(st, 0)
	default:
		in.emit(len(fields))
		in.filter.observer.Event(in.x, in.filter.name, string(name), append([]byte(nil), fields...))
		result(st, 0)
	}
}

// importNow is now().
func importNow(_ *instance, st []uint64) { st[0] = api.EncodeI64(time.Now().UnixNano()) }

// importRandom is random(p, n).
func importRandom(in *instance, st []uint64) {
	b, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	in.pay(len(b) << byteShift)
	rand.Read(b)
	result(st, 0)
}
