package telemetry

import (
	"net/netip"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Event is what is said about one exchange when it has ended: the one source of its log line, its
// metrics, its spans and what the sinks get.
type Event struct {
	ID       string // the request id
	Start    time.Time
	Listener string
	Method   string
	Host     string
	Path     string
	Remote   netip.AddrPort
	TLS      bool

	Route    string // as configured, "" where none matched
	Asked    string // the model as the client wrote it
	Model    string // the model as configured, "" where none was found
	Provider string // as configured, "" where no call was made
	Target   string
	Upstream string // the model's name at the provider
	Op       llm.Op
	Dialect  llm.Dialect
	Stream   bool

	Status   int // HTTP
	Terminal exchange.Terminal
	Finish   string // the dialect's finish reason
	Filter   string // the filter that ended the exchange, or ""
	Class    string // what it found
	Err      error  // for the log, never for the client

	KeyID   string
	Team    string
	Usage   *llm.Usage // nil where the provider did not tell
	Timings exchange.Timings
	Notes   []exchange.Note
	Retries int // calls after the first
	// Fallback is the model that took the call instead of Model, "" without one. Tries says how each
	// attempt ended, where there was more than one.
	Fallback, Tries string
	In, Out         int64 // bytes of the bodies, as the client sent and got them
}

// NewEvent returns an event with what the exchange itself knows. The caller adds the rest.
func NewEvent(x *exchange.Exchange) Event {
	return Event{
		ID: x.ID, Start: x.Start, Listener: x.Listener, Method: x.Method, Host: x.Host, Path: x.Path, Remote: x.Remote, TLS: x.TLS,
		Route: x.Route, Asked: x.Model, Op: x.Op, Dialect: x.Dialect, Stream: x.Stream,
		Status: x.Response.Status, Terminal: x.End, Finish: x.Finish,
		KeyID: x.KeyID, Usage: x.Usage, Timings: x.Timings, Notes: x.Notes,
		In: int64(len(x.Request.Body.Raw())),
	}
}

// failed reports whether the terminal state is a fault of the gateway's or the upstream's.
func failed(end exchange.Terminal) bool {
	switch end {
	case exchange.UpstreamError, exchange.UpstreamCut, exchange.TimedOut, exchange.Shed, exchange.Drained, exchange.Internal:
		return true
	}
	return false
}
