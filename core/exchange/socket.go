package exchange

import (
	"io"
	"time"
)

// WebSocket is the protocol that a client may ask to go on in.
const WebSocket = "websocket"

// Socket is one side of a conversation of messages (RFC 6455) whose handshake is done. One goroutine reads and one
// writes; WriteControl and Close may be called beside them. Errors of a side that has closed are
// *websocket.CloseError.
type Socket interface {
	SocketReader
	SocketWriter
	io.Closer
}

// SocketReader is what a side says.
type SocketReader interface {
	// NextReader waits for the next message and answers pings on the way.
	NextReader() (kind int, r io.Reader, err error)
	SetReadDeadline(time.Time) error
	SetReadLimit(bytes int64) // of a message
	SetPongHandler(func(data string) error)
}

// SocketWriter is what it is told.
type SocketWriter interface {
	NextWriter(kind int) (io.WriteCloser, error)
	WriteControl(kind int, data []byte, deadline time.Time) error
	SetWriteDeadline(time.Time) error
}
