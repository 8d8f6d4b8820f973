// Package rediscall makes the Redis calls of filters: to the servers that the operator granted and to
// nothing else, by the same guard as every other call (egress.Reach), with bounds on time, size and number.
//
// The guest writes commands and reads replies itself, in RESP2, so both pass as they are; the package knows
// no more of them than where one ends. It knows no guest, no cluster of Redis servers and no sentinel.
// Source: the Redis serialization protocol specification.
package rediscall

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
)

// The bounds of calls.
const (
	MaxQuery    = 1 << 20
	MaxReply    = 1 << 20
	MaxCommands = 1024 // in one call
	MaxOpen     = 1024 // calls that all clients of one Servers have under way
	MaxTime     = 2 * time.Minute
	DefaultTime = time.Second

	maxConns   = 16 // of one client
	idleExpiry = 30 * time.Second
	checkAfter = time.Second // a connection unused for so long is asked for a sign of life first
	usualPort  = "6379"
)

// The errors of Client and Start.
var (
	ErrDenied   = errors.New("the server is not granted")
	ErrInvalid  = errors.New("the call is malformed")
	ErrTooLarge = errors.New("the call or its reply is too large")
	ErrLimit    = errors.New("too many calls")
)

// Servers are the places that one filter may call. It is safe for concurrent use.
type Servers struct {
	all map[string]*egress.Origin // by host:port

	mu     sync.Mutex // protects what follows
	open   int
	closed bool
	ctx    context.Context // ends with the servers
	cancel context.CancelFunc
	calls  sync.WaitGroup
}

// Open returns the servers named by urls, redis://host[:port] each, or rediss:// for TLS; reach says which
// addresses their names may lead to. It connects to none.
func Open(t *egress.Transport, urls []string, reach egress.Reach) (*Servers, error) {
	s := &Servers{all: make(map[string]*egress.Origin, len(urls))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is not redis://host[:port] or rediss://host[:port]", raw)
		}
		scheme := map[string]string{"redis": "http://", "rediss": "https://"}[u.Scheme] // what the transport calls plain and TLS
		origin, err := t.Origin(egress.Config{Name: raw, URL: scheme + Place(u), Reach: reach, MaxIdle: -1})
		if err != nil {
			return nil, err
		}
		s.all[Place(u)] = origin
	}
	return s, nil
}

// Place names a server the same way however its URL is written: host:port.
func Place(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = usualPort
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// Close ends all calls and waits for them. The clients are closed before.
func (s *Servers) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.calls.Wait()
	for _, origin := range s.all {
		origin.Close()
	}
}

// Open returns the number of calls that are under way.
func (s *Servers) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Settings are how a client speaks to a server.
type Settings struct {
	Place    string // of a granted server
	User     string // "" = the server's default user
	Password string // "" = none is sent
	DB       int
	Timeout  time.Duration // of one call, connecting included; 0 = DefaultTime, at most MaxTime
}

// Client has connections to one server, for calls under one name. It is safe for concurrent use.
type Client struct {
	Settings
	servers *Servers
	origin  *egress.Origin
	slots   chan struct{} // one for each connection that is in use

	mu     sync.Mutex // protects what follows
	idle   []*conn    // the longest unused first
	closed bool
}

// Client returns a client, or ErrDenied. It connects with its first call; the caller closes it.
func (s *Servers) Client(set Settings) (*Client, error) {
	origin := s.all[set.Place]
	if origin == nil {
		return nil, ErrDenied
	}
	if set.Timeout <= 0 {
		set.Timeout = DefaultTime
	}
	set.Timeout = min(set.Timeout, MaxTime)
	return &Client{Settings: set, servers: s, origin: origin, slots: make(chan struct{}, maxConns)}, nil
}

// Start makes a call and returns at once; done gets the replies, one behind the other, or why there are
// not all of them. The call ends when ctx or the servers do. The query is copied; the errors are the
// package's.
func (c *Client) Start(ctx context.Context, query []byte, done func(replies []byte, err error)) error {
	if len(query) > MaxQuery {
		return ErrTooLarge
	}
	n, err := commands(query)
	if err != nil {
		return err
	}
	if !c.servers.enter() {
		return ErrLimit
	}
	query = append([]byte(nil), query...)
	go func() {
		defer c.servers.leave()
		ctx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		defer context.AfterFunc(c.servers.ctx, cancel)()
		done(c.do(ctx, query, n))
	}()
	return nil
}

func (s *Servers) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= MaxOpen {
		return false
	}
	s.open++
	s.calls.Add(1)
	return true
}

func (s *Servers) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.calls.Done()
}

// do makes a call on a connection that no other call uses.
func (c *Client) do(ctx context.Context, query []byte, n int) ([]byte, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	conn, err := c.conn(ctx)
	if err != nil {
		return nil, err
	}
	replies, err := conn.call(ctx, query, n)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.put(conn)
	return replies, nil
}

// Close closes the connections that are not in use; those in use close as their calls end.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, conn := range idle {
		conn.Close()
	}
}
