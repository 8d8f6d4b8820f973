//go:build !linux

package hangup

import "net"

// Supported reports whether connections can be watched on this system. Where they cannot, a server
// has to read ahead while it waits.
const Supported = false

// Watcher watches nothing here.
type Watcher struct{}

// New returns a watcher that watches nothing.
func New() (*Watcher, error) { return &Watcher{}, nil }

// Close does nothing.
func (w *Watcher) Close() error { return nil }

// Add returns ErrUnsupported.
func (w *Watcher) Add(net.Conn, Peer) (uint64, error) { return 0, ErrUnsupported }

// Remove does nothing.
func (w *Watcher) Remove(uint64) {}
