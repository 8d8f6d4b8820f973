package telemetry

import (
	"encoding/hex"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The parts of OTLP 1.x that an exchange fills (opentelemetry-proto, trace.proto and logs.proto).
// They are appended by hand: an exchange costs two buffers instead of a tree of messages.
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3

	statusError = 2

	severityInfo  = 9
	severityWarn  = 13
	severityError = 17
)

const scopeName = "github.com/ginnel/ginnel/core/telemetry"

// item is one event as the sinks get it: spans are the "spans" fields of a ScopeSpans, log is the
// "log_records" field of a ScopeLogs. It is shared by the sinks and not changed.
type item struct {
	spans []byte
	log   []byte
}

func (it *item) size() int64 { return int64(len(it.spans) + len(it.log) + itemOverhead) }

const itemOverhead = 64

// encode makes an item of an event.
func encode(s *spanContext, e *Event) *item {
	if s == nil {
		s = &spanContext{trace: newTraceID(), server: newSpanID(), flags: flagSampled}
	}
	end := e.Start.Add(e.Timings.Total)
	scratch := make([]byte, 0, 2048)
	attrs := appendExchange(scratch, e)
	it := &item{spans: make([]byte, 0, 3*len(attrs)/2+1024)}

	body := make([]byte, 0, 2048)
	body = appendSpanHead(body, s, s.server, s.parent, e.Method+" "+nonEmpty(e.Route, e.Path), kindServer, e.Start, end)
	body = appendAttrs(body, 9, attrs)
	if failed(e.Terminal) {
		body = appendStatus(body, string(e.Terminal))
	}
	it.spans = appendMessage(it.spans, 2, body)
	if s.client != (spanID{}) {
		body = appendSpanHead(body[:0], s, s.client, s.server, operationName(e)+" "+nonEmpty(e.Upstream, e.Model), kindClient, s.called, end)
		body = appendAttrs(body, 9, appendGenAI(scratch[len(attrs):len(attrs)], e))
		for i := range e.Tries {
			body = appendTry(body, &e.Tries[i])
		}
		if failed(e.Terminal) {
			body = appendStatus(body, string(e.Terminal))
		}
		it.spans = appendMessage(it.spans, 2, body)
	}
	for i := range e.Timings.Filters {
		f := &e.Timings.Filters[i]
		// A filter runs in pieces, in between the other parts; its span has the sum as its length.
		body = appendSpanHead(body[:0], s, newSpanID(), s.server, "filter "+f.Filter, kindInternal, e.Start, e.Start.Add(f.Spent))
		a := appendString(scratch[len(attrs):len(attrs)], "ginnel.filter.name", f.Filter)
		a = appendInt(a, "ginnel.filter.calls", int64(f.Calls))
		it.spans = appendMessage(it.spans, 2, appendAttrs(body, 9, a))
	}
	it.log = appendMessage(make([]byte, 0, len(attrs)+256), 2, appendRecord(body[:0], s, e, attrs, end))
	return it
}

func nonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// appendExchange appends the attributes that the span and the log record share, each as a length and
// a KeyValue, so that appendAttrs can give them their field.
func appendExchange(dst []byte, e *Event) []byte {
	dst = appendString(dst, "ginnel.request.id", e.ID)
	dst = appendString(dst, "ginnel.terminal", string(e.Terminal))
	dst = appendString(dst, "http.request.method", e.Method)
	dst = appendString(dst, "url.path", e.Path)
	scheme := "http"
	if e.TLS {
		scheme = "https"
	}
	dst = appendString(dst, "url.scheme", scheme)
	dst = appendString(dst, "server.address", e.Host)
	if e.Remote.IsValid() {
		dst = appendString(dst, "client.address", e.Remote.Addr().String())
	}
	dst = appendInt(dst, "http.response.status_code", int64(e.Status))
	dst = appendString(dst, "ginnel.listener", e.Listener)
	dst = appendString(dst, "ginnel.route", e.Route)
	dst = appendString(dst, "ginnel.model", e.Model)
	dst = appendString(dst, "ginnel.provider", e.Provider)
	dst = appendString(dst, "ginnel.target", e.Target)
	dst = appendString(dst, "ginnel.key.id", e.KeyID)
	dst = appendString(dst, "ginnel.team", e.Team)
	dst = appendString(dst, "ginnel.filter.name", e.Filter)
	dst = appendString(dst, "ginnel.class", e.Class)
	dst = appendString(dst, "ginnel.dialect", string(e.Dialect))
	dst = appendBool(dst, "ginnel.stream", e.Stream)
	dst = appendInt(dst, "ginnel.retries", int64(e.Retries))
	dst = appendString(dst, "ginnel.fallback", e.Fallback)
	dst = appendString(dst, "ginnel.tries", e.tries())
	dst = appendString(dst, "ginnel.dropped", e.Dropped)
	dst = appendInt(dst, "http.request.body.size", e.In)
	dst = appendInt(dst, "http.response.body.size", e.Out)
	for _, part := range []struct {
		key string
		d   time.Duration
	}{{"ginnel.time.guard", e.Timings.Guard}, {"ginnel.time.auth", e.Timings.Auth}, {"ginnel.time.upstream", e.Timings.Upstream},
		{"ginnel.time.first", e.Timings.First}, {"ginnel.time.total", e.Timings.Total}} {
		if part.d > 0 {
			dst = appendDouble(dst, part.key, part.d.Seconds())
		}
	}
	if failed(e.Terminal) {
		dst = appendString(dst, "error.type", string(e.Terminal))
	}
	for _, n := range e.Notes {
		dst = appendString(dst, "ginnel.note."+n.Filter+"."+n.Key, n.Value)
	}
	return appendGenAI(dst, e)
}

