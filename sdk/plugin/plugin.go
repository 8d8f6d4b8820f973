// Package plugin is what the two ends of a plugin's process share: the handshake and the version of
// the protocol, errors on their way through gRPC, the descriptors that the host hands over, and the
// identity of the process at the other end of a unix socket.
//
// The contracts that a plugin implements are packages provider and telemetry, whose Serve is all
// that a plugin needs; this package is for them and for the host.
package plugin

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
	"unicode"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
)

// The versions of the protocol. A host and a plugin agree on the newest that both know; a version's
// messages only grow.
//
//  1. the first
//  2. a provider that is invoked is told the base_url of its block
//  3. the control connection has no TLS: each end looks which process is at the other
const (
	Version1 = 1
	Version2 = 2
	Version3 = 3
)

// Sets returns the plugins of each version, for go-plugin's negotiation.
func Sets(set goplugin.PluginSet) map[int]goplugin.PluginSet {
	all := make(map[int]goplugin.PluginSet, len(Versions))
	for _, v := range Versions {
		all[v] = set
	}
	return all
}

// The names under which the kinds of plugin are dispensed.
const (
	KindProvider = "provider"
	KindSink     = "sink"
)

// The environment that the host sets besides go-plugin's own.
const (
	// EnvListener holds the number of a descriptor: a unix socket that is bound in a directory only
	// the host can enter and that nobody listens on yet. The plugin calls listen on it, which makes
	// its own pid the one that the host sees at the other end.
	EnvListener = "GINNEL_LISTENER_FD"
	// EnvLifeline holds the number of a descriptor that reports its end when the host is gone.
	EnvLifeline = "GINNEL_LIFELINE_FD"
)

// MaxMessage bounds a message of the protocol, in bytes.
const MaxMessage = 64 << 20

// maxSaid bounds what is kept of a text that a plugin says for people, in bytes.
const maxSaid = 1 << 10

// Handshake returns the one handshake of every plugin. It is no security: it keeps a plugin that is
// started by hand from waiting for a host.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{
		MagicCookieKey:   "GINNEL_PLUGIN",
		MagicCookieValue: "7d1fd1d0-ginnel-plugin-protocol",
	}
}

// Status returns err as an error of gRPC that FromStatus turns back into an *llm.Error where it is
// one. nil stays nil.
func Status(err error) error {
	if err == nil {
		return nil
	}
	var e *llm.Error
	if !errors.As(err, &e) {
		if s, ok := status.FromError(err); ok {
			return s.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return status.Error(codes.DeadlineExceeded, err.Error())
		}
		return status.Error(codes.Unknown, err.Error())
	}
	detail := &pluginv1.Error{Code: string(e.Code), Status: int32(e.Status), RetryAfterMs: e.RetryAfter.Milliseconds(), Message: e.Message}
	s, derr := status.New(codes.Aborted, e.Message).WithDetails(detail)
	if derr != nil {
		return status.Error(codes.Aborted, e.Message)
	}
	return s.Err()
}

// FromStatus returns what a plugin meant by an error of gRPC, always an *llm.Error: its own where it
// sent one; else CodeUnavailable for a process that cannot be reached, CodeTimeout for one that did
// not answer in time, and CodeInternal. nil stays nil.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		if e, ok := d.(*pluginv1.Error); ok {
			return &llm.Error{
				Code: llm.Code(e.GetCode()), Status: int(e.GetStatus()), Message: Said(e.GetMessage()),
				RetryAfter: time.Duration(e.GetRetryAfterMs()) * time.Millisecond,
			}
		}
	}
	code := llm.CodeInternal
	switch s.Code() {
	case codes.Unavailable:
		code = llm.CodeUnavailable
	case codes.DeadlineExceeded, codes.Canceled:
		code = llm.CodeTimeout
	}
	return &llm.Error{Code: code, Message: Said(s.Message())}
}

// Said returns what a plugin said as it can be shown: one line of what is printed, at most a kilobyte of it.
func Said(text string) string {
	if len(text) > maxSaid {
		text = text[:maxSaid] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, text)
}

// Unimplemented reports whether a plugin does not have the method that was called.
func Unimplemented(err error) bool { return status.Code(err) == codes.Unimplemented }

// ErrUnimplemented is what a plugin's side of the protocol answers for an ability that it lacks.
func ErrUnimplemented() error { return status.Error(codes.Unimplemented, "the plugin cannot do this") }

// inherited returns the file of a descriptor that the environment names, or nil. The process's own children do not
// inherit it.
func inherited(env string) *os.File {
	n := 0
	text := os.Getenv(env)
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > 1<<16 {
			return nil
		}
		n = n*10 + int(c-'0')
	}
	if n < 3 {
		return nil
	}
	closeOnExec(n)
	return os.NewFile(uintptr(n), env)
}
