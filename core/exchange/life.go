package exchange

import (
	"context"
	"sync"
)

// life is the context of an exchange. What waits for its end has its place in the exchange's own memory, where the
// standard library's AfterFunc makes five pieces of it: each call of an upstream waits so.
type life struct {
	context.Context
	cancel    context.CancelCauseFunc
	dependent bool // another context may end it too

	mu      sync.Mutex
	over    bool
	last    int
	waiting []waiter
	room    [2]waiter
}

// waiter is a function that waits for the end.
type waiter struct {
	id int
	f  func()
}

// begin makes the context, under another one.
func (l *life) begin(under context.Context) {
	l.Context, l.cancel = context.WithCancelCause(under)
	l.dependent = under.Done() != nil
	l.waiting = l.room[:0]
}

// end ends the context, at the first call.
func (l *life) end(cause error) {
	l.cancel(cause)
	l.mu.Lock()
	waiting := l.waiting
	l.over, l.waiting = true, nil
	l.mu.Unlock()
	for _, w := range waiting {
		go w.f()
	}
}

// AfterFunc is context.AfterFunc, which other packages look for: f is called on a goroutine of its own when the context
// has ended, unless stop, which reports whether it was in time, is called before.
func (l *life) AfterFunc(f func()) (stop func() bool) {
	if l.dependent {
		return context.AfterFunc(l.Context, f)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		go f()
		return tooLate
	}
	l.last++
	id := l.last
	l.waiting = append(l.waiting, waiter{id, f})
	return func() bool { return l.forget(id) }
}

func tooLate() bool { return false }

// forget reports whether a function still waited.
func (l *life) forget(id int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.waiting {
		if l.waiting[i].id == id {
			last := len(l.waiting) - 1
			l.waiting[i], l.waiting[last] = l.waiting[last], waiter{}
			l.waiting = l.waiting[:last]
			return true
		}
	}
	return false
}
