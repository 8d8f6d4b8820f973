package daemon

import (
	"context"
	"errors"
	"sync"
)

// Scope owns what was opened for one generation: processes, which it closes first and side by side, and the rest, which it
// closes in reverse order. Use it by pointer; it is safe for concurrent use, and Close may be called more than once.
type Scope struct {
	mu     sync.Mutex
	beside []func(context.Context) error
	close  []func(context.Context) error
}

// Defer adds something to close.
func (s *Scope) Defer(close func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close = append(s.close, close)
}

// Beside adds something whose end is waited for, and that nothing else in the scope needs: all such end at the same time, so
// that many take no longer than one.
func (s *Scope) Beside(close func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beside = append(s.beside, close)
}

// Close closes everything and returns all errors.
func (s *Scope) Close(ctx context.Context) error {
	s.mu.Lock()
	beside, rest := s.beside, s.close
	s.beside, s.close = nil, nil
	s.mu.Unlock()
	errs := make([]error, len(beside))
	var wg sync.WaitGroup
	for i, close := range beside {
		wg.Go(func() { errs[i] = close(ctx) })
	}
	wg.Wait()
	for i := len(rest) - 1; i >= 0; i-- {
		errs = append(errs, rest[i](ctx))
	}
	return errors.Join(errs...)
}
