package wasmhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/ginnel/ginnel/core/wasmhost/meter"
)

// Module is a compiled module. It is immutable and safe for concurrent use.
type Module struct {
	Manifest *Manifest
	Sum      string // the SHA-256 of the original, in hex

	runtime wazero.Runtime // that code belongs to
	code    wazero.CompiledModule
	stats   meter.Stats
	min     uint64 // bytes of memory at the start
}

// maxModule bounds a module.
const maxModule = 64 << 20

// Key is what a Module is kept under: modules with the same key have the same code.
func Key(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:]), meter.Version)
}

// Open validates, meters and compiles a module. It takes seconds for a large module that the cache
// does not have.
func (h *Host) Open(ctx context.Context, wasm []byte) (*Module, error) {
	if len(wasm) > maxModule {
		return nil, fmt.Errorf("a module of %d bytes, more than %d", len(wasm), maxModule)
	}
	manifest, err := ReadManifest(wasm)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(wasm)
	m := &Module{Manifest: manifest, Sum: hex.EncodeToString(sum[:])}
	metered, err := h.metered(ctx, wasm, m)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	if err := h.compile(ctx, m, metered); err != nil {
		return nil, fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	for _, check := range []func() error{m.checkImports, m.checkExports} {
		if err := check(); err != nil {
			m.code.Close(ctx)
			return nil, fmt.Errorf("module %s: %w", manifest.Name, err)
		}
	}
	return m, nil
}

// compile compiles a module's metered form. Where the cache cannot be written it does without: that
// costs time, not function.
func (h *Host) compile(ctx context.Context, m *Module, metered []byte) (err error) {
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	m.runtime = h.runtime
	if m.code, err = m.runtime.CompileModule(ctx, metered); err == nil || h.cache == nil {
		return err
	}
	var failed *fs.PathError
	if !errors.As(err, &failed) {
		return err
	}
	h.logger.Warn("compile cache is not written", "error", err)
	if m.runtime, err = h.uncached(ctx); err != nil {
		return err
	}
	m.code, err = m.runtime.CompileModule(ctx, metered)
	return err
}

// Close frees the code. All filters of the module must be closed before.
func (m *Module) Close(ctx context.Context) error { return m.code.Close(ctx) }

// metered returns the rewritten module, from the cache where it is there: what stands in the cache
// had a valid original. The cache is the daemon's own, as its compiled code is.
func (h *Host) metered(ctx context.Context, wasm []byte, m *Module) ([]byte, error) {
	if out, ok := h.cached(m); ok {
		return out, nil
	}
	validate := func(original []byte) error {
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		_, err := r.CompileModule(ctx, original)
		return err
	}
	out, stats, err := meter.Instrument(wasm, validate)
	if err != nil {
		return nil, err
	}
	m.stats = stats
	h.keep(m, out)
	return out, nil
}

func (h *Host) cachePath(m *Module) string { return filepath.Join(h.dir, m.Sum) }

// cached reads a rewritten module and what the rewriter said about it.
func (h *Host) cached(m *Module) ([]byte, bool) {
	if h.dir == "" {
		return nil, false
	}
	stats, err := os.ReadFile(h.cachePath(m) + ".json")
	if err != nil || json.Unmarshal(stats, &m.stats) != nil {
		return nil, false
	}
	out, err := os.ReadFile(h.cachePath(m) + ".wasm")
	return out, err == nil
}

// keep writes both files, the statistics last: they make the entry valid. A cache that cannot be
// written costs time, not function.
func (h *Host) keep(m *Module, out []byte) {
	if h.dir == "" {
		return
	}
	stats, err := json.Marshal(m.stats)
	if err == nil {
		err = writeFile(h.cachePath(m)+".wasm", out)
	}
	if err == nil {
		err = writeFile(h.cachePath(m)+".json", stats)
	}
	if err != nil {
		h.logger.Warn("compile cache is not written", "error", err)
	}
}

// writeFile writes a whole file or nothing.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// hidden reports whether a name belongs to the rewriter.
func hidden(name string) bool { return strings.HasPrefix(name, meter.Prefix) }
