package filter

import (
	"encoding/binary"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// Level is a log level.
type Level uint32

// The levels.
const (
	LevelDebug Level = abi.Debug
	LevelInfo  Level = abi.Info
	LevelWarn  Level = abi.Warn
	LevelError Level = abi.Error
)

// Log writes a line to the gateway's log. Never log what a client wrote.
func Log(level Level, message string) { sysLog(uint32(level), message) }

// Now returns the wall clock in nanoseconds since 1970.
func Now() int64 { return sysNow() }

// Random fills b with random bytes, which a reset of the instance does not repeat.
func Random(b []byte) error { return result(sysRandom(b)) }

// Count adds to a counter, Gauge sets a gauge, Observe adds a value to a histogram.
func Count(name string, delta float64) error { return result(sysMetric(abi.Counter, name, delta)) }

// Gauge sets a gauge.
func Gauge(name string, value float64) error { return result(sysMetric(abi.Gauge, name, value)) }

// Observe adds a value to a histogram.
func Observe(name string, value float64) error {
	return result(sysMetric(abi.Histogram, name, value))
}

// Emit sends an event of the filter's own; fields is a JSON object.
func Emit(name string, fields []byte) error { return result(sysEvent(name, fields)) }

// Decision is the answer of a rate.
type Decision struct {
	OK         bool
	Limit      int
	Remaining  int
	Reset      int // milliseconds until nothing is used any more
	RetryAfter int // milliseconds until the same request may pass; 0 when OK
	Delay      int // milliseconds by which to slow the exchange down
}

// Take takes cost from the filter's rate block of that name, counted per key. Where it is allowed,
// only OK and Delay are filled, at the price of one call; Last tells the rest.
func Take(rate, key string, cost int) (Decision, error) {
	switch n := sysRateTake(rate, key, uint32(cost)); {
	case n >= 0:
		return Decision{OK: true, Delay: int(n)}, nil
	case n == abi.Limit:
		return Last()
	default:
		return Decision{}, Error(n)
	}
}

// Tell has the answer tell the client the decision of the last Take of this callback, in the fields
// RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset. Of several that are told, by any filter, the
// client gets the one of which least is left.
func Tell() error { return result(sysRateTell()) }

// Last returns the whole decision of the last Take of this callback.
func Last() (Decision, error) {
	b, err := get(abi.Rate, "")
	if err != nil || len(b) < abi.RateRecord {
		return Decision{}, err
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint32(b[4*i:])) }
	return Decision{OK: word(3) == 0, Limit: word(0), Remaining: word(1), Reset: word(2), RetryAfter: word(3), Delay: word(4)}, nil
}

// appendInt is strconv.AppendInt for base ten.
func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(dst, digits[i:]...)
		}
	}
}