// appendGenAI appends the attributes of the semantic conventions for generative AI. They are still
// moving, so they are constants of our own, all here.
func appendGenAI(dst []byte, e *Event) []byte {
	if e.Op == "" {
		return dst
	}
	dst = appendString(dst, "gen_ai.operation.name", operationName(e))
	dst = appendString(dst, "gen_ai.provider.name", e.Provider)
	dst = appendString(dst, "gen_ai.request.model", nonEmpty(e.Upstream, e.Asked))
	dst = appendStrings(dst, "gen_ai.response.finish_reasons", e.Finish)
	if u := e.Usage; u != nil {
		dst = appendInt(dst, "gen_ai.usage.input_tokens", u.InputTotal)
		dst = appendInt(dst, "gen_ai.usage.output_tokens", u.OutputTotal)
		dst = appendInt(dst, "gen_ai.usage.cache_read.input_tokens", u.CacheRead)
		dst = appendInt(dst, "gen_ai.usage.cache_creation.input_tokens", u.CacheWrite5m+u.CacheWrite1h)
		dst = appendInt(dst, "gen_ai.usage.reasoning.output_tokens", u.Reasoning)
	}
	return dst
}

func operationName(e *Event) string {
	if e.Op == "" {
		return "call"
	}
	return string(e.Op)
}

func appendSpanHead(dst []byte, s *spanContext, id, parent spanID, name string, kind uint64, start, end time.Time) []byte {
	dst = appendBytes(dst, 1, s.trace[:])
	dst = appendBytes(dst, 2, id[:])
	if s.state != "" {
		dst = appendField(dst, 3, s.state)
	}
	if parent != (spanID{}) {
		dst = appendBytes(dst, 4, parent[:])
	}
	dst = appendField(dst, 5, name)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 6, protowire.VarintType), kind)
	dst = appendTime(dst, 7, start)
	dst = appendTime(dst, 8, end)
	return protowire.AppendFixed32(protowire.AppendTag(dst, 16, protowire.Fixed32Type), uint32(s.flags))
}

// appendTry adds an attempt to a span, as an event at its end.
func appendTry(dst []byte, t *Try) []byte {
	body := appendTime(nil, 1, t.Began.Add(t.Took))
	body = appendField(body, 2, "ginnel.attempt")
	attrs := appendString(nil, "ginnel.model", t.Model)
	attrs = appendString(attrs, "ginnel.target", t.Target)
	attrs = appendString(attrs, "error.type", t.Cause)
	if t.Took > 0 {
		attrs = appendDouble(attrs, "ginnel.time.attempt", t.Took.Seconds())
	}
	return appendMessage(dst, 11, appendAttrs(body, 3, attrs))
}

func appendStatus(dst []byte, message string) []byte {
	var buf [64]byte
	body := appendField(buf[:0], 2, message)
	body = protowire.AppendVarint(protowire.AppendTag(body, 3, protowire.VarintType), statusError)
	return appendMessage(dst, 15, body)
}

