package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// ending is a context that ends at the second look, and whose functions are not called yet.
type ending struct {
	context.Context
	looks int
}

func (*ending) Done() <-chan struct{} { return nil }

func (e *ending) Err() error {
	if e.looks++; e.looks > 1 {
		return context.Canceled
	}
	return nil
}

// TestABodyNobodyWaitsForIsNotLate: an exchange that has ended is not told that its body came too slowly, whatever is
// noticed first.
func TestABodyNobodyWaitsForIsNotLate(t *testing.T) {
	s, set := &Server{log: slog.New(slog.DiscardHandler)}, &settings{limits: Limits{}.withDefaults()}
	s.set.Store(set)
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
	go io.WriteString(there, head)
	c := newConn(s, set, here)
	if n, err := io.ReadFull(c, make([]byte, len(head))); err != nil {
		t.Fatal(n, err)
	}
	x := c.begin(c.in.Head(), exchange.Body{})
	defer x.Cancel(nil)
	c.now.ctx = &ending{Context: x.Context()}
	var e *llm.Error
	if err := c.receiveLate(x, c.in.Head()); !errors.As(err, &e) || e.Status != 503 {
		t.Errorf("%+v", err)
	}
}
