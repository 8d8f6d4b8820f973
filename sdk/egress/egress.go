// Package egress is the one way out: an HTTP/1.1 transport over TCP, TLS and private unix sockets,
// with separate timeouts, cancellation that closes the connection at once, and strict framing.
//
// It connects to the origins it was given and to nothing else: no proxy from the environment, no
// redirect, no address out of an answer. It resolves names itself, and before each connection judges
// where they lead to (Reach). It knows no provider, retries nothing that may have been
// answered (the gateway decides about that) and does not speak HTTP/2.
//
// The gateway makes all its calls with it, and so does a provider that makes its calls itself.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// The defaults of a Config, and the limits of an answer.
const (
	DefaultConnect   = 5 * time.Second
	DefaultWrite     = 30 * time.Second
	DefaultFirstByte = 5 * time.Minute
	DefaultIdle      = 2 * time.Minute
	DefaultTotal     = 30 * time.Minute
	DefaultMaxIdle   = 512

	MaxHead   = 64 << 10 // bytes of an answer's head, of one interim answer, of a trailer section
	MaxFields = 256      // fields of an answer's head

	idleExpiry = 30 * time.Second // a pooled connection unused for so long is closed
	longestUse = 5 * time.Minute  // an older connection is not pooled: its name may lead elsewhere by now
	checkAfter = time.Second      // a pooled connection unused for so long is looked at first
	closeGrace = 5 * time.Millisecond
)

// The errors of an origin that cannot be made or used.
var (
	ErrClosed  = errors.New("origin is closed")
	ErrRequest = errors.New("request cannot be written")
	ErrPeer    = errors.New("another process answers on the socket")
)

