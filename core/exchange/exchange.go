// Package exchange is one request and its answer as every part of the gateway sees it: owned
// bytes, the texts in them, the filters that act on them in phases, and the one terminal state it
// ends in.
//
// It does no I/O and knows no transport, no sandbox and no configuration. The server builds an
// Exchange, the gateway serves it, filters look at it.
package exchange

import (
	"context"
	"net/netip"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Terminal is how an exchange ended; the same one stands on the wire, in the log, in the metric
// and on the bill.
type Terminal string

// The terminal states.
const (
	Completed       Terminal = "completed"
	Denied          Terminal = "denied"           // a filter, a limit or access control said no
	ClientError     Terminal = "client_error"     // the request was wrong: the gateway says so, or the upstream
	ClientCancelled Terminal = "client_cancelled" // the client left
	UpstreamError   Terminal = "upstream_error"   // the upstream refused or failed before its first byte
	UpstreamCut     Terminal = "upstream_cut"     // the answer broke off
	TimedOut        Terminal = "timeout"
	Shed            Terminal = "shed"    // too much at once
	Drained         Terminal = "drained" // the daemon or its generation ended first
	Internal        Terminal = "internal"
)

// Exchange is one request from its arrival to the end of its answer. It owns all its bytes. It is
// used by one goroutine at a time; only Context's cancellation comes from elsewhere.
type Exchange struct {
	ID       string // the request id
	Start    time.Time
	Listener string
	Method   string
	Host     string // lower case, without a trailing dot and port
	Path     string // normalised: what the route is matched on
	Query    string // raw, without the question mark
	Remote   netip.AddrPort
	TLS      bool
	Upgrade  bool // the client asks for a WebSocket

	Request  Message
	Response Message // valid from PhaseRespHead on

	// Set by the gateway as it learns them.
	Op      llm.Op
	Dialect llm.Dialect
	Model   string // as the client asked for
	Stream  bool
	Unseen  string // a field of the request whose content no filter can see, or ""
	Route   string
	Tenant  string // the team or, without one, the key; "" before authentication or without
	KeyID   string

	Window *Window    // the unsettled text of one channel; set during PhaseDelta only
	Event  *Event     // the event at hand; set during PhaseEvent only
	Usage  *llm.Usage // set before PhaseEnd where the provider told
	Finish string     // the dialect's finish reason, set before PhaseEnd
	End    Terminal   // set before PhaseDone

	// Receive reads the request's body, where the server leaves that to whoever serves the exchange: one that is
	// long, or whose sender waits to be told to go on, is not taken in before its sender is. Else it is nil. It is called once at most; the error is an *llm.Error.
	Receive func() error
	Long    int64 // bytes that it reads, or may read where nobody says how many come; 0 = they are few

	// Admitted tells the server that the caller is let in: what is held for others has little room. It may be nil, and
	// belongs to the goroutine that serves.
	Admitted func()

	// Room takes n bytes of the room that all bodies of the listener share, if there is so much, and gives -n back. It is
	// set where Upgrade is, and may be called from any goroutine.
	Room func(n int64) bool

	Notes   []Note // annotations that filters left
	Timings Timings

	life  life
	ctx   context.Context
	limit Limit
	state map[string][]byte // per filter, kept by the host for the guest
	local []local           // per filter, the host's own
	times [4]FilterTime     // the memory of what most exchanges have in Timings
}

type local struct{ key, value any }

// Message is one side of the exchange.
type Message struct {
	Status int // answers only
	Header llm.Header
	Body   Body
}

// Limit is a limit that the client is told with its answer.
type Limit struct {
	Of        int64 // what may be used in a time; 0 = none is told
	Remaining int64
	Reset     time.Duration // until nothing is used any more
}

// Note is what a filter says about an exchange; it travels in the event and the request log.
type Note struct{ Filter, Key, Value string }

// New returns an Exchange with a context under ctx. Whoever made it cancels it in the end.
func New(ctx context.Context) *Exchange {
	x := &Exchange{Start: time.Now()}
	x.life.begin(ctx)
	x.ctx = &x.life
	x.Timings.Filters = x.times[:0]
	return x
}

// Context returns the exchange's context.
func (x *Exchange) Context() context.Context { return x.ctx }

// Cancel ends the exchange's context with a cause: the client hung up, or the daemon gives up on it. Any goroutine may
// call it, and all calls but the first do nothing.
func (x *Exchange) Cancel(cause error) { x.life.end(cause) }

// SetContext replaces the context, to add a value, a span or a deadline. Only whoever serves the
// exchange calls it, before it hands the exchange on.
func (x *Exchange) SetContext(ctx context.Context) { x.ctx = ctx }

// TellLimit has the client told a limit: of several, the one of which least is left.
func (x *Exchange) TellLimit(l Limit) {
	if old := x.limit; old.Of == 0 || float64(l.Remaining)*float64(old.Of) < float64(old.Remaining)*float64(l.Of) {
		x.limit = l
	}
}

// Limit returns the limit that the client is told.
func (x *Exchange) Limit() Limit { return x.limit }

// State returns what the named filter put last, or nil.
func (x *Exchange) State(filter string) []byte { return x.state[filter] }

// SetState keeps a copy of b for the named filter until the exchange ends.
func (x *Exchange) SetState(filter string, b []byte) {
	if x.state == nil {
		x.state = make(map[string][]byte, 1)
	}
	x.state[filter] = append(x.state[filter][:0], b...)
}

// Local returns what SetLocal left for key, or nil. A filter's host keeps there what belongs to both
// the filter and the exchange; key is a pointer of its own.
func (x *Exchange) Local(key any) any {
	for i := range x.local {
		if x.local[i].key == key {
			return x.local[i].value
		}
	}
	return nil
}

// SetLocal keeps value for key until the exchange ends.
func (x *Exchange) SetLocal(key, value any) {
	for i := range x.local {
		if x.local[i].key == key {
			x.local[i].value = value
			return
		}
	}
	x.local = append(x.local, local{key, value})
}

// Annotate leaves a note.
func (x *Exchange) Annotate(filter, key, value string) {
	x.Notes = append(x.Notes, Note{filter, key, value})
}

// Timings says where the time of an exchange went.
type Timings struct {
	Guard    time.Duration
	Auth     time.Duration
	Filters  []FilterTime
	Upstream time.Duration // until the answer's head
	First    time.Duration // from Start until the first content
	Total    time.Duration
}

// FilterTime is the time of one filter over all its callbacks.
type FilterTime struct {
	Filter string
	Spent  time.Duration
	Calls  int
}

// Spend adds one callback's time to a filter's.
func (t *Timings) Spend(filter string, d time.Duration) {
	for i := range t.Filters {
		if t.Filters[i].Filter == filter {
			t.Filters[i].Spent += d
			t.Filters[i].Calls++
			return
		}
	}
	t.Filters = append(t.Filters, FilterTime{filter, d, 1})
}
