package wasmhost

import (
	"context"
	"time"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// own stands for a tenant where a filter acts on its own behalf: in a tick. No tenant's name begins
// with a control character.
const own = "\x01"

// ticker calls a filter once in a period, outside of exchanges.
type ticker struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startTicker begins to tick; the first one comes after a period.
func (f *Filter) startTicker(period time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	f.ticker = &ticker{cancel, done}
	go func() {
		defer close(done)
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f.tick(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (t *ticker) stop() {
	t.cancel()
	<-t.done
}

// tick is one tick, with the pauses that follow it. Its instance serves no tenant: what it learns
// comes from no exchange.
func (f *Filter) tick(ctx context.Context) {
	if !f.breaker.allow(own, time.Now) {
		f.tally.reasons[reasonSuspended].Add(1)
		return
	}
	_, err := f.serve(ctx, own, &occasion{event: abi.Tick, tick: &kept{}})
	if err == nil {
		return
	}
	if _, left := err.(abandoned); !left {
		f.fail(own, "tick", "", err)
	}
}
