// Package filters holds the built-in filters as WebAssembly modules, embedded.
//
// The modules are built from the directories beside this file by cmd/internal/buildfilters and
// committed, so that a fresh clone builds without a prior step. What they do is in their own
// packages; running them is core/wasmhost's business.
package filters

import (
	"maps"
	"slices"
)

// Module returns the module of a built-in filter, which must not be changed, or nil.
func Module(name string) []byte { return builtin[name] }

// Names returns the names of the built-in filters, sorted.
func Names() []string { return slices.Sorted(maps.Keys(builtin)) }
