package server_test

import (
	"bufio"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
)

// TestAStalledUploadEndsWithItsExchange: its body is waited for no longer, and its client is told why.
func TestAStalledUploadEndsWithItsExchange(t *testing.T) {
	got := make(chan context.CancelCauseFunc, 1)
	h := newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		got <- x.Cancel
		if x.Receive() == nil {
			t.Error("a body of which not all has come was received")
		}
		return &exchange.Reply{Status: 503, Body: []byte("later")}
	})
	f := filesIn(t.TempDir())
	s := start(t, h, func(c *server.Config) {
		c.Spool, c.Limits.BodyTimeout, c.Limits.Farewell = f.create, time.Hour, patience
	})
	upload := formHead + "Content-Length: 3000000\r\n\r\n" + formOf(2 << 20)[:2<<20]
	told := func(end func(context.CancelCauseFunc)) {
		c := dial(t, s)
		c.SetReadDeadline(time.Now().Add(patience))
		send(t, c, upload)
		end(<-got)
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 503 {
			t.Errorf("%v, %v", r, err)
		}
	}
	told(func(cancel context.CancelCauseFunc) { cancel(exchange.ErrDraining) })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var done chan error
	told(func(context.CancelCauseFunc) { done = drain(s, ctx) })
	wait(t, done)
}
