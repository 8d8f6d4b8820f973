package hangup

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported reports whether connections can be watched on this system.
const Supported = true

// Watcher watches any number of connections with one epoll set. The set is itself waited for by the
// runtime's poller, so that it holds no thread and Close ends it. It is safe for concurrent use.
type Watcher struct {
	set  *os.File
	raw  syscall.RawConn
	done chan struct{}

	mu    sync.Mutex
	next  uint64
	peers map[uint64]Peer // those not told yet
}

// New starts a watcher; one is enough for a process.
func New() (*Watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	set := os.NewFile(uintptr(fd), "hangup")
	raw, err := set.SyscallConn()
	if err != nil {
		set.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w := &Watcher{set: set, raw: raw, done: make(chan struct{}), peers: make(map[uint64]Peer)}
	go w.run()
	return w, nil
}

// Close ends the watcher and waits for it; nobody is told anything afterwards.
func (w *Watcher) Close() error {
	err := w.set.Close()
	<-w.done
	return err
}

// Add watches a connection until it is removed or its peer was told. The number names it; it is
// never used twice, so that the order of closing and removing does not matter.
func (w *Watcher) Add(c net.Conn, p Peer) (uint64, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("watch connection: %w", err)
	}
	w.mu.Lock()
	w.next++
	id := w.next
	w.peers[id] = p
	w.mu.Unlock()
	// EPOLLIN is left out on purpose: unread bytes would wake the watcher, and mask nothing else.
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	control := func(fd uintptr) {
		err = w.raw.Control(func(set uintptr) {
			err = unix.EpollCtl(int(set), unix.EPOLL_CTL_ADD, int(fd), &event)
		})
	}
	if e := raw.Control(control); e != nil {
		err = e
	}
	if err != nil {
		w.Remove(id)
		return 0, fmt.Errorf("watch connection: %w", err)
	}
	return id, nil
}

// Remove forgets a connection. Its descriptor leaves the set when it is closed.
func (w *Watcher) Remove(id uint64) {
	w.mu.Lock()
	delete(w.peers, id)
	w.mu.Unlock()
}

// run waits until the set is closed.
func (w *Watcher) run() {
	defer close(w.done)
	events := make([]unix.EpollEvent, 128)
	gone := make([]Peer, 0, len(events))
	for {
		n := 0
		err := w.raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		w.mu.Lock()
		for _, e := range events[:n] {
			id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
			if p, ok := w.peers[id]; ok {
				delete(w.peers, id)
				gone = append(gone, p)
			}
		}
		w.mu.Unlock()
		for _, p := range gone {
			p.HungUp()
		}
		clear(gone)
		gone = gone[:0]
	}
}
