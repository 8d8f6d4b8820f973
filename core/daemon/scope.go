package daemon

import (
	"context"
	"errors"
	"sync"
)

// Scope owns what was opened for one generation and closes it in reverse order. Use it by pointer;
// it is safe for concurrent use, and Close may be called more than once.
type Scope struct {
	mu    sync.Mutex
	close []func(context.Context) error
}

// Defer adds something to close.
func (s *Scope) Defer(close func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close = append(s.close, close)
}

// Close closes everything, the last first, and returns all errors.
func (s *Scope) Close(ctx context.Context) error {
	s.mu.Lock()
	all := s.close
	s.close = nil
	s.mu.Unlock()
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		errs = append(errs, all[i](ctx))
	}
	return errors.Join(errs...)
}
