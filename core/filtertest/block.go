package filtertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/schema"
)

// filter makes the filter that the case's block declares; done closes it.
func (r *Runner) filter(ctx context.Context, c *Case, rec *record) (_ *wasmhost.Filter, done func(), err error) {
	declared, err := r.declared(c)
	if err != nil {
		return nil, nil, err
	}
	raw, err := declared.Config.JSON()
	if err != nil {
		return nil, nil, err
	}
	rates := make(map[string]limit.Rate, len(declared.Rates))
	for _, d := range declared.Rates {
		rate, err := limit.ParseRate(d.Limit)
		if err != nil {
			return nil, nil, err // the configuration was checked
		}
		rate.SlowDownAt = d.SlowDownAt
		rates[d.Name] = rate
	}
	values, forget, err := r.values()
	if err != nil {
		return nil, nil, err
	}
	l := declared.Limits
	f, err := r.Host.NewFilter(wasmhost.Spec{
		Name: r.Module.Manifest.Name, Module: r.Module, Config: raw, Rates: rates, Builtin: r.Builtin,
		Limiter: limit.New(limit.Config{Keys: 1024}), Egress: r.stage.transport, KV: values, Observer: rec, Logger: slog.New(rec),
		OnError: wasmhost.OnError(declared.OnError),
		Limits:  wasmhost.Limits{Memory: l.Memory, Time: patience * l.Time, HostCalls: l.HostCalls, Output: l.Output, Pause: l.Pause},
		Grant:   wasmhost.Grant{HTTP: declared.GrantHTTP, KV: declared.GrantKV, Shared: declared.GrantShared},
	})
	if err != nil {
		forget()
		at, _ := c.section(secFilter)
		return nil, nil, c.errorf(max(at.line, c.Line), "%v\n%s", err, rec.logs.String())
	}
	return f, func() {
		f.Close(ctx)
		forget()
	}, nil
}

// values returns an empty store of values for a filter that keeps any.
func (r *Runner) values() (wasmhost.KV, func(), error) {
	if !r.Module.Manifest.Has(wasmhost.CapKV) {
		return nil, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "ginnel-filtertest-")
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(store.Needs{Path: filepath.Join(dir, "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	opened, err := store.OpenKV(s, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, errors.Join(err, s.Close(), os.RemoveAll(dir))
	}
	return opened, func() {
		opened.Close()
		s.Close()
		os.RemoveAll(dir)
	}, nil
}

// declared reads the case's filter block as gateway.hcl would be read, with the lines of the
// transcript.
func (r *Runner) declared(c *Case) (*config.Filter, error) {
	s, ok := c.section(secFilter)
	if !ok {
		s.line = c.Line
	}
	text := strings.Repeat("\n", s.line-1) + fmt.Sprintf("filter %q {\n%s\nwasm = %q\n}\n", r.Module.Manifest.Name, s.text, config.BuiltinPrefix+"test")
	loaded := config.Load(config.Source{Path: c.path, Text: []byte(text)}, config.Options{
		FilterSchema: func(*config.Filter) (*schema.Block, error) {
			if r.Module.Manifest.Schema == nil {
				return &schema.Block{}, nil
			}
			return r.Module.Manifest.Schema, nil
		},
	})
	if loaded.Config == nil {
		var said strings.Builder
		config.WriteDiagnostics(&said, loaded.Diagnostics, loaded.Files, 0, false)
		return nil, fmt.Errorf("%w: the filter block of %q:\n%s", ErrTranscript, c.Name, said.String())
	}
	return loaded.Config.Filters[0], nil
}
