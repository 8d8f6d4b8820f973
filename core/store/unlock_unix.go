//go:build unix

package store

import (
	"os"
	"syscall"
)

// unlock gives up the lock of a file that bbolt panicked over. Closing it is not enough: bbolt's
// memory map keeps the open file, and so the lock, alive.
func unlock(f *os.File) {
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	f.Close()
}
