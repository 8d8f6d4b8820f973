package exchange

import "errors"

// The causes with which the server ends an exchange's context; context.Cause returns them.
var (
	// ErrClientGone says that the client left: nobody reads the answer any more.
	ErrClientGone = errors.New("the client left")
	// ErrDraining says that the daemon or the generation ends and the exchange had its time: what
	// is still to be said is an error in the client's dialect, soon.
	ErrDraining = errors.New("the gateway is shutting down")
	// ErrWriteTimeout says that the client did not read the answer for too long.
	ErrWriteTimeout = errors.New("the client reads too slowly")
)
