package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// callerKey is the key of whether a connection to the control socket comes from a plugin.
type callerKey struct{}

// operators serves the control socket to everybody but the daemon's own plugins: they run as its user, and a
// path's mode does not keep them from connecting.
func (d *Daemon) operators(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pid, _ := r.Context().Value(callerKey{}).(int); pid != 0 {
			d.log.Warn("a plugin called the control socket and was refused", "pid", pid)
			answer(w, nil, errPlugin)
			return
		}
		h.ServeHTTP(w, r)
	})
}

var errPlugin = errors.New("the control socket is not for plugins, nor for other processes that run with no_new_privs where the daemon does not")

// caller notes the pid of a connection that comes from a plugin.
func caller(ctx context.Context, c net.Conn) context.Context {
	if pid, uid, err := plugin.Peer(c); err == nil && (ours(pid, uid) || near(pid, uid) && plugin.PeerGone(c)) {
		return context.WithValue(ctx, callerKey{}, pid)
	}
	return ctx
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
