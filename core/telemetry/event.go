package telemetry

import (
	"cmp"
	"net/netip"
	"strconv"
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

	KeyID    string
	Team     string
	Usage    *llm.Usage // nil where the provider did not tell
	Timings  exchange.Timings
	Notes    []exchange.Note
	Retries  int    // calls after the first
	Fallback string // the model that took the call instead of Model, "" without one
	Tries    []Try  // the attempts in their order, where there was more than one
	Dropped  string // what was lost in translation, of the request and, behind "answer:", of the answer
	In, Out  int64  // bytes of the bodies, as the client sent and got them
}

// Try is an attempt at a call, or a target that could not take it.
type Try struct {
	Model, Target string
	Cause         string // why another followed, "" = it was answered
	Began         time.Time
	Took          time.Duration // until the first event of the answer or the failure; 0 where nothing was sent
}

// append writes a try as the log has it.
func (t *Try) append(b []byte) []byte {
	b = append(append(append(append(b, t.Model...), '/'), t.Target...), ' ')
	b = append(b, cmp.Or(t.Cause, "answered")...)
	if t.Took > 0 {
		b = append(strconv.AppendFloat(append(b, " in "...), float64(t.Took)/float64(time.Millisecond), 'f', 1, 64), " ms"...)
	}
	return b
}

// tries writes the attempts as the log has them.
func (e *Event) tries() string {
	var b []byte
	for i := range e.Tries {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = e.Tries[i].append(b)
	}
	return string(b)
}

// NewEvent returns an event with what the exchange itself knows. The caller adds the rest.
func NewEvent(x *exchange.Exchange) Event {
	return Event{
		ID: x.ID, Start: x.Start, Listener: x.Listener, Method: x.Method, Host: x.Host, Path: x.Path, Remote: x.Remote, TLS: x.TLS,
		Route: x.Route, Asked: x.Model, Op: x.Op, Dialect: x.Dialect, Stream: x.Stream,
		Status: x.Response.Status, Terminal: x.End, Finish: x.Finish,
		KeyID: x.KeyID, Usage: x.Usage, Timings: x.Timings, Notes: x.Notes,
		In: x.Request.Body.Size(),
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
