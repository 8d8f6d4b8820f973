package plugin

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// backlog is how many connections may wait to be accepted.
const backlog = 1024

// Versions are those that this package speaks, the oldest first.
var Versions = [...]int{Version1, Version2, Version3}

// PeerPID returns the process at the other end of a unix socket: for one that was accepted, the
// process that connected; for one that was dialled, the process that called listen.
func PeerPID(c net.Conn) (int, error) {
	pid, _, err := Peer(c)
	return pid, err
}

// Peer returns the process at the other end of a unix socket and its user, as PeerPID does. The pid is 0 for one that
// this process's namespace of processes does not have.
func Peer(c net.Conn) (pid, uid int, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, 0, errors.New("peer pid: not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, 0, fmt.Errorf("peer pid: %w", err)
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil {
		err = cerr
	}
	if err != nil {
		return 0, 0, fmt.Errorf("peer pid: %w", err)
	}
	return int(cred.Pid), int(cred.Uid), nil
}

// PeerGone reports whether the process at the other end of a unix socket is known to have ended, so that its pid may be
// another's: Linux knows as of 6.5.
func PeerGone(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	process := -1
	if cerr := raw.Control(func(fd uintptr) {
		process, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	}); cerr != nil || err == unix.ENOPROTOOPT || err == unix.ENODATA {
		return false
	}
	if err != nil {
		return true // an older kernel than 6.16 has no descriptor of one that has been waited for
	}
	defer unix.Close(process)
	return unix.PidfdSendSignal(process, 0, nil, 0) == unix.ESRCH
}

// Listener returns the listener that the host handed over, or nil where it handed over none.
func Listener() (net.Listener, error) {
	f := inherited(EnvListener)
	if f == nil {
		return nil, nil
	}
	defer f.Close()
	return Listen(f)
}

// Listen listens on a bound socket, as this process.
func Listen(f *os.File) (net.Listener, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), backlog) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is the host's
	}
	return l, nil
}

// Bind returns a unix socket that is bound to path and that nobody listens on.
func Bind(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", path, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func closeOnExec(fd int) { unix.CloseOnExec(fd) }
