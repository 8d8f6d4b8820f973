package exchange

import (
	"context"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Phase is a moment of an exchange at which filters run; a Filter declares a set of them.
type Phase uint16

// The phases, in the order of an exchange. Request phases run in the order of the pipeline, the
// others in reverse and only through filters that saw the request.
const (
	PhaseRequestHead  Phase = 1 << iota // method, path and header
	PhaseRequestBody                    // the raw body
	PhaseRequestText                    // every text of the conversation
	PhaseResponseHead                   // status and header
	PhaseResponseBody                   // the raw body of a unary answer
	PhaseDelta                          // text of the answer, per channel; a unary answer's texts whole and final
	PhaseEvent                          // one raw server-sent event
	PhaseEnd                            // usage and finish reason are known
	PhaseDone                           // the terminal state is known; nothing can be changed
)

// Phases lists all phases in order.
var phases = [...]string{"request_head", "request_body", "request_text", "response_head", "response_body", "delta", "event", "end", "done"}

// String returns the name of a single phase.
func (p Phase) String() string {
	for i, name := range phases {
		if p == 1<<i {
			return name
		}
	}
	return "phases"
}

// Action is what a filter wants done.
type Action uint8

// The actions.
const (
	Continue Action = iota // go on, with whatever the filter edited in place
	Drop                   // leave the event out (PhaseDelta, PhaseEvent)
	Respond                // end here with Verdict.Reply; before the first byte to the client only
	Hold                   // keep the window's last Verdict.Hold bytes back (PhaseDelta)
	Close                  // end the stream with the dialect's error event
)

// Verdict is a filter's decision. The zero value goes on.
type Verdict struct {
	Action Action
	Hold   int     // bytes at the end of the window that may still change; 0 with Hold means all
	Reply  *Answer // for Respond, and for Close where it carries an Error
}

// midstream returns what the verdict comes to inside a stream, where it is too late for a reply:
// whoever wants to end the exchange ends the stream.
func (v Verdict) midstream() Verdict {
	if v.Action == Respond {
		v.Action = Close
	}
	return v
}

// Answer is a filter's own reply. Error, if set, is written in the client's dialect and Body is
// ignored.
type Answer struct {
	Status int
	Header llm.Header
	Body   []byte
	Error  *llm.Error
	Class  string // what was found, for the event and the metric: "secrets", "rate_limit"
}

// Filter is one step of a pipeline, shared by all exchanges of a generation and safe for
// concurrent use.
//
//  1. Name is unique in its pipeline and constant; Phases is the constant set of phases for which
//     Run is called. A phase that is not declared costs nothing.
//  2. Run acts on the part of x that belongs to the phase: it edits texts, headers and the window in
//     place and returns a verdict. It keeps nothing of x after it returns. It never waits for another
//     exchange; it may wait for the network only while the filter pauses for a call of its own,
//     for a bounded time, until ctx or x's context ends, and it holds nothing meanwhile that another
//     exchange needs.
//  3. An error means that the filter itself failed; the filter has applied its own on_error policy
//     before it returns one, so an error always ends the exchange as Internal.
//  4. Close is called once, after the last Run returned.
type Filter interface {
	Name() string
	Phases() Phase
	Run(ctx context.Context, p Phase, x *Exchange) (Verdict, error)
	Close(ctx context.Context) error
}

// Ender is a Filter that declares PhaseEvent and wants to know where a stream ends: if EndOfStream
// says so, Run is called once more in PhaseEvent with the event that ends the stream, whose Last is
// set, after everything that the filter held back was settled.
type Ender interface {
	Filter
	EndOfStream() bool
}

// Reader reads what a filter replaced whole, so that the filters behind it see the texts that are
// there now. The gateway is one, with the dialect of the exchange.
type Reader interface {
	ReadRequest() error
	ReadAnswer() error
	ReadEvent(frame *dialect.Frame) (*Event, error)
}

// Handler serves exchanges. It never fails: what goes wrong is a Reply in the client's dialect.
type Handler interface {
	Serve(ctx context.Context, x *Exchange) *Reply
}

// Reply is what the server writes to the client.
type Reply struct {
	Status int
	Header llm.Header
	Body   []byte // the whole body, where Stream is nil
	Stream Stream // the events of a streamed answer
	// Session, in the answer to a request whose Upgrade is set, has the connection become a WebSocket: it is
	// called with the client's side when the head, whose Status is 101, was written. When it returns, the
	// connection is closed. It is not called where the head could not be written.
	Session func(client Socket)
	// Done is called exactly once, after the last byte was written or could not be: with the
	// server's view of the end, which is Completed unless the client left or the server gave up.
	// The exchange ends in it.
	Done func(Terminal)
}

// Stream yields a streamed answer, already framed. It is used by one goroutine at a time.
type Stream interface {
	// Next appends the next complete events to dst and returns it. It waits for one event, adds
	// those that are already there, and never waits for more. io.EOF ends the stream; bytes may
	// come with it. There is no other error, since a failure is an event in the client's dialect; where there are no
	// events, as in a file or in sound, any other one breaks the connection off.
	Next(dst []byte) ([]byte, error)
}
