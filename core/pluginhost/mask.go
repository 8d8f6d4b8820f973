package pluginhost

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
)

// masked stands for a secret in what a plugin says.
const masked = "(secret)"

// The lengths from which a secret is looked for, and a line of one that has several: what is shorter is in many words.
const (
	leastSecret = 6
	leastLine   = 24
)

// secrets are what a plugin was told and must not be read in logs, status and errors, whoever wrote it there. There may be
// none.
type secrets struct {
	hidden  *strings.Replacer // nil = there are none
	longest int               // bytes of the longest
}

// secretsOf returns the values that can be looked for, all in one go; where several begin, the longest: one may be a part of
// another.
func secretsOf(values []string) secrets {
	var all []string
	for _, v := range values {
		if len(v) >= leastSecret {
			all = append(all, written(v)...)
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(v, `\n`, "\n"), "\n") { // of a key, also within JSON
			if len(line) >= leastLine && len(line) < len(v) {
				all = append(all, line)
			}
		}
	}
	if len(all) == 0 {
		return secrets{}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	longest := len(all[0])
	var pairs []string
	for _, v := range slices.Compact(all) {
		pairs = append(pairs, v, masked)
	}
	return secrets{strings.NewReplacer(pairs...), longest}
}

// written returns a value as it is and as it stands in JSON, in Go's quotes, and in an address.
func written(v string) []string {
	var b bytes.Buffer
	plain := json.NewEncoder(&b)
	plain.SetEscapeHTML(false)
	plain.Encode(v)
	escaped, _ := json.Marshal(v)
	return []string{
		v, unquoted(strings.TrimSpace(b.String())), unquoted(string(escaped)), unquoted(strconv.Quote(v)), url.QueryEscape(v), url.PathEscape(v),
	}
}

// unquoted returns a text without the quotes that it stands in.
func unquoted(text string) string { return text[1 : len(text)-1] }

func (s secrets) hide(text string) string {
	if s.hidden == nil {
		return text
	}
	return s.hidden.Replace(text)
}

// heard keeps the secrets out of what a process says by gRPC for people to read, before it is cut short: half of one would
// not be found any more. It is a grpc.UnaryClientInterceptor.
func (s secrets) heard(ctx context.Context, method string, request, answer any, c *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) error {
	err := next(ctx, method, request, answer, c, o...)
	if sink, ok := answer.(*pluginv1.ExportResponse); ok {
		for _, outcome := range sink.GetOutcomes() {
			outcome.Message = s.hide(outcome.GetMessage())
		}
	}
	if err == nil {
		return nil
	}
	said := status.Convert(err).Proto()
	said.Message = s.hide(said.GetMessage())
	for _, d := range said.GetDetails() {
		var e pluginv1.Error
		if d.UnmarshalTo(&e) == nil {
			e.Message = s.hide(e.GetMessage())
			if err := d.MarshalFrom(&e); err != nil {
				return err
			}
		}
	}
	return status.FromProto(said).Err()
}

// hideIn returns an error without the secrets, and err itself where it has none.
func (s secrets) hideIn(err error) error {
	if err == nil {
		return nil
	}
	text := s.hide(err.Error())
	if text == err.Error() {
		return err
	}
	var e *llm.Error
	if errors.As(err, &e) {
		own := *e
		own.Message = s.hide(e.Message)
		return hidden{text, &own}
	}
	return hidden{text, nil}
}

// hidden is an error with another text. What it wraps has none of the secrets either.
type hidden struct {
	text string
	err  error
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.err }

// hiding is a handler of a log that no secret passes.
type hiding struct {
	slog.Handler
	secrets secrets
}

// in returns a log in which the secrets are not.
func (s secrets) in(log *slog.Logger) *slog.Logger {
	if s.hidden == nil {
		return log
	}
	return slog.New(hiding{log.Handler(), s})
}

// Handle implements slog.Handler.
func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, h.secrets.hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		own[i] = h.attr(a)
	}
	return hiding{h.Handler.WithAttrs(own), h.secrets}
}

// WithGroup implements slog.Handler.
func (h hiding) WithGroup(name string) slog.Handler {
	return hiding{h.Handler.WithGroup(name), h.secrets}
}

func (h hiding) attr(a slog.Attr) slog.Attr {
	a.Key, a.Value = h.secrets.hide(a.Key), a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		group := slices.Clone(a.Value.Group())
		for i := range group {
			group[i] = h.attr(group[i])
		}
		a.Value = slog.GroupValue(group...)
		return a
	}
	text := a.Value.String() // also of a number: a secret may be one
	if shown := h.secrets.hide(text); shown != text {
		a.Value = slog.StringValue(shown)
	}
	return a
}
