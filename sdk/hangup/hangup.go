// Package hangup tells when the peer of an accepted connection has closed its side, while nobody
// reads from it.
//
// A server that waits for an upstream does not read from its client, so it does not see the client
// leave, and the upstream goes on working for nobody. This package costs one system call per
// connection and nothing per request. It reads no bytes, so TLS and pipelined requests do not hide
// the end of a connection from it. Where the system cannot do it, Supported says so.
package hangup

import "errors"

// ErrUnsupported is the error of a connection or a system that cannot be watched.
var ErrUnsupported = errors.New("connection cannot be watched for hang-ups")

// Peer is told, once, that the other side of its connection is gone. HungUp is called on the
// watcher's goroutine and must not wait.
type Peer interface{ HungUp() }
