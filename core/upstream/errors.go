package upstream

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Error returns err as the client may see it: no address, no provider, no library's words. The
// original stays in the chain for the log.
func Error(err error) error {
	var known *llm.Error
	if errors.As(err, &known) {
		return err
	}
	var e *egress.Error
	if !errors.As(err, &e) {
		return &failure{&llm.Error{Code: llm.CodeInternal, Message: "the request could not be sent"}, err}
	}
	return &failure{e.Public(), err}
}

// failure is a public error and its private cause.
type failure struct {
	public *llm.Error
	cause  error
}

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() []error { return []error{f.public, f.cause} }

// RetryAfter returns what an answer says about the next attempt (RFC 9110, section 10.2.3, and the
// vendors' milliseconds), or 0.
func RetryAfter(h llm.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := h.Get("retry-after")
	if s, err := strconv.ParseFloat(text, 64); s > 0 && (err == nil || math.IsInf(s, 1)) {
		return time.Duration(min(s, 1e6) * float64(time.Second))
	}
	for _, layout := range []string{time.RFC1123, "Monday, 02-Jan-06 15:04:05 MST", time.ANSIC} {
		if at, err := time.Parse(layout, text); err == nil {
			return max(time.Until(at), 0)
		}
	}
	return 0
}
