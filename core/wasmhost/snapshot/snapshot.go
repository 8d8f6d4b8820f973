// Package snapshot brings a WebAssembly instance back to an earlier state, so that one instance can
// serve several tenants one after the other.
//
// The state of an instance between two calls is its linear memory, its mutable globals, its tables
// and its dropped segments. A snapshot holds the first two; package meter says which globals, and
// says of a module that changes the others that it cannot be reset. Memory cannot shrink: what grew
// is zeroed, and the metered module keeps a page count of its own, which is one of the globals, so
// that memory.size and memory.grow behave as after a fresh start. Only an access beyond memory.size
// reads zeros where it would trap.
//
// A snapshot covers nothing that the host keeps for an instance. An instance that trapped must be
// thrown away, not restored.
package snapshot

import (
	"bytes"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// page is how many bytes are compared, and copied where they differ, at a time.
const page = 4096

// Snapshot is the state of one instance. It is used by the goroutine that uses the instance.
type Snapshot struct {
	memory  api.Memory // nil where the instance has none
	bytes   []byte
	globals []api.MutableGlobal
	values  []uint64
}

// Take records the state of an instance. globals are the names in meter.Stats.Globals.
func Take(mod api.Module, globals []string) (*Snapshot, error) {
	s := &Snapshot{}
	for _, name := range globals {
		g, ok := mod.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return nil, fmt.Errorf("snapshot: the module has no mutable global %s", name)
		}
		s.globals = append(s.globals, g)
		s.values = append(s.values, g.Get())
	}
	for name := range mod.ExportedMemoryDefinitions() {
		s.memory = mod.ExportedMemory(name)
		b, ok := s.memory.Read(0, s.memory.Size())
		if !ok {
			return nil, fmt.Errorf("snapshot: the memory of %d bytes cannot be read", s.memory.Size())
		}
		s.bytes = bytes.Clone(b)
		break // a module has one memory, under whatever names
	}
	return s, nil
}

// Restore brings the instance back and returns how many pages of 4 KiB it wrote.
func (s *Snapshot) Restore() (written int) {
	for i, g := range s.globals {
		g.Set(s.values[i])
	}
	if s.memory == nil {
		return 0
	}
	now, _ := s.memory.Read(0, s.memory.Size())
	for at := 0; at < len(s.bytes); at += page {
		if is, was := now[at:at+page], s.bytes[at:at+page]; !bytes.Equal(is, was) {
			copy(is, was)
			written++
		}
	}
	for at := len(s.bytes); at < len(now); at += page {
		if is := now[at : at+page]; !bytes.Equal(is, zero[:]) {
			clear(is)
			written++
		}
	}
	return written
}

var zero [page]byte // never written
