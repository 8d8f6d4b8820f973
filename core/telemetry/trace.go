package telemetry

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	maxTraceState = 512 // bytes of tracestate that are passed on
	flagSampled   = 1
)

type (
	traceID [16]byte
	spanID  [8]byte
)

func (t traceID) String() string { return hex.EncodeToString(t[:]) }

// spanContext is the context of an exchange and its place in a trace. One allocation carries both.
type spanContext struct {
	context.Context
	requestID string
	trace     traceID
	server    spanID // of the exchange
	parent    spanID // of the client's span, zero without one
	client    spanID // of the upstream call, zero until Inject
	called    time.Time
	flags     byte
	state     string // tracestate
}

type spanKey struct{}

// Value makes the span findable through contexts derived from it.
func (s *spanContext) Value(key any) any {
	if key == (spanKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// AfterFunc is context.AfterFunc, of the context under it if that has its own.
func (s *spanContext) AfterFunc(f func()) (stop func() bool) {
	if own, ok := s.Context.(interface {
		AfterFunc(func()) func() bool
	}); ok {
		return own.AfterFunc(f)
	}
	return context.AfterFunc(s.Context, f)
}

// spanOf returns the span that ctx carries, or nil.
func spanOf(ctx context.Context) *spanContext {
	if s, ok := ctx.(*spanContext); ok {
		return s
	}
	s, _ := ctx.Value(spanKey{}).(*spanContext)
	return s
}

// begin takes the trace context from the header (W3C Trace Context) or begins a trace.
func (s *spanContext) begin(h llm.Header) {
	s.server = newSpanID()
	parent, states := "", 0
	for i := range h {
		switch {
		case llm.EqualFold(h[i].Name, "traceparent"):
			if parent != "" {
				parent = "twice"
				continue
			}
			parent = h[i].Value
		case llm.EqualFold(h[i].Name, "tracestate"):
			if states++; states == 1 {
				s.state = h[i].Value
			} else {
				s.state += "," + h[i].Value
			}
		}
	}
	if parent != "" && s.parse(strings.TrimSpace(parent)) {
		if len(s.state) > maxTraceState || !printable(s.state) {
			s.state = ""
		}
		return
	}
	s.trace, s.parent, s.state, s.flags = newTraceID(), spanID{}, "", flagSampled
}

// parse reads a traceparent; a version that is not known is read as the first one, as the
// recommendation asks.
func (s *spanContext) parse(v string) bool {
	const size = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(v) < size || v[2] != '-' || v[35] != '-' || v[52] != '-' || v[:2] == "ff" {
		return false
	}
	if len(v) > size && (v[:2] == "00" || v[size] != '-') {
		return false
	}
	var version, flags [1]byte
	if !unhex(version[:], v[:2]) || !unhex(s.trace[:], v[3:35]) || !unhex(s.parent[:], v[36:52]) || !unhex(flags[:], v[53:55]) {
		return false
	}
	s.flags = flags[0] & flagSampled
	return s.trace != traceID{} && s.parent != spanID{}
}

// inject writes the header of the upstream call.
func (s *spanContext) inject(h *llm.Header, now time.Time) {
	if s.client == (spanID{}) {
		s.client, s.called = newSpanID(), now
	}
	var buf [55]byte
	b := append(buf[:0], "00-"...)
	b = append(hex.AppendEncode(b, s.trace[:]), '-')
	b = append(hex.AppendEncode(b, s.client[:]), '-')
	b = hex.AppendEncode(b, []byte{s.flags})
	h.Set("traceparent", string(b))
	if s.state != "" {
		h.Set("tracestate", s.state)
	}
}

func (s *spanContext) traceText() string { return s.trace.String() }

// unhex reads lower-case hexadecimal, the only form that is allowed.
func unhex(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func newTraceID() (id traceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never zero
	return id
}

func newSpanID() (id spanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}
