//go:build unix

package wasmhost

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// guestMemory is a guest's linear memory, reserved at its greatest size outside the Go heap: it
// grows in place without a copy, costs what was touched, and does not make the collector lazy.
type guestMemory struct{ reserved []byte }

func newGuestMemory(limit uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &guestMemory{}
	}
	return &guestMemory{b}
}

// Reallocate returns nil where the memory cannot grow; for the first size that traps.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	return m.reserved[:size:size]
}

func (m *guestMemory) Free() {
	if m.reserved != nil {
		syscall.Munmap(m.reserved)
		m.reserved = nil
	}
}
