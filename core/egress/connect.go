package egress

import (
	"context"
	"errors"
	"net"
	"time"
)

// Host returns what an origin's Host field says.
func (o *Origin) Host() string { return o.host }

// Connect makes a connection, with its TLS, for who speaks more than one call on it: a WebSocket. It is guarded as
// those of Do are, is not pooled, and has no time limits but that for the connecting. Errors are *Error; the caller
// closes the connection.
func (o *Origin) Connect(ctx context.Context) (net.Conn, error) {
	if o.proxy != nil && o.tls == nil {
		return nil, &Error{Kind: Connect, Err: errors.New("a proxy passes no WebSocket to an origin without TLS")}
	}
	c, err := o.connect(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	return connected{c.Conn, c}, nil
}

// connected is a connection that counts as open until it is closed.
type connected struct {
	net.Conn
	c *conn
}

func (c connected) Close() error {
	c.c.close()
	return nil
}
