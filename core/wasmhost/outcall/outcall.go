// Package outcall makes the HTTP calls of filters: to the origins that the operator granted and to
// nothing else, by the same guard as every other call (egress.Reach), with bounds on time, size and number. Every ABI of the sandbox calls through it.
//
// It knows no guest and no pause. What a call carries is the guest's own; the gateway adds no
// credential to it and follows no redirect.
package outcall

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The bounds of calls.
const (
	MaxBody        = 1 << 20 // bytes of a request's and of an answer's body
	MaxHeader      = 64 << 10
	MaxFields      = 128
	MaxOutstanding = 8    // calls that one Calls has under way
	MaxStarted     = 64   // calls that one Calls makes in its life
	MaxOpen        = 1024 // calls that all Calls of one Origins have under way
	MaxTime        = 2 * time.Minute
	DefaultTime    = 5 * time.Second

	maxIdle = 32 // pooled connections of one origin
)

// The errors of Start and Wait.
var (
	ErrDenied   = errors.New("the origin is not granted")
	ErrInvalid  = errors.New("the call is malformed")
	ErrTooLarge = errors.New("the call is too large")
	ErrLimit    = errors.New("too many calls")
	ErrNone     = errors.New("no call is outstanding")
)

// Origins are the places that one filter may call. It is safe for concurrent use.
type Origins struct {
	all map[string]*egress.Origin // by scheme://host:port

	mu     sync.Mutex // protects what follows
	open   map[*open]context.CancelFunc
	closed bool
	calls  sync.WaitGroup
}

// open is a call that is under way.
type open struct{ _ byte }

// Open returns the origins named by urls, scheme://host[:port] each; reach says which addresses their
// names may lead to. It connects to none.
func Open(t *egress.Transport, urls []string, reach egress.Reach) (*Origins, error) {
	o := &Origins{all: make(map[string]*egress.Origin, len(urls)), open: make(map[*open]context.CancelFunc)}
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("origin %q is no URL", raw)
		}
		origin, err := t.Origin(egress.Config{
			Name: raw, URL: raw, Reach: reach, MaxIdle: maxIdle, NoReplay: true,
			Timeouts: egress.Timeouts{FirstByte: MaxTime, Idle: MaxTime, Total: MaxTime},
		})
		if err != nil {
			return nil, err
		}
		o.all[place(u)] = origin
	}
	return o, nil
}

