package exchange

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// TestWhatWaitsForTheEnd: each function is called once when the exchange is cancelled, unless it was stopped before, and
// contexts derived from the exchange's end with its cause.
func TestWhatWaitsForTheEnd(t *testing.T) {
	for name, under := range map[string]func(*testing.T) context.Context{
		"nothing": func(*testing.T) context.Context { return context.Background() }, "another": (*testing.T).Context,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := New(under(t))
				after := x.Context().(interface {
					AfterFunc(func()) func() bool
				}).AfterFunc
				var mu sync.Mutex
				calls := map[string]int{}
				count := func(name string) func() { return func() { mu.Lock(); defer mu.Unlock(); calls[name]++ } }
				stopped := after(count("stopped"))
				for _, name := range []string{"a", "b", "c"} { // more than there is memory for
					after(count(name))
				}
				if !stopped() || stopped() {
					t.Error("it can be stopped once")
				}
				child, stop := context.WithCancel(x.Context())
				defer stop()
				cause := errors.New("the cause")
				x.Cancel(cause)
				x.Cancel(errors.New("another"))
				late := after(count("late"))
				synctest.Wait()
				if late() {
					t.Error("it was called already")
				}
				mu.Lock()
				defer mu.Unlock()
				for name, want := range map[string]int{"stopped": 0, "a": 1, "b": 1, "c": 1, "late": 1} {
					if calls[name] != want {
						t.Errorf("%s: called %d times", name, calls[name])
					}
				}
				if context.Cause(child) != cause || context.Cause(x.Context()) != cause {
					t.Errorf("%v, %v", context.Cause(child), context.Cause(x.Context()))
				}
			})
		})
	}
}

// TestAnExchangeEndsWithWhatItIsUnder: what waits for it is called then too.
func TestAnExchangeEndsWithWhatItIsUnder(t *testing.T) {
	parent, end := context.WithCancel(context.Background())
	x, called := New(parent), make(chan struct{})
	defer x.Cancel(nil)
	x.life.AfterFunc(func() { close(called) })
	end()
	<-called
}
