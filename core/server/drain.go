package server

import (
	"context"
	"fmt"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

// Drain ends the server: it accepts nothing any more, closes idle connections, and closes the others
// after the answer they are at. When ctx ends first, the exchanges that are left are cancelled with
// ErrDraining and have the farewell limit to write their last event; then connections are cut. It
// returns an error if something had to be cut or did not end. Only the first call does it; others
// wait for it.
func (s *Server) Drain(ctx context.Context) error {
	if s.draining.Swap(true) {
		<-s.drained
		return nil
	}
	defer close(s.drained)
	s.ln.Close()
	<-s.accepting
	s.each(func(c *conn) {
		if c.state.CompareAndSwap(idle, ended) {
			c.raw.Close()
		}
	})
	s.checkEmpty()
	defer func() { s.set.Load().certs.Close() }()

	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	cut := s.each(func(c *conn) { c.abort(exchange.ErrDraining) })
	s.log.Warn("drain time is over, telling the remaining clients", "connections", cut)
	if s.wait(s.set.Load().limits.Farewell) {
		return fmt.Errorf("listener %s: %d exchanges were cut by the drain limit", s.name, cut)
	}
	left := s.each(func(c *conn) { c.raw.Close() })
	if s.wait(s.set.Load().limits.Farewell) {
		return fmt.Errorf("listener %s: %d exchanges were cut by the drain limit, %d without a word", s.name, cut, left)
	}
	return fmt.Errorf("listener %s: %d exchanges do not end", s.name, left)
}

// wait waits until all connections ended, at most d, and reports whether they did.
func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.empty:
		return true
	case <-t.C:
		return false
	}
}

// each calls f with every connection and returns their number.
func (s *Server) each(f func(*conn)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
	return len(s.conns)
}

func (s *Server) checkEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}
