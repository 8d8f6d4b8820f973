package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/ginnel/ginnel/core/exchange"
)

// The formats of the log.
const (
	FormatAuto = "auto" // text on a terminal, JSON elsewhere
	FormatText = "text"
	FormatJSON = "json"
)

// ErrFormat is the error of a log format that does not exist.
var ErrFormat = errors.New("unknown log format: one of auto, text, json")

// NewLogger returns a logger that writes to w and the variable that sets its level. Each line that
// is written with the context of an exchange carries its request id and trace id.
func NewLogger(w io.Writer, format string) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)
	terminal := isTerminal(w)
	var h slog.Handler
	switch {
	case format == FormatText || (format == FormatAuto || format == "") && terminal:
		h = tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != ""})
	case format == FormatJSON || format == FormatAuto || format == "":
		h = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: durations})
	default:
		return nil, nil, ErrFormat
	}
	return slog.New(&correlated{h}), level, nil
}

// durations writes a duration as text and configuration do, "1.5s": a number has no unit, and slog's are nanoseconds.
func durations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// correlated adds the ids of the exchange that a line's context belongs to.
type correlated struct{ slog.Handler }

func (h *correlated) Handle(ctx context.Context, r slog.Record) error {
	if s := spanOf(ctx); s != nil {
		r.AddAttrs(slog.String("request_id", s.requestID), slog.String("trace_id", s.traceText()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *correlated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &correlated{h.Handler.WithAttrs(attrs)}
}

func (h *correlated) WithGroup(name string) slog.Handler {
	return &correlated{h.Handler.WithGroup(name)}
}

func isTerminal(w io.Writer) bool {
	if l, ok := w.(*LogWriter); ok {
		w = l.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// log writes the exchange's line.
func (t *Telemetry) log(ctx context.Context, e *Event) {
	level := levelOf(e.Terminal)
	h := t.logger.Handler()
	if !h.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 32)
	word := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	span := func(key string, d time.Duration) {
		if d > 0 {
			attrs = append(attrs, slog.Float64(key, milliseconds(d)))
		}
	}
	attrs = append(attrs, slog.String("terminal", string(e.Terminal)), slog.Int("status", e.Status), slog.String("method", e.Method), slog.String("path", e.Path))
	word("route", e.Route)
	word("op", string(e.Op))
	word("model", e.Model)
	if e.Asked != e.Model {
		word("asked", e.Asked)
	}
	word("provider", e.Provider)
	word("target", e.Target)
	word("key", e.KeyID)
	word("team", e.Team)
	word("filter", e.Filter)
	word("class", e.Class)
	word("finish", e.Finish)
	if e.Stream {
		attrs = append(attrs, slog.Bool("stream", true))
	}
	if u := e.Usage; u != nil {
		attrs = append(attrs, slog.Int64("tokens_in", u.InputTotal), slog.Int64("tokens_out", u.OutputTotal))
	}
	if e.Retries > 0 {
		attrs = append(attrs, slog.Int("retries", e.Retries))
	}
	word("fallback", e.Fallback)
	word("tries", e.tries())
	word("dropped", e.Dropped)
	span("ms", e.Timings.Total)
	span("first_ms", e.Timings.First)
	span("upstream_ms", e.Timings.Upstream)
	attrs = append(attrs, slog.Int64("in", e.In), slog.Int64("out", e.Out), slog.String("remote", e.Remote.Addr().String()))
	for _, n := range e.Notes {
		attrs = append(attrs, slog.String("note."+n.Filter+"."+n.Key, n.Value))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	r := slog.NewRecord(e.Start.Add(e.Timings.Total), level, "exchange", 0)
	r.AddAttrs(attrs...)
	// A log that cannot be written has nowhere to say so.
	_ = h.Handle(ctx, r)
}

func levelOf(end exchange.Terminal) slog.Level {
	switch {
	case end == exchange.Internal:
		return slog.LevelError
	case failed(end):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
