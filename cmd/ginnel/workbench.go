package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/cmd/internal/filterdir"
	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/filters"
)

// workbench is the filters that `ginnel dev --filter` runs while they are being written. What the
// daemon loads is a copy, so that a module that is being written to does no harm.
type workbench struct {
	dir   string // of the copies
	block string // what every filter's block holds besides wasm and sha256
	say   io.Writer

	mu    sync.Mutex // protects what follows
	works []*work
}

// work is one filter.
type work struct {
	path string // as named: a directory or a module
	name string // of its manifest
	copy string
	sum  string
}

func newWorkbench(cmd *cobra.Command, dir string, f *devFlags) (*workbench, error) {
	b := &workbench{dir: dir, say: cmd.ErrOrStderr()}
	if f.block != "" {
		text, err := os.ReadFile(f.block)
		if err != nil {
			return nil, err
		}
		b.block = string(text)
	}
	for i, path := range f.filters {
		w := &work{path: path, copy: filepath.Join(dir, fmt.Sprintf("filter-%d.wasm", i))}
		if _, err := b.refresh(cmd.Context(), w); err != nil {
			return nil, fmt.Errorf("filter %s: %w", path, err)
		}
		b.works = append(b.works, w)
	}
	return b, nil
}

// refresh builds and reads a filter again. It reports whether the module is another one.
func (b *workbench) refresh(ctx context.Context, w *work) (bool, error) {
	file := w.path
	if info, err := os.Stat(w.path); err != nil {
		return false, err
	} else if info.IsDir() {
		built, err := filterdir.Build(ctx, filterdir.Options{Dir: w.path, Output: b.say})
		if err != nil {
			return false, err
		}
		file = built.File
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	m, err := wasmhost.ReadManifest(wasm)
	if err != nil {
		return false, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(wasm))
	b.mu.Lock()
	defer b.mu.Unlock()
	if sum == w.sum {
		return false, nil
	}
	if err := replaceFile(w.copy, wasm, 0o600); err != nil {
		return false, err
	}
	w.name, w.sum = m.Name, sum
	return true, nil
}

// declare returns the filter blocks and the list of the pipeline.
func (b *workbench) declare() (blocks, pipeline string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	order := []string{"headers", "ratelimit"}
	declared := map[string]string{}
	for _, name := range filters.Names() {
		declared[name] = fmt.Sprintf("filter %q { wasm = %q }\n", name, config.BuiltinPrefix+name)
	}
	declared["ratelimit"] = "filter \"ratelimit\" {\n  wasm = \"builtin:ratelimit\"\n  rate \"default\" { limit = \"6000/1m\" }\n}\n"
	for _, w := range b.works {
		declared[w.name] = fmt.Sprintf("filter %q {\n%s\n  wasm   = %q\n  sha256 = %q\n}\n", w.name, b.block, w.copy, w.sum)
		order = append(order, w.name)
	}
	order = append(order, "sanitize")
	var list []string
	for i, name := range order {
		if !slices.Contains(order[:i], name) {
			blocks += declared[name]
			list = append(list, "filter."+name)
		}
	}
	return blocks, strings.Join(list, ", ")
}

// watch swaps each filter when it changes, until ctx ends.
func (b *workbench) watch(ctx context.Context, d *daemon.Daemon) {
	for _, w := range b.works {
		go filterdir.Watch(ctx, w.path, func() { b.swap(ctx, d, w) })
	}
}

// swap makes what a filter is now the one in force, by an ordinary reload. What fails leaves the old
// one.
func (b *workbench) swap(ctx context.Context, d *daemon.Daemon, w *work) {
	begin := time.Now()
	changed, err := b.refresh(ctx, w)
	if ctx.Err() != nil {
		return
	}
	if err == nil && !changed {
		return
	}
	if err == nil {
		if r := d.Reload(ctx, "dev --filter"); r.Error != "" {
			err = fmt.Errorf("%s\n%s", r.Error, r.Text)
		}
	}
	if err != nil {
		fmt.Fprintf(b.say, "filter %s: not swapped, the last one goes on: %v\n", w.path, err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.say, "filter %s: swapped in %s, sha256 %s\n", w.name, time.Since(begin).Round(time.Millisecond), w.sum)
}
