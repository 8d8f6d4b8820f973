package egress

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkPeer compares the pid behind a unix socket with the one that must answer.
func checkPeer(c syscall.RawConn, want int) error {
	var cred *unix.Ucred
	err := error(unix.EINVAL)
	if c != nil {
		if e := c.Control(func(fd uintptr) {
			cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		}); e != nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("peer of the socket: %w", err)
	}
	if want <= 0 || int(cred.Pid) != want {
		return fmt.Errorf("%w: pid %d, not %d", ErrPeer, cred.Pid, want)
	}
	return nil
}

// silent reports whether a socket is open and has nothing to read. What came unasked is as bad as
// the end: either way the connection is of no use.
func silent(fd uintptr) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == unix.EAGAIN
}