func appendRecord(dst []byte, s *spanContext, e *Event, attrs []byte, at time.Time) []byte {
	number, word := uint64(severityInfo), "INFO"
	switch level := levelOf(e.Terminal); {
	case level >= 8:
		number, word = severityError, "ERROR"
	case level >= 4:
		number, word = severityWarn, "WARN"
	}
	dst = appendTime(dst, 1, at)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), number)
	dst = appendField(dst, 3, word)
	var buf [16]byte
	dst = appendMessage(dst, 5, appendField(buf[:0], 1, "exchange"))
	dst = appendAttrs(dst, 6, attrs)
	if e.Err != nil {
		var scratch []byte
		dst = appendAttrs(dst, 6, appendString(scratch, "exception.message", e.Err.Error()))
	}
	dst = protowire.AppendFixed32(protowire.AppendTag(dst, 8, protowire.Fixed32Type), uint32(s.flags))
	dst = appendBytes(dst, 9, s.trace[:])
	dst = appendBytes(dst, 10, s.server[:])
	dst = appendTime(dst, 11, at)
	return appendField(dst, 12, "ginnel.exchange")
}

// appendAttrs gives each KeyValue in attrs, which stands behind its length, the field number.
func appendAttrs(dst []byte, field protowire.Number, attrs []byte) []byte {
	for len(attrs) > 0 {
		kv, n := protowire.ConsumeBytes(attrs)
		attrs = attrs[n:]
		dst = appendBytes(dst, field, kv)
	}
	return dst
}

func appendString(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	value = validUTF8(value)
	n := protowire.SizeTag(1) + protowire.SizeBytes(len(value))
	return appendField(appendKey(dst, key, n), 1, value)
}

func appendBool(dst []byte, key string, value bool) []byte {
	dst = appendKey(dst, key, protowire.SizeTag(2)+1)
	return protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), protowire.EncodeBool(value))
}

func appendDouble(dst []byte, key string, value float64) []byte {
	dst = appendKey(dst, key, protowire.SizeTag(4)+8)
	return protowire.AppendFixed64(protowire.AppendTag(dst, 4, protowire.Fixed64Type), math.Float64bits(value))
}

func appendInt(dst []byte, key string, value int64) []byte {
	if value == 0 {
		return dst
	}
	dst = appendKey(dst, key, protowire.SizeTag(3)+protowire.SizeVarint(uint64(value)))
	return protowire.AppendVarint(protowire.AppendTag(dst, 3, protowire.VarintType), uint64(value))
}

// appendStrings appends an array of one string.
func appendStrings(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	value = validUTF8(value)
	element := protowire.SizeTag(1) + protowire.SizeBytes(len(value))
	array := protowire.SizeTag(1) + protowire.SizeBytes(element)
	dst = appendKey(dst, key, protowire.SizeTag(5)+protowire.SizeBytes(array))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 5, protowire.BytesType), uint64(array))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.BytesType), uint64(element))
	return appendField(dst, 1, value)
}

// appendKey appends the length and the beginning of a KeyValue whose value takes n bytes.
func appendKey(dst []byte, key string, n int) []byte {
	key = validUTF8(key)
	size := protowire.SizeTag(1) + protowire.SizeBytes(len(key)) + protowire.SizeTag(2) + protowire.SizeBytes(n)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = appendField(dst, 1, key)
	return protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(n))
}

func appendField(dst []byte, field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), value)
}

func appendBytes(dst []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), value)
}

func appendMessage(dst []byte, field protowire.Number, body []byte) []byte {
	return appendBytes(dst, field, body)
}

func appendTime(dst []byte, field protowire.Number, t time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), uint64(t.UnixNano()))
}

// appendResource appends the resource of everything this process tells, as field 1 of a
// ResourceSpans or a ResourceLogs.
func appendResource(dst []byte, service, version string) []byte {
	attrs := appendString(nil, "service.name", service)
	attrs = appendString(attrs, "service.version", version)
	attrs = appendString(attrs, "service.instance.id", hex.EncodeToString(randomBytes()))
	return appendMessage(dst, 1, appendAttrs(nil, 1, attrs))
}

func randomBytes() []byte {
	id := newTraceID()
	return id[:]
}

// payload makes the TracesData (or LogsData, which has the same form) of the parts: each the fields
// of a ScopeSpans.
func payload(resource []byte, parts [][]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	scope := appendMessage(nil, 1, appendField(nil, 1, scopeName))
	scopeSize := len(scope) + n
	resourceSize := len(resource) + protowire.SizeTag(2) + protowire.SizeBytes(scopeSize)
	dst := make([]byte, 0, protowire.SizeTag(1)+protowire.SizeBytes(resourceSize))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.BytesType), uint64(resourceSize))
	dst = append(dst, resource...)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(scopeSize))
	dst = append(dst, scope...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// validUTF8 returns s as a string that protobuf takes: a client's path may be anything.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
