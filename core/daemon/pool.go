package daemon

import (
	"context"
	"sync"
)

// pool shares expensive things between generations: a plugin's process, a compiled module, a
// filter's instances. What two generations declare alike is opened once and closed when the last
// of them lets go.
type pool[V any] struct {
	mu      sync.Mutex
	entries map[string]*entry[V]
	own     func(*Scope, func(context.Context) error) // how a scope owns a value: Scope.Defer or Scope.Beside
	close   func(context.Context, V) error
}

type entry[V any] struct {
	refs  int
	ready chan struct{} // closed when value or err is set
	value V
	err   error
}

func newPool[V any](own func(*Scope, func(context.Context) error), close func(context.Context, V) error) *pool[V] {
	return &pool[V]{entries: make(map[string]*entry[V]), own: own, close: close}
}

// take returns the value under key, opened if nobody has it, and gives its use to the scope.
func (p *pool[V]) take(ctx context.Context, s *Scope, key string, open func(context.Context) (V, error)) (V, error) {
	p.mu.Lock()
	e, found := p.entries[key]
	if !found {
		e = &entry[V]{ready: make(chan struct{})}
		p.entries[key] = e
	}
	e.refs++
	p.mu.Unlock()
	if !found {
		e.value, e.err = open(ctx)
		close(e.ready)
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		p.release(context.WithoutCancel(ctx), key, e)
		var none V
		return none, ctx.Err()
	}
	if e.err != nil {
		p.release(ctx, key, e)
		return e.value, e.err
	}
	p.own(s, func(ctx context.Context) error { return p.release(ctx, key, e) })
	return e.value, nil
}

// release gives one use back and closes the value with the last one.
func (p *pool[V]) release(ctx context.Context, key string, e *entry[V]) error {
	p.mu.Lock()
	e.refs--
	last := e.refs == 0
	if last && p.entries[key] == e {
		delete(p.entries, key)
	}
	p.mu.Unlock()
	if !last {
		return nil
	}
	<-e.ready
	if e.err != nil {
		return nil
	}
	return p.close(ctx, e.value)
}

// each calls yield with every value that is open.
func (p *pool[V]) each(yield func(V)) {
	p.mu.Lock()
	var open []V
	for _, e := range p.entries {
		select {
		case <-e.ready:
			if e.err == nil {
				open = append(open, e.value)
			}
		default:
		}
	}
	p.mu.Unlock()
	for _, v := range open {
		yield(v)
	}
}
