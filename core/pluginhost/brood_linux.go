package pluginhost

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// brood are the processes that a host has started and waits for, which are told from those that it has adopted.
type brood struct {
	still sync.RWMutex // whoever buries is alone: others have the reader's side between a process's start and its entry, and between its exit and its end

	mu   sync.Mutex // protects what follows, and is held for no longer
	own  map[int]bool
	last time.Time // when it was last looked for what has ended
}

// start starts a process, which is its own from its first moment on. Others may start meanwhile.
func (b *brood) start(start func() (pid int, err error)) error {
	b.still.RLock()
	defer b.still.RUnlock()
	pid, err := start()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own == nil {
		b.own = make(map[int]bool)
	}
	b.own[pid] = true
	return nil
}

// end waits for a process that has ended, after which its pid may be another's.
func (b *brood) end(pid int, wait func() error) error {
	b.still.RLock()
	defer b.still.RUnlock()
	b.mu.Lock()
	delete(b.own, pid)
	b.mu.Unlock()
	return wait()
}

// adopt makes this process the parent of those of its descendants whose own parent ends, so that whoever asks finds it among
// their ancestors, whatever they do.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// bury waits for adopted processes that have ended, unless it has looked for them within a time: each plugin's watcher calls
// it. They are told from those that others here have started and wait for: they can gain no privileges, and lead no
// process group, or else a session, which a plugin's own process cannot.
func (b *brood) bury(within time.Duration) {
	if !b.due(within) { // without a wait for who starts something
		return
	}
	b.still.Lock()
	defer b.still.Unlock()
	var ended unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &ended, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil || ended.Signo == 0 {
		return // to read who the children are takes long
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range lists {
		raw, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(field); err == nil && !b.owns(pid) && adopted(pid) {
				unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
	}
}

// due reports whether it is time to look for what has ended, and then it is not for others.
func (b *brood) due(within time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.last) < within {
		return false
	}
	b.last = time.Now()
	return true
}

func (b *brood) owns(pid int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own[pid]
}

func adopted(pid int) bool {
	group, err := unix.Getpgid(pid)
	session, err2 := unix.Getsid(pid)
	if err != nil || err2 != nil || group == pid && session != pid {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && bytes.Contains(raw, []byte("\nNoNewPrivs:\t1\n"))
}
