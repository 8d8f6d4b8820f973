package filtertest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// record gathers what a filter leaves beside the exchange. It implements wasmhost.Observer and
// slog.Handler.
type record struct {
	mu      sync.Mutex // protects what follows
	metrics []metric
	events  []string
	failed  []string
	class   string
	logs    bytes.Buffer
}

type metric struct {
	kind  int
	name  string
	value float64
}

var (
	_ wasmhost.Observer = (*record)(nil)
	_ slog.Handler      = (*record)(nil)
)

var metricKinds = map[int]string{abi.Counter: "counter", abi.Gauge: "gauge", abi.Histogram: "histogram"}

// Metric implements wasmhost.Observer: counters and histograms add up, however often a stream of
// deltas calls.
func (r *record) Metric(_ string, kind int, name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.metrics {
		if m := &r.metrics[i]; m.kind == kind && m.name == name {
			if kind == abi.Gauge {
				m.value = 0
			}
			m.value += value
			return
		}
	}
	r.metrics = append(r.metrics, metric{kind, name, value})
}

// Event implements wasmhost.Observer.
func (r *record) Event(_ *exchange.Exchange, _, name string, fields []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, name+" "+string(fields))
}

// Enabled implements slog.Handler.
func (r *record) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (r *record) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup implements slog.Handler.
func (r *record) WithGroup(string) slog.Handler { return r }

// Handle implements slog.Handler: it keeps the lines, and picks out what an expectation may name.
func (r *record) Handle(_ context.Context, l slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	attrs := map[string]string{}
	l.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	switch l.Message {
	case "filter failed":
		r.failed = append(r.failed, attrs["phase"]+": "+attrs["error"])
	case "rules refused":
		fmt.Fprintf(&r.logs, "error rules refused: %s\n", attrs["error"])
	case "filter says":
		fmt.Fprintf(&r.logs, "%s %s\n", strings.ToLower(l.Level.String()), attrs["line"])
	default:
		if class := attrs["class"]; class != "" {
			r.class = class
		}
	}
	return nil
}

// forget empties the record.
func (r *record) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics, r.events, r.failed, r.class = nil, nil, nil, ""
	r.logs.Reset()
}

// show writes the record as an expectation does.
func (r *record) show(x *exchange.Exchange) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "end %s\n", x.End)
	if r.class != "" {
		fmt.Fprintf(&b, "class %s\n", r.class)
	}
	for _, n := range x.Notes {
		if n.Key == wasmhost.FailedNote { // it stands below, with its error
			continue
		}
		fmt.Fprintf(&b, "note %s %s\n", n.Key, quote(n.Value))
	}
	for _, m := range r.metrics {
		fmt.Fprintf(&b, "%s %s %g\n", metricKinds[m.kind], m.name, m.value)
	}
	for _, e := range r.events {
		fmt.Fprintf(&b, "event %s\n", e)
	}
	for _, f := range r.failed {
		fmt.Fprintf(&b, "failed %s\n", strings.ReplaceAll(f, "\n", " "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unsaid are the fields that the gateway, not the filter, has to answer for.
var unsaid = []string{"Accept-Encoding", "Connection", "Content-Length", "Host", "Traceparent", "Tracestate", "User-Agent", "Server-Timing", "X-Ginnel-Route", "Cache-Control", "Date", "Transfer-Encoding"}

// showRequest writes what the provider got.
func showRequest(m *message, w way) string {
	if m == nil {
		return "none"
	}
	body := m.body
	if w == streamed {
		body = bytes.Replace(body, []byte(streamMember), []byte("{"), 1)
	}
	return showMessage(showFields(m.header), body)
}

func showCall(r *http.Request, url string, body []byte) string {
	return showMessage(r.Method+" "+url+"\n"+showFields(r.Header), body)
}

func showMessage(head string, body []byte) string {
	if len(body) == 0 {
		return strings.TrimSuffix(head, "\n")
	}
	return head + "\n" + string(body)
}

func showFields(h http.Header) string {
	var lines []string
	for name, values := range h {
		if slices.Contains(unsaid, name) {
			continue
		}
		for _, v := range values {
			lines = append(lines, strings.TrimSpace(name+": "+v)+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// showReply writes what the client got.
func showReply(status int, header llm.Header, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", status)
	for _, f := range header {
		name := http.CanonicalHeaderKey(f.Name)
		if !slices.Contains(unsaid, name) {
			b.WriteString(strings.TrimSpace(name+": "+f.Value) + "\n")
		}
	}
	return showMessage(b.String(), bytes.TrimRight(body, "\n"))
}

// words are the texts of an answer by channel, in the order in which they begin.
type words struct {
	channels []dialect.Channel
	texts    map[dialect.Channel]string
	repeats  []repeat
	failed   *llm.Error
}

// repeat is a text that an answer says once more, as a whole.
type repeat struct {
	channel dialect.Channel
	text    string
}

func (w *words) add(body []byte, found []dialect.Text) {
	if w.texts == nil {
		w.texts = map[dialect.Channel]string{}
	}
	for _, t := range found {
		c, text := t.Channel, string(dialect.AppendUnquoted(nil, body[t.Span.Start:t.Span.End]))
		if c.Repeat {
			c.Repeat = false
			w.repeats = append(w.repeats, repeat{c, text})
			continue
		}
		if _, ok := w.texts[c]; !ok {
			w.channels = append(w.channels, c)
		}
		w.texts[c] += text
	}
}

// show writes the words as an expectation does: one JSON string for each channel that has any, and
// each repeat that says something else.
func (w *words) show(status int) string {
	var b strings.Builder
	put := func(mark string, c dialect.Channel, text string) {
		b.WriteString(mark)
		if c != (dialect.Channel{}) {
			fmt.Fprintf(&b, "choice %d block %d %s ", c.Choice, c.Block, kindNames[c.Kind])
		}
		b.WriteString(quote(text) + "\n")
	}
	for _, c := range w.channels {
		if w.texts[c] != "" {
			put("", c, w.texts[c])
		}
	}
	for i, r := range w.repeats {
		if r.text != w.texts[r.channel] && !slices.Contains(w.repeats[:i], r) {
			put("repeat ", r.channel, r.text)
		}
	}
	if e := w.failed; e != nil {
		fmt.Fprintf(&b, "error %s\n", e.Message)
	}
	if status != http.StatusOK {
		fmt.Fprintf(&b, "status %d\n", status)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var kindNames = map[dialect.Kind]string{
	dialect.KindText: "text", dialect.KindArguments: "arguments", dialect.KindToolResult: "tool_result", dialect.KindToolDef: "tool_definition",
	dialect.KindReasoning: "reasoning", dialect.KindRefusal: "refusal", dialect.KindStructured: "structured",
}
