package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestOnce: what is to be sent once is, though the connection that it could have had served before, and dies under it.
func TestOnce(t *testing.T) {
	for once, want := range map[bool]int32{false: 3, true: 2} {
		var requests atomic.Int32
		o := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
			for {
				if _, err := readRequest(r); err != nil || requests.Add(1) == 2 {
					return
				}
				io.WriteString(c, ok)
			}
		}).origin(t)
		if _, _, err := call(context.Background(), o, post("{}")); err != nil {
			t.Fatal(err)
		}
		r := post("{}")
		r.Once = once
		_, _, err := call(context.Background(), o, r)
		if n := requests.Load(); n != want || (err != nil) != once {
			t.Errorf("once %t: %d requests, %v", once, n, err)
		}
		if s := o.Stats(); s.Dials != 2 || s.Replayed != int64(want-2) {
			t.Errorf("once %t: %+v", once, s)
		}
	}
}

// TestWhetherItWasSent is told of a call that has no answer.
func TestWhetherItWasSent(t *testing.T) {
	dies := func(_ int, _ net.Conn, r *bufio.Reader) { readRequest(r) }
	silent, _ := silentAfter(t, "")
	half, _ := silentAfter(t, "HTTP/1.1 200 OK\r\n")
	gone := answering(t, ok, false)
	for name, c := range map[string]struct {
		origin *Origin
		sent   bool
	}{
		"it dies":         {serve(t, "tcp", dies).origin(t), true},
		"nothing comes":   {silent.origin(t, within(Timeouts{FirstByte: 30 * time.Millisecond})), true},
		"half a head":     {half.origin(t, within(Timeouts{FirstByte: 30 * time.Millisecond})), true},
		"no connection":   {gone.origin(t), false},
		"it is not taken": {serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) { r.ReadByte() }).origin(t), false},
	} {
		r := post("{}")
		switch name {
		case "no connection":
			gone.Close()
		case "it is not taken":
			r.Body = make([]byte, 64<<20)
		}
		_, _, err := call(context.Background(), c.origin, r)
		var e *Error
		if !errors.As(err, &e) || e.Sent != c.sent {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
