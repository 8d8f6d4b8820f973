package hangup_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/hangup"
)

const deadline = 20 * time.Second

type peer chan time.Time

func (p peer) HungUp() { p <- time.Now() }

// pair returns both ends of a TCP connection.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func TestPeerIsToldOnce(t *testing.T) {
	if !hangup.Supported {
		t.Skip("no watcher on this system")
	}
	w, err := hangup.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for name, leave := range map[string]func(c *net.TCPConn){
		"close":            func(c *net.TCPConn) { c.Close() },
		"reset":            func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half close":       func(c *net.TCPConn) { c.CloseWrite() },
		"unread bytes":     func(c *net.TCPConn) { io.WriteString(c, "pipelined"); c.Close() },
		"many unread ones": func(c *net.TCPConn) { c.Write(make([]byte, 32<<10)); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			defer server.Close()
			p := make(peer, 2)
			id, err := w.Add(server, p)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Remove(id)
			begin := time.Now()
			leave(client)
			select {
			case at := <-p:
				t.Logf("told after %v", at.Sub(begin))
			case <-time.After(deadline):
				t.Fatal("not told")
			}
			if len(p) != 0 {
				t.Fatal("told twice")
			}
		})
	}
}

func TestRemovedPeerIsNotTold(t *testing.T) {
	if !hangup.Supported {
		t.Skip("no watcher on this system")
	}
	w, err := hangup.New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c1, s1 := pair(t)
	c2, s2 := pair(t)
	defer s1.Close()
	defer s2.Close()
	removed, kept := make(peer, 1), make(peer, 1)
	id, err := w.Add(s1, removed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(s2, kept); err != nil {
		t.Fatal(err)
	}
	w.Remove(id)
	c1.Close()
	c2.Close()
	select {
	case <-kept:
	case <-time.After(deadline):
		t.Fatal("not told")
	}
	if len(removed) != 0 {
		t.Fatal("told although removed")
	}
}

// TestManyLeaveAtOnce holds that no edge is lost while the watcher is busy.
func TestManyLeaveAtOnce(t *testing.T) {
	if !hangup.Supported {
		t.Skip("no watcher on this system")
	}
	before := runtime.NumGoroutine()
	w, err := hangup.New()
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	p := make(peer, n)
	var clients [n]*net.TCPConn
	for i := range clients {
		c, s := pair(t)
		defer s.Close()
		clients[i] = c
		if _, err := w.Add(s, p); err != nil {
			t.Fatal(err)
		}
	}
	for i := range clients {
		go clients[i].Close()
	}
	for i := range n {
		select {
		case <-p:
		case <-time.After(deadline):
			t.Fatalf("%d of %d told", i, n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(deadline); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func BenchmarkAddRemove(b *testing.B) {
	if !hangup.Supported {
		b.Skip("no watcher on this system")
	}
	w, err := hangup.New()
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c, s := pair(b)
		b.StartTimer()
		id, err := w.Add(s, nil)
		if err != nil {
			b.Fatal(err)
		}
		w.Remove(id)
		b.StopTimer()
		c.Close()
		s.Close()
		b.StartTimer()
	}
}
