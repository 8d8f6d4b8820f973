package cert

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// bridge lets certmagic, which logs through zap, log through slog. Its informational messages about
// each cached certificate are of no use to an operator, so everything is one level less loud.
type bridge struct{ to slog.Handler }

var _ zapcore.Core = bridge{}

// Enabled reports whether the handler wants the level.
func (b bridge) Enabled(l zapcore.Level) bool {
	return b.to.Enabled(context.Background(), level(l))
}

// With returns a core that adds the fields to each entry.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.to.WithAttrs(attrs(fields))}
}

// Check adds the core to an entry that is enabled.
func (b bridge) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return to.AddCore(e, b)
	}
	return to
}

// Write hands an entry on.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e.Level), e.Message, 0)
	if e.LoggerName != "" {
		r.AddAttrs(slog.String("logger", e.LoggerName))
	}
	r.AddAttrs(attrs(fields)...)
	return b.to.Handle(context.Background(), r)
}

// Sync does nothing: slog does not buffer.
func (b bridge) Sync() error { return nil }

func level(l zapcore.Level) slog.Level {
	switch {
	case l <= zapcore.InfoLevel:
		return slog.LevelDebug
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelError
}

func attrs(fields []zapcore.Field) []slog.Attr {
	m := zapcore.NewMapObjectEncoder()
	out := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		f.AddTo(m)
		if v, ok := m.Fields[f.Key]; ok {
			out = append(out, slog.Any(f.Key, v))
		}
	}
	return out
}
