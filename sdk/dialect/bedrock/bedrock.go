// Package bedrock reads and writes the wire format of Amazon Bedrock's Converse, as a provider speaks it:
// requests, answers and the events of a stream. No client of the gateway speaks it.
//
// A stream's events are read as JSON objects with one member, the event's type, which package eventstream makes of
// the binary frames that carry them on the wire. Paths and signatures are plugins/bedrock's business. Sources: the
// service's description (bedrock-runtime, 2023-09-30), that of its event stream encoding, and recorded
// exchanges.
package bedrock

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Codec implements dialect.Upstream and conversation.UpstreamCodec. The zero value is ready.
type Codec struct{}

var (
	_ dialect.Upstream           = Codec{}
	_ conversation.UpstreamCodec = Codec{}
)

// Name returns llm.Bedrock.
func (Codec) Name() llm.Dialect { return llm.Bedrock }

// The types of a stream's events.
const (
	messageStart = "messageStart"
	blockStart   = "contentBlockStart"
	blockDelta   = "contentBlockDelta"
	blockStop    = "contentBlockStop"
	messageStop  = "messageStop"
	metadata     = "metadata"
)

// exceptions are the types of the events that end a stream with an error, and what they mean.
var exceptions = map[string]llm.Code{
	"internalServerException":     llm.CodeUpstream,
	"modelStreamErrorException":   llm.CodeUpstream,
	"validationException":         llm.CodeInvalid,
	"throttlingException":         llm.CodeRateLimited,
	"serviceUnavailableException": llm.CodeOverloaded,
	"modelTimeoutException":       llm.CodeTimeout,
}

// Answer reads an answer, or an error: an object with a message and no output, in the vendor's shape or in
// the one in which a plugin reports it.
func (Codec) Answer(_ llm.Op, body []byte, into *dialect.Answer) error {
	*into = dialect.Answer{Texts: into.Texts[:0]}
	r := conversation.NewReader(body)
	var fault dialect.Fault
	output := false
	r.Each("the answer", func(k string) {
		switch k {
		case "output":
			output = true
			r.Skip()
		case "stopReason":
			into.Finish = r.Str(k)
		case "usage":
			into.Usage = usage(r)
		case "message", "Message":
			fault.Message(&r.Reader)
		case "error":
			fault.Read(&r.Reader)
		default:
			r.Skip()
		}
	})
	if err := r.End(); err != nil {
		return err
	}
	if !output && (fault.Said() || fault.Reported()) {
		into.Error, into.Faults = fault.Error(), fault.Texts()
	}
	return nil
}

// Event reads an event. What a stream says of its texts is read by Decoder: a client gets them in its own
// dialect only.
func (Codec) Event(_ llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0]}
	r := conversation.NewReader(payload)
	r.Each("the event", func(kind string) {
		switch kind {
		case blockStart, blockDelta:
			into.First = true
			r.Skip()
		case messageStart:
			into.Opening = true
			r.Skip()
		case messageStop:
			r.Each(kind, func(k string) {
				if k == "stopReason" {
					into.Finish = r.Str(k)
					return
				}
				r.Skip()
			})
		case metadata:
			into.End = true
			r.Each(kind, func(k string) {
				if k == "usage" {
					into.Usage = usage(r)
					return
				}
				r.Skip()
			})
		default:
			if code, ok := exceptions[kind]; ok {
				into.Error = exception(r, code)
				return
			}
			if kind == "error" { // in the shape in which a plugin reports one
				var fault dialect.Fault
				fault.Read(&r.Reader)
				into.Error, into.Faults = fault.Error(), fault.Texts()
				return
			}
			r.Skip()
		}
	})
	return r.End()
}

// exception reads what an exception says.
func exception(r *conversation.Reader, code llm.Code) *llm.Error {
	e := &llm.Error{Code: code}
	r.Each("an exception", func(k string) {
		switch k {
		case "message", "Message", "originalMessage":
			if s := r.Str(k); e.Message == "" {
				e.Message = s
			}
		default:
			r.Skip()
		}
	})
	if e.Quoted = e.Message != ""; !e.Quoted {
		e.Message = "the upstream reported an error"
	}
	return e
}

// Complete reports whether a stream that ended without an error is whole: behind why it stopped come the metadata, which
// are its usage.
func (Codec) Complete(e dialect.Ending) bool { return e.Terminated }

// usage reads a usage object. Input that was read from a cache or written to one is not in inputTokens.
func usage(r *conversation.Reader) *llm.Usage {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return nil
	}
	start := r.Pos()
	var input, output, read, written, long int64
	r.Each("usage", func(k string) {
		if r.Type() != dialect.TypeNumber && k != "cacheDetails" {
			r.Skip()
			return
		}
		switch k {
		case "inputTokens":
			input = dialect.ClampCount(r.Count(k))
		case "outputTokens":
			output = dialect.ClampCount(r.Count(k))
		case "cacheReadInputTokens":
			read = dialect.ClampCount(r.Count(k))
		case "cacheWriteInputTokens":
			written = dialect.ClampCount(r.Count(k))
		case "cacheDetails":
			long = hours(r)
		default:
			r.Skip()
		}
	})
	if r.Err() != nil {
		return nil
	}
	u := &llm.Usage{InputTotal: input + read + written, CacheRead: read, CacheWrite1h: min(long, written), OutputTotal: output}
	u.CacheWrite5m = written - u.CacheWrite1h
	u.Raw = append([]byte(nil), r.Bytes(dialect.Span{Start: start, End: r.Pos()})...)
	return u
}

// hours returns how many of the written tokens are kept for an hour.
func hours(r *conversation.Reader) (n int64) {
	r.Items("cacheDetails", func(int) {
		ttl, tokens := "", int64(0)
		r.Each("cacheDetails", func(k string) {
			switch k {
			case "ttl":
				ttl = r.Str(k)
			case "inputTokens":
				tokens = dialect.ClampCount(r.Count(k))
			default:
				r.Skip()
			}
		})
		if ttl == "1h" {
			n = dialect.ClampCount(n + tokens)
		}
	})
	return n
}
