//go:build !linux

package plugin

import (
	"errors"
	"net"
	"os"
)

var errUnsupported = errors.New("plugins that are invoked need Linux")

// Versions are those that this package speaks here, the oldest first.
var Versions = [...]int{Version1, Version2}

// PeerPID is known on Linux only.
func PeerPID(net.Conn) (int, error) { return 0, errUnsupported }

// Peer is known on Linux only.
func Peer(net.Conn) (pid, uid int, err error) { return 0, 0, errUnsupported }

// PeerGone is known on Linux only.
func PeerGone(net.Conn) bool { return false }

// Listener is handed over on Linux only.
func Listener() (net.Listener, error) { return nil, errUnsupported }

// Listen works on Linux only.
func Listen(*os.File) (net.Listener, error) { return nil, errUnsupported }

// Bind works on Linux only.
func Bind(string) (*os.File, error) { return nil, errUnsupported }

func closeOnExec(int) {}
