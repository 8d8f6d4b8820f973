package egress

import (
	"context"
	"errors"
	"io"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Kind says what part of a call failed.
type Kind uint8

// The kinds.
const (
	Connect   Kind = iota + 1 // no connection, or not in time, or not the right peer
	Write                     // the request could not be written in time
	FirstByte                 // the answer's head did not come in time
	Idle                      // the body stalled
	Total                     // the whole took too long
	Reset                     // the connection broke
	Cut                       // the connection ended before the answer did
	Protocol                  // the answer is no HTTP/1.1, or more than a limit
	Cancelled                 // the call's context ended
	Local                     // what was to be sent could not be read
)

var kinds = [...]string{Connect: "connect", Write: "write", FirstByte: "first byte", Idle: "idle", Total: "total",
	Reset: "reset", Cut: "cut", Protocol: "protocol", Cancelled: "cancelled", Local: "local"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kinds) && kinds[k] != "" {
		return kinds[k]
	}
	return "unknown"
}

// Error is a call that failed. Its text names addresses: it is for the log, not for the client.
type Error struct {
	Kind  Kind
	Began bool // bytes of the answer had come
	Sent  bool // the request had been sent whole, and no head of an answer had come
	Err   error
}

func (e *Error) Error() string { return e.Kind.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Code returns what the failure means to whoever may try again. A call whose context ended has the code of its
// cause, where that has one; one to an address that the configuration does not allow is the operator's to mend.
func (e *Error) Code() llm.Code {
	switch e.Kind {
	case Connect:
		if errors.Is(e.Err, ErrAddress) {
			return llm.CodeInternal
		}
		return llm.CodeUnavailable
	case Write, FirstByte, Idle, Total:
		return llm.CodeTimeout
	case Reset, Cut:
		if e.Began {
			return llm.CodeCut
		}
		return llm.CodeUnavailable
	case Protocol:
		return llm.CodeUpstream
	case Cancelled:
		if errors.Is(e.Err, context.DeadlineExceeded) {
			return llm.CodeTimeout
		}
		var coded interface{ Code() llm.Code }
		if errors.As(e.Err, &coded) {
			return coded.Code()
		}
	}
	return llm.CodeInternal
}

// Public returns the failure as a client may see it: no address, no library's words.
func (e *Error) Public() *llm.Error {
	message := "the upstream could not be reached"
	switch e.Code() {
	case llm.CodeInternal:
		if e.Kind == Connect {
			message = "the gateway's configuration does not let it reach the upstream"
		}
	case llm.CodeTimeout:
		message = "the upstream did not answer in time"
	case llm.CodeUpstream:
		message = "the upstream's answer could not be read"
	case llm.CodeCut:
		message = "the upstream's answer broke off"
	}
	return &llm.Error{Code: e.Code(), Message: message}
}

func cancelled(ctx context.Context) *Error {
	return &Error{Kind: Cancelled, Err: context.Cause(ctx)}
}

func protocol(text string) *Error {
	return &Error{Kind: Protocol, Began: true, Err: errors.New(text)}
}

// broken sorts the error of a read or a write that was no timeout.
func broken(err error, began bool) *Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Kind: Cut, Began: began, Err: io.ErrUnexpectedEOF}
	}
	return &Error{Kind: Reset, Began: began, Err: err}
}

// died reports whether a connection ended before one byte of an answer came.
func died(err error) bool {
	var e *Error
	return errors.As(err, &e) && !e.Began && (e.Kind == Reset || e.Kind == Cut)
}
