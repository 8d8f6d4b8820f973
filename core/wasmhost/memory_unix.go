//go:build unix

package wasmhost

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// guestMemory is a guest's linear memory, reserved at its greatest size outside the Go heap: it
// grows in place without a copy, costs what was touched, and does not make the collector lazy.
// Its pages are made resident here, in Go, where the collector need not wait: a guest that touched
// them first would spend a page fault where the meter charges for a store.
type guestMemory struct {
	reserved []byte
	resident []byte // the part in use
}

// touched is no more than the size of a page on any machine.
const touched = 4096

func newGuestMemory(limit uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &guestMemory{}
	}
	return &guestMemory{reserved: b}
}

// Reallocate returns nil where the memory cannot grow; for the first size that traps.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	for at := len(m.resident); at < int(size); at += touched {
		m.reserved[at] = 0
	}
	m.resident = m.reserved[:size:size]
	return m.resident
}

func (m *guestMemory) Free() {
	if m.reserved != nil {
		syscall.Munmap(m.reserved)
		m.reserved, m.resident = nil, nil
	}
}