// Needs is what a Transport is made of.
type Needs struct {
	Logger *slog.Logger // of what an operator has to mend; nil discards
	// Dial opens a connection; nil is a net.Dialer. network is "tcp", with an IP address and a port, or
	// "unix".
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup resolves a name; nil is the system's resolver. An absolute name ends with a dot.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Config declares an origin.
type Config struct {
	Name   string // for errors and logs
	URL    string // scheme://host[:port], nothing after it; with Socket only its host is used
	Socket string // path of a unix socket, instead of TCP
	// PeerPID, with Socket, returns the pid of the process that must answer. The kernel reports who
	// called listen(2), so a process that was handed a listening socket has to call it again.
	PeerPID  func() int
	TLS      *tls.Config // for https; nil = the system's roots. It is cloned
	Proxy    string      // http://[user:password@]host[:port]; "" = none
	Reach    Reach       // which addresses the URL's host may have
	Timeouts Timeouts
	MaxIdle  int  // pooled connections; 0 = DefaultMaxIdle, negative = none
	NoReplay bool // never send a request a second time
}

// Timeouts bound the parts of a call; zero is the default, negative is no limit. A connection's own
// may fire up to an eighth late, never early.
type Timeouts struct {
	Connect   time.Duration // to connect, TLS included
	Write     time.Duration // without progress in writing the request
	FirstByte time.Duration // from the request's last byte to the end of the answer's head
	Idle      time.Duration // between two reads of the body
	Total     time.Duration // from Do to the body's last byte
}

// Transport makes origins. It is safe for concurrent use.
type Transport struct {
	log  *slog.Logger
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	look func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Origin is one place calls go to, with its pool of connections. It is safe for concurrent use.
type Origin struct {
	label    string // what the declaration calls it
	host     string // the default Host
	socket   string // "" = TCP
	name     *name  // of the origin, or of the proxy in front of it
	port     uint16
	tls      *tls.Config // nil = plain
	proxy    *proxy      // nil = none
	peerPID  func() int
	timeouts Timeouts
	maxIdle  int
	replay   bool
	t        *Transport
	stats    counters
	refused  atomic.Bool // where it leads to was not allowed, the last time

	mu     sync.Mutex // protects what follows
	idle   []*conn    // the longest unused first
	sweep  *time.Timer
	closed bool
}

type counters struct{ dials, reused, replayed, open atomic.Int64 }

// Stats counts what an origin did since it was made.
type Stats struct {
	Dials    int64 // connections made
	Reused   int64 // calls on a connection that had served another
	Replayed int64 // calls sent again because such a connection had died
	Open     int64 // connections open now, pooled ones included
}

// New returns a transport.
func New(n Needs) *Transport {
	t := &Transport{log: n.Logger, dial: n.Dial, look: n.Lookup}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.dial == nil {
		t.dial = new(net.Dialer).DialContext
	}
	if t.look == nil {
		t.look = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return t
}

// Origin makes an origin; it opens no connection. The caller closes it.
func (t *Transport) Origin(c Config) (*Origin, error) {
	o := &Origin{label: c.Name, peerPID: c.PeerPID, timeouts: c.Timeouts.withDefaults(), maxIdle: c.MaxIdle, replay: !c.NoReplay, t: t}
	if o.maxIdle == 0 {
		o.maxIdle = DefaultMaxIdle
	}
	if err := o.locate(c); err != nil {
		return nil, fmt.Errorf("origin %s: %w", c.Name, err)
	}
	return o, nil
}

// locate derives from the declaration where to connect to.
func (o *Origin) locate(c Config) error {
	if c.Socket != "" {
		o.socket, o.host = c.Socket, "localhost"
		if c.URL == "" {
			return nil
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return errors.New("not a URL") // the parser's own words repeat it, and it may hold a password
	}
	switch {
	case u.User != nil:
		return errors.New("the URL holds a user")
	case u.Hostname() == "" || !validHost(u.Host):
		return errors.New("the URL has no host")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL goes on after its host")
	}
	o.host = u.Host
	if c.Socket != "" {
		return nil
	}
	usual := uint16(80)
	switch u.Scheme {
	case "http":
	case "https":
		usual, o.tls = 443, tlsConfig(c.TLS, u.Hostname())
	default:
		return fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	}
	if o.port, err = portOf(u, usual); err != nil {
		return err
	}
	if o.port == usual {
		o.host = hostOnly(u)
	}
	if o.name, err = o.t.newName(u.Hostname(), c.Reach); err != nil || c.Proxy == "" {
		return err
	}
	return o.via(c.Proxy)
}

// Do sends a request and reads the head of its answer. Errors are *Error, except for ErrRequest. The
// caller closes the answer's body; ctx ends the call at any time until then.
//
// A request is sent a second time, on a new connection, only where a connection that had served
// before died without one byte of an answer: its other side had closed it while it was idle. One that is to be sent
// Once has a new connection at first.
func (o *Origin) Do(ctx context.Context, r *Request) (*Response, error) {
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("origin %s: %w", o.label, err)
	}
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	by := time.Time{}
	if o.timeouts.Total > 0 {
		by = time.Now().Add(o.timeouts.Total)
	}
	for again := false; ; again = true {
		c, err := o.conn(ctx, by, again || r.Once)
		if err != nil {
			return nil, err
		}
		reused := c.used > 0
		if reused {
			o.stats.reused.Add(1)
		}
		resp, err := o.exchange(ctx, c, r, by)
		if err == nil {
			return resp, nil
		}
		if again || !reused || !o.replay || !died(err) {
			return nil, err
		}
		o.stats.replayed.Add(1)
	}
}

// Host returns the name, with a port that is not the usual one, that a request to the origin has by itself.
func (o *Origin) Host() string { return o.host }

// Timeouts returns what bounds the parts of a call.
func (o *Origin) Timeouts() Timeouts { return o.timeouts }

// Stats returns the origin's counters.
func (o *Origin) Stats() Stats {
	return Stats{o.stats.dials.Load(), o.stats.reused.Load(), o.stats.replayed.Load(), o.stats.open.Load()}
}

// Close closes the pooled connections. Calls under way go on; their connections close as they end.
func (o *Origin) Close() error {
	o.mu.Lock()
	idle := o.idle
	o.idle, o.closed = nil, true
	if o.sweep != nil {
		o.sweep.Stop()
	}
	o.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	return nil
}

// exchange sends the request on c and reads the head of the answer. On an error c is closed.
func (o *Origin) exchange(ctx context.Context, c *conn, r *Request, by time.Time) (*Response, error) {
	c.used++
	c.by = by
	stop := afterFunc(ctx, c.abort)
	x := &answer{}
	err := c.write(o, r)
	whole := err == nil
	if whole || died(err) && c.readWithin(o.timeouts.FirstByte) == nil {
		// Some answer and close before they have the whole request, and what they say is worth having.
		if e := c.readHead(&x.head, &x.Response, r.Method == "HEAD"); whole || e == nil || !died(e) {
			err = e
		}
	}
	if err != nil {
		stop()
		c.close()
		if ctx.Err() != nil {
			err = cancelled(ctx)
		}
		var e *Error
		if whole && errors.As(err, &e) {
			e.Sent = true
		}
		return nil, err
	}
	x.body = Body{ctx: ctx, o: o, c: c, stop: stop, frame: x.head.frame, left: x.head.length, keep: whole && !x.head.close}
	x.Response.Body = &x.body
	if x.body.ended() {
		x.body.finish()
	}
	return &x.Response, nil
}

// answer is all that an answer takes, in one piece of memory.
type answer struct {
	Response
	head head
	body Body
}

func (t Timeouts) withDefaults() Timeouts {
	for _, f := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&t.Connect, DefaultConnect}, {&t.Write, DefaultWrite}, {&t.FirstByte, DefaultFirstByte},
		{&t.Idle, DefaultIdle}, {&t.Total, DefaultTotal},
	} {
		if *f.value == 0 {
			*f.value = f.or
		}
	}
	return t
}

// afterFunc is context.AfterFunc without its memory where the context has the method itself.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(interface {
		AfterFunc(func()) func() bool
	}); ok {
		return own.AfterFunc(f)
	}
	if ctx.Done() == nil {
		return never
	}
	return context.AfterFunc(ctx, f)
}

func never() bool { return true }

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
}

func hostOnly(u *url.URL) string {
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.To4() == nil {
		return "[" + u.Hostname() + "]"
	}
	return u.Hostname()
}

// Request is a call. Its header is sent in its order; what belongs to the connection or to the
// body's framing is left out, and written by the transport where it is needed.
type Request struct {
	Method string
	Path   string // with the query; begins with a slash
	Host   string // "" = the origin's
	Header llm.Header
	Body   []byte // not changed, and not kept after Do returned
	Held   Held   // what of the body is in a file, and where in Body it stands
	Once   bool   // it is never sent a second time
}

// Held is what of a body is in a file.
type Held struct {
	File  io.ReaderAt // open as long as the body
	Holes []Hole      // in the order of At
}

// Hole is a piece that is not in memory. It stands before byte At of what is.
type Hole struct {
	At       int
	Off, Len int64 // in the file
}

// Len returns the number of bytes that are held.
func (h Held) Len() (n int64) {
	for _, hole := range h.Holes {
		n += hole.Len
	}
	return n
}

// Response is the head of an answer, of any status but 1xx. Header is as it was sent, but for what
// belonged to the connection or to the body's framing.
type Response struct {
	Status int
	Header llm.Header
	Length int64 // of the body, -1 where it was not said
	Body   *Body // never nil
}