// place names an origin the same way however it is written.
func place(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Close ends all calls, waits for them and closes the connections.
func (o *Origins) Close() {
	o.mu.Lock()
	o.closed = true
	for _, cancel := range o.open {
		cancel()
	}
	o.mu.Unlock()
	o.calls.Wait()
	for _, origin := range o.all {
		origin.Close()
	}
}

// Open returns the number of calls that are under way.
func (o *Origins) Open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

// Request is a call that a guest asks for. It is copied as far as it is kept.
type Request struct {
	Method  string // "" = GET, or POST where there is a body
	URL     string // absolute, http or https
	Header  llm.Header
	Body    []byte
	Timeout time.Duration // of the whole call; 0 = DefaultTime, at most MaxTime
}

// Result is what became of a call.
type Result struct {
	ID     uint32
	Status int // 0 where there was no answer
	Header llm.Header
	Body   []byte
	Err    error // no answer, or not all of it; its text names addresses
}

// Reason is the word for a guest that says why a call has no whole answer, or "".
func (r *Result) Reason() string {
	var e *egress.Error
	switch {
	case r.Err == nil:
		return ""
	case errors.Is(r.Err, egress.ErrTooLarge):
		return "too_large"
	case errors.Is(r.Err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(r.Err, egress.ErrAddress): // what the configuration allows is not the guest's matter
		return string(llm.CodeUnavailable)
	case errors.As(r.Err, &e):
		return string(e.Code())
	}
	return string(llm.CodeInternal)
}

// Calls are the calls of one exchange, or of one callback outside of exchanges. Start and Wait are
// called by one goroutine at a time.
type Calls struct {
	origins *Origins
	started uint32
	out     int // started and not given to the guest

	mu    sync.Mutex // protects ready
	ready []*Result
	wake  chan struct{}
}

// New returns an empty set of calls.
func (o *Origins) New() *Calls { return &Calls{origins: o, wake: make(chan struct{}, 1)} }

// Outstanding returns the number of calls whose result Wait has not returned.
func (c *Calls) Outstanding() int { return c.out }

// Start begins a call and returns its number, from 1 on. The call ends when ctx or the origins do. The
// errors are the package's.
func (c *Calls) Start(ctx context.Context, r Request) (uint32, error) {
	origin, request, err := c.origins.prepare(r)
	if err != nil {
		return 0, err
	}
	if c.out >= MaxOutstanding || c.started >= MaxStarted {
		return 0, ErrLimit
	}
	limit := r.Timeout
	if limit <= 0 {
		limit = DefaultTime
	}
	ctx, cancel := context.WithTimeout(ctx, min(limit, MaxTime))
	place := new(open)
	if !c.origins.enter(place, cancel) {
		cancel()
		return 0, ErrLimit
	}
	c.started++
	c.out++
	id := c.started
	go func() {
		defer c.origins.leave(place)
		defer cancel()
		c.end(id, do(ctx, origin, request))
	}()
	return id, nil
}

// end keeps the result of a call for Wait.
func (c *Calls) end(id uint32, r *Result) {
	r.ID = id
	c.mu.Lock()
	c.ready = append(c.ready, r)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it has not seen the last one yet and will see both
	}
}

// Wait returns the next result, in the order in which the calls end, or why there is none: ErrNone,
// or the cause of ctx.
func (c *Calls) Wait(ctx context.Context) (*Result, error) {
	if c.out == 0 {
		return nil, ErrNone
	}
	for {
		if r := c.next(); r != nil {
			c.out--
			return r, nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Calls) next() *Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		return nil
	}
	r := c.ready[0]
	c.ready = c.ready[1:]
	return r
}

// enter makes room for a call, if there is any.
func (o *Origins) enter(place *open, cancel context.CancelFunc) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.open) >= MaxOpen {
		return false
	}
	o.open[place] = cancel
	o.calls.Add(1)
	return true
}

func (o *Origins) leave(place *open) {
	o.mu.Lock()
	delete(o.open, place)
	o.mu.Unlock()
	o.calls.Done()
}

// prepare finds the origin of a call and copies what is sent.
func (o *Origins) prepare(r Request) (*egress.Origin, *egress.Request, error) {
	if len(r.Body) > MaxBody || len(r.Header) > MaxFields || len(r.URL) > MaxHeader {
		return nil, nil, ErrTooLarge
	}
	size := 0
	for _, f := range r.Header {
		size += len(f.Name) + len(f.Value)
	}
	if size > MaxHeader {
		return nil, nil, ErrTooLarge
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return nil, nil, ErrInvalid
	}
	origin := o.all[place(u)]
	if origin == nil {
		return nil, nil, ErrDenied
	}
	out := &egress.Request{Method: r.Method, Path: u.RequestURI(), Header: r.Header.Clone()}
	if out.Method == "" {
		out.Method = "GET"
		if len(r.Body) > 0 {
			out.Method = "POST"
		}
	}
	if len(r.Body) > 0 {
		out.Body = append([]byte(nil), r.Body...)
	}
	if out.Check() != nil {
		return nil, nil, ErrInvalid
	}
	return origin, out, nil
}

// do makes a call, to its last byte.
func do(ctx context.Context, o *egress.Origin, r *egress.Request) *Result {
	answer, err := o.Do(ctx, r)
	if err != nil {
		return &Result{Err: err}
	}
	defer answer.Body.Close()
	body, err := answer.Body.All(nil, MaxBody)
	return &Result{Status: answer.Status, Header: answer.Header.Clone(), Body: body, Err: err}
}
