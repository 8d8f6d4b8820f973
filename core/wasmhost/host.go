// Package wasmhost runs filters that are WebAssembly modules: it meters, compiles and caches a
// module, keeps instances apart by tenant, speaks the ABI ginnel_v1 with them, and gives each the
// form of an exchange.Filter.
//
// A guest is untrusted. Its time, memory, calls and output are bounded, it reaches only what its
// manifest declares and the operator granted, and whatever it does, other exchanges go on. Which
// filters there are, and in which order they run, is decided elsewhere.
package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/ginnel/ginnel/core/wasmhost/meter"
)

// Config is what New needs.
type Config struct {
	Dir    string // of the compile cache; "" compiles anew each time
	Logger *slog.Logger
}

// Host is the sandbox that all modules share: one compiler, one cache, one set of imports. It is
// safe for concurrent use.
type Host struct {
	logger  *slog.Logger
	dir     string
	runtime wazero.Runtime
	cache   wazero.CompilationCache

	mu   sync.Mutex // protects sets
	sets map[[sha256.Size]byte]*ruleSet
}

// New starts a sandbox.
func New(ctx context.Context, c Config) (*Host, error) {
	h := &Host{logger: c.Logger, sets: map[[sha256.Size]byte]*ruleSet{}}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	rc := wazero.NewRuntimeConfig().WithDebugInfoEnabled(false)
	if c.Dir != "" {
		h.dir = filepath.Join(c.Dir, fmt.Sprintf("metered-%d", meter.Version))
		if err := os.MkdirAll(h.dir, 0o700); err != nil {
			return nil, fmt.Errorf("compile cache: %w", err)
		}
		var err error
		if h.cache, err = wazero.NewCompilationCacheWithDir(c.Dir); err != nil {
			return nil, fmt.Errorf("compile cache: %w", err)
		}
		rc = rc.WithCompilationCache(h.cache)
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	for _, define := range []func(context.Context, wazero.Runtime) error{meter.Define, defineImports, defineWASI} {
		if err := define(ctx, h.runtime); err != nil {
			h.Close(ctx)
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	return h, nil
}

// Close ends the sandbox. All filters and modules must be closed before.
func (h *Host) Close(ctx context.Context) error {
	err := h.runtime.Close(ctx)
	if h.cache != nil {
		err = errors.Join(err, h.cache.Close(ctx))
	}
	return err
}
