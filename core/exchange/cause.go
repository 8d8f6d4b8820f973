package exchange

import (
	"errors"

	"github.com/ginnel/ginnel/sdk/llm"
)

// The causes with which the server ends an exchange's context; context.Cause returns them.
var (
	// ErrClientGone says that the client left: nobody reads the answer any more.
	ErrClientGone = errors.New("the client left")
	// ErrDraining says that the daemon or the generation ends and the exchange had its time: what
	// is still to be said is an error in the client's dialect, soon.
	ErrDraining error = draining{}
	// ErrWriteTimeout says that the client did not read the answer for too long.
	ErrWriteTimeout = errors.New("the client reads too slowly")
)

// draining tells package egress what it means to whoever may try again.
type draining struct{}

func (draining) Error() string  { return "the gateway is shutting down" }
func (draining) Code() llm.Code { return llm.CodeDraining }
