// Package wasmhost runs filters that are WebAssembly modules: it meters, compiles and caches a
// module, keeps instances apart by tenant, speaks the ABI ginnel_v1 or proxy-wasm with them, and
// gives each the form of an exchange.Filter.
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

	"github.com/ginnel/ginnel/core/scan"
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

	mu       sync.Mutex // protects what follows
	sets     map[[sha256.Size]byte]*ruleSet
	compiler scan.Compiler  // of the sets
	plain    wazero.Runtime // without a cache, for modules that it has no room for; nil until there is one
	filters  map[*Filter]struct{}
	past     map[string]Stats // of filters that are closed, by name
}

// New starts a sandbox.
func New(ctx context.Context, c Config) (*Host, error) {
	h := &Host{logger: c.Logger, sets: map[[sha256.Size]byte]*ruleSet{}, filters: map[*Filter]struct{}{}, past: map[string]Stats{}}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	rc := runtimeConfig()
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
	var err error
	if h.runtime, err = newRuntime(ctx, rc); err != nil {
		return nil, err
	}
	return h, nil
}

// uncached returns the compiler that has no cache.
func (h *Host) uncached(ctx context.Context) (wazero.Runtime, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.plain != nil {
		return h.plain, nil
	}
	var err error
	h.plain, err = newRuntime(context.WithoutCancel(ctx), runtimeConfig())
	return h.plain, err
}

func runtimeConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithDebugInfoEnabled(false)
}

// newRuntime returns a compiler with everything that guests import.
func newRuntime(ctx context.Context, c wazero.RuntimeConfig) (wazero.Runtime, error) {
	r := wazero.NewRuntimeWithConfig(ctx, c)
	for _, define := range []func(context.Context, wazero.Runtime) error{meter.Define, defineImports, defineProxyImports, defineWASI} {
		if err := define(ctx, r); err != nil {
			return nil, errors.Join(fmt.Errorf("sandbox: %w", err), r.Close(ctx))
		}
	}
	return r, nil
}

// Close ends the sandbox. All filters and modules must be closed before.
func (h *Host) Close(ctx context.Context) error {
	err := h.runtime.Close(ctx)
	if h.plain != nil {
		err = errors.Join(err, h.plain.Close(ctx))
	}
	if h.cache != nil {
		err = errors.Join(err, h.cache.Close(ctx))
	}
	return err
}
