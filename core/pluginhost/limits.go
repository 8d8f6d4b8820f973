package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Limits is what a plugin's process may take and touch.
type Limits struct {
	HungAfter time.Duration // how long it may leave the host without an answer; 0 = DefaultHungAfter
	Memory    int64         // bytes that it may have; 0 = any
	Open      bool          // it is not contained
	Children  bool          // it may start processes of its own
	Read      []string      // files and directories that it may read beside what every process may
	Write     []string      // and those that it may write
}

// DefaultHungAfter is how long a process may leave the host without an answer.
const DefaultHungAfter = 30 * time.Second

// lookupFiles are where names are looked up. A system that changes one may put another file in its place, which a
// process that is contained cannot see.
var lookupFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf"}

// errReplaced is why a process that is well has to make room for another.
var errReplaced = errors.New("it is replaced")

// overMemory is the part of its limit at which a process is ended at once that only drains or was just started.
const overMemory = 1.5

// outgrown returns why a process of some age should be replaced, or nil. One that is over its limit from the start
// would only be followed by its like: it gets some time, and where it grows on it counts as one that crashes.
func (s *supervised) outgrown(p *process, age time.Duration) error {
	size := s.size(p)
	s.mu.Lock()
	s.state.Memory = size
	s.mu.Unlock()
	young := age < min(steadyAfter, 6*s.host.HealthEvery)
	switch most := s.limits.Memory; {
	case most == 0 || size <= most:
	case !young:
		return fmt.Errorf("%w: it has %d MiB of memory and may have %d", errReplaced, size>>20, most>>20)
	case float64(size) > float64(most)*overMemory:
		return fmt.Errorf("it has %d MiB of memory and may have %d", size>>20, most>>20)
	}
	if p.contained && !young {
		for i, was := range p.lookup {
			if is, _ := os.Stat(lookupFiles[i]); (was == nil) != (is == nil) || was != nil && !os.SameFile(was, is) {
				return fmt.Errorf("%w: %s is another file now", errReplaced, lookupFiles[i])
			}
		}
	}
	return nil
}

// size returns the memory that a process has, with that of the processes that it may start.
func (s *supervised) size(p *process) int64 {
	if s.limits.Children || s.limits.Open {
		return residentGroup(p.child.pid)
	}
	return resident(p.child.pid)
}

// seen returns what stands where names are looked up.
func seen() (files []os.FileInfo) {
	for _, name := range lookupFiles {
		info, err := os.Stat(name)
		if err != nil {
			info = nil
		}
		files = append(files, info)
	}
	return files
}

// settleTime is how long a process that was replaced still takes calls: those that had its connection already.
const settleTime = 2 * time.Second

// retire has a process that was replaced drain and ends it: at once where it grows on.
func (s *supervised) retire(p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), s.host.DrainWithin)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		sleep(ctx, settleTime)
		s.drained(ctx, p)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-drained:
			waiting = false
		case <-p.child.exited:
			waiting = false
		case <-s.drop:
			waiting = false
		case <-tick.C:
			most := float64(s.limits.Memory) * overMemory
			waiting = most == 0 || float64(s.size(p)) < most
		}
	}
	p.stop(stopGrace)
	cancel()
	<-drained
}
