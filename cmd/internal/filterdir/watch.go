package filterdir

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// interval is the time between two looks at the files. A look is one stat for each: cheaper than a
// build by far, and it works on every file system and with every editor's way of saving.
const interval = 250 * time.Millisecond

// Watch calls changed when it has had a first look, for what happened before it, and each time a source
// of the filter, or the module where path is a file, is not what it was; it waits for a look at which
// nothing goes on changing. It returns when ctx ends.
func Watch(ctx context.Context, path string, changed func()) {
	last, settled := look(path), ""
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look(path)
		if now == last && now != settled && now != "" {
			settled = now
			changed()
		}
		last = now
	}
}

// look sums up what a filter's files are at the moment; "" where there is nothing.
func look(path string) string {
	var b strings.Builder
	note := func(name string, info fs.FileInfo) {
		b.WriteString(name + " " + info.ModTime().Format(time.RFC3339Nano) + " ")
		b.WriteString(info.Mode().String() + "\n")
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if !info.IsDir() {
		note(path, info)
		return b.String()
	}
	filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went away meanwhile: the next look sees what is there
		}
		if base := d.Name(); d.IsDir() && name != path && (strings.HasPrefix(base, ".") || base == "target" || base == "node_modules") {
			return filepath.SkipDir
		}
		if info, err := d.Info(); err == nil && !d.IsDir() && source(d.Name()) {
			note(name, info)
		}
		return nil
	})
	return b.String()
}

// source reports whether a file may change what is built.
func source(name string) bool {
	return slices.Contains([]string{".go", ".rs", ".mod", ".sum", ".toml", ".json", ".txt", ".yaml"}, filepath.Ext(name)) && !strings.HasPrefix(name, ".")
}
