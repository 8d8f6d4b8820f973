package exchange

import "strconv"

// Socket is one side of a WebSocket session. One goroutine receives and one sends; Close and Cut come from any.
type Socket interface {
	// Receive waits for a message; what it returns is valid until the next call. A close frame of the other side
	// is a *Goodbye; after an error there is no more.
	Receive() (text bool, message []byte, err error)
	// Send writes a message, and waits as long as the other side takes it.
	Send(text bool, message []byte) error
	// Close sends a close frame, as far as that is possible at once; nothing can be sent behind it.
	Close(code int, reason string)
	// Cut ends the connection under whoever receives or sends. It may be called more than once.
	Cut()
}

// The codes of close frames that the gateway itself says (RFC 6455, section 7.4.1).
const (
	CloseNormal   = 1000
	CloseAway     = 1001
	CloseNoStatus = 1005 // stands for a frame without a code
	ClosePolicy   = 1008
	CloseTooLarge = 1009
	CloseInternal = 1011
	CloseLater    = 1013
)

// Goodbye is a close frame.
type Goodbye struct {
	Code   int
	Reason string
}

func (g *Goodbye) Error() string {
	s := "closed with " + strconv.Itoa(g.Code)
	if g.Reason != "" {
		s += ": " + g.Reason
	}
	return s
}
