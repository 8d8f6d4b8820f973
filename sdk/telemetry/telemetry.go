// Package telemetry is the contract of a sink, a plugin that takes the gateway's telemetry somewhere,
// and Serve, which is all of its main.
//
// What a sink gets is OpenTelemetry's own protobuf, not a schema of ours: traces, metrics and logs.
// The host owns the queue, the batches, the retries and what is dropped; a sink takes a batch and
// says for each payload whether it is kept, and nothing that it has not acknowledged is lost with its
// process. It is started, configured and restarted as a provider is (see package provider).
package telemetry

import (
	"context"
	"time"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Sink is what a telemetry plugin implements. Export is called by one goroutine at a time, in the
// order of the batches.
type Sink interface {
	// Describe has no side effects and works before Configure.
	Describe(context.Context) (*Info, error)
	// Configure takes the configuration, a JSON object, once in the process's life. Members that are
	// not in Info.Config never reach it.
	Configure(ctx context.Context, config []byte) error
	// Export returns when the outcome of every payload is known. A nil result means that all are
	// kept; an error means that the whole batch is to be sent again. A batch may come again under
	// the same ID when the answer to it was lost.
	Export(context.Context, *Batch) (*Result, error)
}

// Flusher is a sink that holds back what it has acknowledged, for a short time.
type Flusher interface {
	// Flush returns when everything that was exported is where it belongs. It is called before the
	// process ends.
	Flush(context.Context) error
}

// Info is what a sink says about itself.
type Info struct {
	Name    string // [a-z][a-z0-9_-]*
	Version string
	Signals []Signal      // what it takes; none = all
	Config  *schema.Block // the shape of its config block; nil = it takes none

	Flushes bool // it is a Flusher; Serve fills this in
}

// Signal is a kind of telemetry.
type Signal uint8

// The signals. The numbers are those of the protocol.
const (
	Traces Signal = iota + 1
	Metrics
	Logs
)

// Batch is what is exported at once. A sink must not keep any of it after Export has returned.
type Batch struct {
	ID       string // the same when the batch is sent again
	Seq      uint64 // counts up by one
	Payloads []Payload
}

// Payload is OTLP protobuf: a TracesData, MetricsData or LogsData message of
// opentelemetry.proto.*.v1, which is also the body of an OTLP export request.
type Payload struct {
	Signal Signal
	OTLP   []byte
}

// Result is what became of a batch: one outcome for each payload, in order.
type Result struct{ Outcomes []Outcome }

// Outcome is what became of one payload.
type Outcome struct {
	Status  Status
	After   time.Duration // for Retry: not before; 0 = the host decides
	Message string        // why, for the log
}

// Status is how a payload fared.
type Status uint8

// The ways a payload can fare. The numbers are those of the protocol.
const (
	OK        Status = iota // it is kept
	Retry                   // it is not kept, and may be when it is sent again
	Permanent               // it will never be kept
)
