package rediscall

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"
)

// conn is a connection that is ready for commands.
type conn struct {
	net.Conn
	in   *bufio.Reader
	used time.Time
}

// conn returns a connection that was used before and is alive, or a new one.
func (c *Client) conn(ctx context.Context) (*conn, error) {
	for {
		found := c.take()
		if found == nil {
			return c.dial(ctx)
		}
		if unused := time.Since(found.used); unused < checkAfter {
			return found, nil
		} else if unused < idleExpiry {
			if answer, err := found.call(ctx, appendCommand(nil, "PING"), 1); err == nil && string(answer) == "+PONG\r\n" {
				return found, nil
			}
		}
		found.Close()
	}
}

// take returns the connection that was used last, or nil.
func (c *Client) take() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 {
		return nil
	}
	found := c.idle[n-1]
	c.idle = c.idle[:n-1]
	return found
}

// put gives a connection back, and closes those that were not used for long.
func (c *Client) put(back *conn) {
	back.used = time.Now()
	c.mu.Lock()
	old := 0
	for old < len(c.idle) && time.Since(c.idle[old].used) > idleExpiry {
		old++
	}
	expired := append([]*conn(nil), c.idle[:old]...)
	c.idle = append(c.idle[:0], c.idle[old:]...)
	if c.closed {
		expired = append(expired, back)
	} else {
		c.idle = append(c.idle, back)
	}
	c.mu.Unlock()
	for _, e := range expired {
		e.Close()
	}
}

// dial opens a connection and introduces the client.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	raw, err := c.origin.Dial(ctx)
	if err != nil {
		return nil, err
	}
	fresh := &conn{Conn: raw, in: bufio.NewReaderSize(raw, maxLine)}
	var hello [][]string
	switch {
	case c.User != "":
		hello = append(hello, []string{"AUTH", c.User, c.Password})
	case c.Password != "":
		hello = append(hello, []string{"AUTH", c.Password})
	}
	if c.DB != 0 {
		hello = append(hello, []string{"SELECT", strconv.Itoa(c.DB)})
	}
	for _, words := range hello {
		answer, err := fresh.call(ctx, appendCommand(nil, words...), 1)
		if err == nil && string(answer) != "+OK\r\n" {
			err = errors.New("the server refuses " + words[0])
		}
		if err != nil {
			raw.Close()
			return nil, err
		}
	}
	return fresh, nil
}

// call sends a query and reads n replies. After an error the connection is not used again.
func (c *conn) call(ctx context.Context, query []byte, n int) (replies []byte, err error) {
	by, _ := ctx.Deadline()
	if err := c.SetDeadline(by); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer func() {
		if !stop() || ctx.Err() != nil {
			replies, err = nil, context.Cause(ctx)
		} else if errors.Is(err, os.ErrDeadlineExceeded) { // the context's own, a moment earlier
			err = context.DeadlineExceeded
		}
	}()
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	for range n {
		if replies, err = reply(c.in, replies, 0); err != nil {
			return nil, err
		}
	}
	if c.in.Buffered() > 0 {
		return nil, errReply
	}
	return replies, nil
}
