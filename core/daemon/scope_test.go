package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestAScopeClosesItsProcessesSideBySide: each waits for another, so that one after the other they would not end.
func TestAScopeClosesItsProcessesSideBySide(t *testing.T) {
	const n = 50
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := newPool((*Scope).Beside, func(ctx context.Context, meet chan struct{}) error {
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	})
	var s Scope
	rooms := make([]chan struct{}, n/2) // two processes meet in each
	for i := range n {
		if i < n/2 {
			rooms[i] = make(chan struct{})
		}
		if _, err := p.take(ctx, &s, string(rune('a'+i)), func(context.Context) (chan struct{}, error) { return rooms[i%(n/2)], nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestAScopeClosesInReverse what one thing may need of another, behind the processes.
func TestAScopeClosesInReverse(t *testing.T) {
	var s Scope
	var order []string
	bad := errors.New("bad")
	add := func(name string, err error) func(context.Context) error {
		return func(context.Context) error {
			order = append(order, name)
			return err
		}
	}
	s.Defer(add("module", nil))
	s.Beside(add("process", bad))
	s.Defer(add("filter", nil))
	if err := s.Close(t.Context()); !errors.Is(err, bad) || !slices.Equal(order, []string{"process", "filter", "module"}) {
		t.Errorf("%v, %v", order, err)
	}
	if err := s.Close(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("closed again: %v, %v", order, err)
	}
}
