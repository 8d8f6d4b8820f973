package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// refusedEvery is how often refused calls are logged: a plugin could fill the log with them.
const refusedEvery = time.Minute

// operators serves the control socket to root and the daemon's user, but not to the daemon's own plugins: they run as its
// user, and a path's mode does not keep them from connecting. Nor is it relied on for others.
type operators struct {
	http.Handler
	log *slog.Logger

	mu      sync.Mutex // protects what follows
	refused int        // calls that no line of the log has
	told    time.Time  // when the last line was written
}

var errUser = errors.New("the control socket is for root and the daemon's user only")

var errPlugin = errors.New("the control socket is not for plugins, nor for other processes that run with no_new_privs where the daemon does not")

// ServeHTTP implements http.Handler. Who is refused has to connect again.
func (o *operators) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(incomingKey{}).(*incoming)
	if c.stranger == nil {
		o.Handler.ServeHTTP(w, r)
		return
	}
	if n := o.refuse(time.Now()); n > 0 {
		o.log.Warn("a process called the control socket and was refused", "pid", c.stranger.pid, "uid", c.stranger.uid, "calls", n, "error", c.stranger.why)
	}
	w.Header().Set("Connection", "close")
	answer(w, nil, c.stranger.why)
}

// refuse counts a refused call, and returns how many there were where it is time to say it.
func (o *operators) refuse(now time.Time) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused++
	if now.Sub(o.told) < refusedEvery {
		return 0
	}
	n, o.refused, o.told = o.refused, 0, now
	return n
}

// callers is the listener of the control socket.
type callers struct{ net.Listener }

// Accept returns a connection that knows who is at its other end.
func (l callers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &incoming{Conn: c}, nil
}

// incoming is a connection to the control socket. Who is there is looked up before the first read, which whoever serves it does
// as soon as it was accepted: so nobody else waits for that, and the caller has no time to have another in its place.
type incoming struct {
	net.Conn
	once     sync.Once
	stranger *stranger // that has connected; nil = it is none. Valid after the first read
}

// stranger is a process that the control socket is not for.
type stranger struct {
	pid, uid int
	why      error
}

// Read implements net.Conn.
func (c *incoming) Read(p []byte) (int, error) {
	c.once.Do(func() { c.stranger = caller(c.Conn) })
	return c.Conn.Read(p)
}

// incomingKey is the key of a connection in the contexts of its requests.
type incomingKey struct{}

// withIncoming notes the connection that requests come by.
func withIncoming(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, incomingKey{}, c)
}

// caller returns the stranger from whom a connection comes, or nil.
func caller(c net.Conn) *stranger {
	pid, uid, err := plugin.Peer(c)
	switch {
	case err != nil: // on a system that does not tell
		return nil
	case uid != 0 && uid != os.Geteuid():
		return &stranger{pid, uid, errUser}
	case ours(pid, uid) || near(pid, uid) && plugin.PeerGone(c):
		return &stranger{pid, uid, errPlugin}
	}
	return nil
}

// ours reports whether a process is a plugin's: it descends from this one, or it can gain no privileges or do less
// than this one can, as whatever a plugin starts. One that has connected and is gone may have been: its socket may be
// another's by now.
func ours(pid, uid int) bool {
	if !near(pid, uid) {
		return false
	}
	peer, self := processStatus(pid), processStatus(os.Getpid())
	if peer == nil {
		return self != nil
	}
	return less(peer, self) || descends(pid, os.Getpid(), processStatus)
}

// near reports whether a process is among the processes and the user of this one, as plugins are.
func near(pid, uid int) bool { return pid != 0 && uid == os.Geteuid() }

// descends reports whether a process is a descendant of another. Those whose parent has ended have become its children,
// since it is the first process of its namespace or adopts them (see package pluginhost). Where nothing is certain, as while
// processes come and go, it is one.
func descends(pid, from int, status func(pid int) map[string]string) bool {
	for range 16 {
		if is, sure := climbs(pid, from, status); sure {
			return is
		}
	}
	return true
}

// climbs is one attempt to find a process among the ancestors of another.
func climbs(pid, from int, status func(pid int) map[string]string) (is, sure bool) {
	at := status(pid)
	if at == nil {
		return true, true // it has ended, and may have been one
	}
	for range 1 << 12 {
		parent, err := strconv.Atoi(at["PPid"])
		if err != nil || parent == 0 {
			return false, true
		}
		if parent == from || parent == 1 {
			return parent == from, true
		}
		up := status(parent)
		if up == nil { // it has ended, or is hidden, as those of other users can be
			now := status(pid)
			return false, now != nil && now["PPid"] == at["PPid"]
		}
		pid, at = parent, up
	}
	return true, true
}

// less reports whether a process can gain no privileges and is kept from more than this one.
func less(peer, self map[string]string) bool {
	return peer["NoNewPrivs"] == "1" && (self["NoNewPrivs"] == "0" || filters(peer) > filters(self))
}

// filters returns how many filters of system calls a process has.
func filters(status map[string]string) int {
	n, _ := strconv.Atoi(status["Seccomp_filters"])
	return n
}

// processStatus returns what /proc says about a process, or nil.
func processStatus(pid int) map[string]string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	out := make(map[string]string)
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}
