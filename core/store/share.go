package store

import "sync"

// A commit waits for the disk. Of writes that come while one is committed, the first waits its turn and takes the others
// along.

// shared is what Share gathers.
type shared struct {
	mu   sync.Mutex // protects next
	next *gathering // nil = the next one to come leads another
	turn sync.Mutex // of who commits
}

// gathering is what is written in one transaction.
type gathering struct {
	writes []func(*Tx) error
	done   chan struct{} // closed when err is known
	err    error
}

// Share is Update for writes of which there may be many at a time: they share a transaction. Where one of them fails, so
// do all that it was with.
func (s *Store) Share(fn func(*Tx) error) error {
	g, leads := s.shared.join(fn)
	if !leads {
		<-g.done
		return g.err
	}
	s.shared.turn.Lock()
	defer s.shared.turn.Unlock()
	writes := s.shared.take()
	g.err = s.Update(func(tx *Tx) error {
		for _, write := range writes {
			if err := write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	close(g.done)
	return g.err
}

// join adds a write to the next transaction, and reports whether its caller is the one to commit that.
func (s *shared) join(fn func(*Tx) error) (g *gathering, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leads = s.next == nil; leads {
		s.next = &gathering{done: make(chan struct{})}
	}
	s.next.writes = append(s.next.writes, fn)
	return s.next, leads
}

// take returns the writes that have come; those that come from now on are another transaction's.
func (s *shared) take() []func(*Tx) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.next
	s.next = nil
	return g.writes
}
