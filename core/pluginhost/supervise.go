package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// The times of supervision.
const (
	maxBackoff  = 30 * time.Second
	steadyAfter = 30 * time.Second // a process that lived so long did not crash in a loop
	failedAfter = 5                // starts that failed in a row
)

// supervised is a plugin that is kept running.
type supervised struct {
	host *Host
	launch
	socket string // on which the current process is invoked; "" = it is not
	log    *slog.Logger
	// prepare makes a new process ready for its calls.
	prepare func(context.Context, *process) error
	// upkeep is called by the supervisor after every health check, and returns why the process is of no use; it may
	// be nil.
	upkeep func(context.Context, *process) error
	// drain returns when what a process has begun is done, or ctx has ended.
	drain func(context.Context, *process) error

	end  context.CancelFunc
	done chan struct{} // closed when the supervisor has ended

	mu      sync.Mutex // protects what follows
	current *process   // nil while there is none
	pid     int        // of the process that is current or becomes it
	state   State

	retired sync.WaitGroup // processes that drain
	drop    chan struct{}  // closed when they have to end
}

// begin starts the plugin and, where that went well, its supervisor.
func (s *supervised) begin(ctx context.Context) error {
	s.log = s.launch.log(s.host.Logger)
	s.state = State{Name: s.name, Plugin: s.plugin, Contained: s.host.containment(s.limits)}
	if s.limits.HungAfter == 0 {
		s.limits.HungAfter = DefaultHungAfter
	}
	s.done, s.drop = make(chan struct{}), make(chan struct{})
	p, err := s.bring(ctx)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.end = cancel
	go func() {
		defer close(s.done)
		s.supervise(run, p)
	}()
	return nil
}

// bring starts a process and makes it ready.
func (s *supervised) bring(ctx context.Context) (p *process, err error) {
	defer func() { err = s.secrets.hideIn(err) }()
	ctx, cancel := context.WithTimeout(ctx, s.host.StartTimeout)
	defer cancel()
	if p, err = s.host.start(ctx, s.launch); err != nil {
		return nil, err
	}
	if err = s.prepare(ctx, p); err == nil {
		err = s.enter(p)
	}
	if err != nil {
		p.stop(stopGrace)
		return nil, fmt.Errorf("plugin %s: %w", s.plugin, err)
	}
	return p, nil
}

// enter makes a process the current one.
func (s *supervised) enter(p *process) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.socket != "" { // calls come here from now on: until now they went to the process before
		if err := os.Rename(p.socket, s.socket); err != nil {
			return err
		}
		p.socket = ""
	}
	s.current, s.pid = p, p.child.pid
	s.state.Status, s.state.PID, s.state.Since, s.state.Error = Running, s.pid, time.Now(), ""
	s.state.Protocol, s.state.Bounded = p.version, p.bounded
	return nil
}

// supervise watches the process and starts the next one when it has died, until ctx ends.
func (s *supervised) supervise(ctx context.Context, p *process) {
	crashes := 0
	for {
		born := time.Now()
		err := s.watch(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errReplaced) {
			p = s.replace(ctx, p, err)
			continue
		}
		s.lost(err)
		p.stop(0)
		if time.Since(born) > steadyAfter {
			crashes = 0
		}
		for p = nil; p == nil; crashes++ {
			wait := backoff(crashes)
			s.log.Warn("plugin process ended", "error", err, "restart_in", wait)
			if !sleep(ctx, wait) {
				return
			}
			if p, err = s.bring(ctx); err != nil {
				s.missed(err, crashes)
			}
		}
		s.log.Info("plugin process is back", "pid", p.child.pid, "after", time.Since(born))
	}
}

