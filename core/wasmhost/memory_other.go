//go:build !unix

package wasmhost

import "github.com/tetratelabs/wazero/experimental"

// guestMemory is a guest's linear memory, allocated at its greatest size.
type guestMemory struct{ reserved []byte }

func newGuestMemory(limit uint64) experimental.LinearMemory {
	return &guestMemory{make([]byte, limit)}
}

// Reallocate returns nil where the memory cannot grow.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	return m.reserved[:size:size]
}

func (m *guestMemory) Free() { m.reserved = nil }