// replace starts another process in the place of one that is well, which drains, and returns the one that there is
// then: where none starts, the old one goes on, and another attempt follows when it would be due again.
func (s *supervised) replace(ctx context.Context, p *process, why error) *process {
	s.log.Warn("plugin process is replaced", "pid", p.child.pid, "reason", why)
	next, err := s.bring(ctx)
	if err != nil {
		s.log.Warn("plugin process was not replaced", "error", err)
		s.mu.Lock()
		s.state.Error = err.Error()
		s.mu.Unlock()
		return p
	}
	s.mu.Lock()
	s.state.Restarts++
	s.state.Draining++
	s.state.Error = why.Error()
	s.mu.Unlock()
	if s.host.Restarted != nil {
		s.host.Restarted(s.name)
	}
	s.retired.Go(func() {
		s.retire(p)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state.Draining--
	})
	return next
}

// watch returns when the process has ended, has not answered for too long, should be replaced, or ctx has ended.
func (s *supervised) watch(ctx context.Context, p *process) error {
	tick := time.NewTicker(min(s.host.HealthEvery, s.limits.HungAfter/3))
	defer tick.Stop()
	born := time.Now()
	for answered := born; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.child.exited:
			if p.child.err != nil {
				return p.child.err
			}
			return errors.New("it ended by itself")
		case <-tick.C:
		}
		if s.host.forked.Load() {
			s.host.brood.bury(s.host.HealthEvery / 2)
		}
		// However long this process itself was away, the plugin gets its time.
		check, cancel := context.WithTimeout(ctx, max(time.Until(answered.Add(s.limits.HungAfter)), s.limits.HungAfter/3))
		err := p.alive(check)
		cancel()
		switch {
		case err == nil:
			answered = time.Now()
		case time.Since(answered) >= s.limits.HungAfter:
			return fmt.Errorf("it has not answered for %s: %w", s.limits.HungAfter, s.secrets.hideIn(err))
		default:
			continue
		}
		if s.upkeep != nil {
			care, cancel := context.WithTimeout(ctx, s.host.CallTimeout)
			err := s.upkeep(care, p)
			if cancel(); err != nil {
				return err
			}
		}
		if err := s.outgrown(p, time.Since(born)); err != nil {
			return err
		}
	}
}

// lost notes that the process is gone.
func (s *supervised) lost(err error) {
	if s.host.Restarted != nil {
		s.host.Restarted(s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.pid, s.state.Memory = nil, 0, 0
	s.state.Status, s.state.PID, s.state.Since, s.state.Error = Restarting, 0, time.Now(), err.Error()
	s.state.Restarts++
}

// missed notes that it did not come back.
func (s *supervised) missed(err error, crashes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Error = err.Error()
	if crashes+1 >= failedAfter {
		s.state.Status = Failed
	}
}

// process returns the process that runs now, or nil.
func (s *supervised) process() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// State returns what an operator wants to know.
func (s *supervised) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// PID returns the pid of the process that runs now, or 0.
func (s *supervised) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// close ends the supervision, has the process drain and ends it. The error is that of draining.
func (s *supervised) close(ctx context.Context) (err error) {
	s.end()
	<-s.done
	s.mu.Lock()
	p := s.current
	s.mu.Unlock()
	if p != nil {
		err = s.drained(ctx, p)
	}
	s.mu.Lock()
	s.current, s.pid, s.state.Memory = nil, 0, 0
	s.state.Status, s.state.PID, s.state.Since = Closed, 0, time.Now()
	s.mu.Unlock()
	if p != nil {
		p.stop(stopGrace)
	}
	close(s.drop)
	s.retired.Wait()
	return err
}

// drained has a process drain.
func (s *supervised) drained(ctx context.Context, p *process) error {
	err := s.drain(ctx, p)
	if err != nil {
		s.log.Warn("plugin did not drain", "error", err)
	}
	return err
}

// backoff returns how long to wait before the next start: nearly nothing after the first crash, so
// that it is back within a second, then ever longer, with jitter against plugins in step.
func backoff(crashes int) time.Duration {
	if crashes == 0 {
		return 10*time.Millisecond + rand.N(40*time.Millisecond)
	}
	d := min(250*time.Millisecond<<min(crashes, 10), maxBackoff)
	return d/2 + rand.N(d/2)
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
