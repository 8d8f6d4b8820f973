// Package cohere reads and writes the wire format of Cohere's API, version 2: chat, with the events of its stream, and
// embeddings as a provider speaks them, and reranking, which clients of the gateway speak too.
//
// Sources: the vendor's API reference and recorded exchanges.
package cohere

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Codec implements dialect.Codec, of reranking only, and conversation.UpstreamCodec. The zero value is ready.
type Codec struct{}

var (
	_ conversation.UpstreamCodec = Codec{}
)

// Name returns llm.Cohere.
func (Codec) Name() llm.Dialect { return llm.Cohere }

// The types of a stream's events that mean something here.
const (
	messageStart  = "message-start"
	contentStart  = "content-start"
	contentDelta  = "content-delta"
	contentEnd    = "content-end"
	planDelta     = "tool-plan-delta"
	callStart     = "tool-call-start"
	callDelta     = "tool-call-delta"
	callEnd       = "tool-call-end"
	citationStart = "citation-start"
	messageEnd    = "message-end"
)

// kinds are what the vendor's error_type means, where its status does not say it.
var kinds = map[string]llm.Code{"TOO_MANY_TOKENS": llm.CodeInvalid, "RATE_LIMIT": llm.CodeRateLimited, "INVALID_REQUEST": llm.CodeInvalid}

// Answer reads an answer, or an error: an object whose message is a text.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	*into = dialect.Answer{Texts: into.Texts[:0]}
	r := conversation.NewReader(body)
	var fault dialect.Fault
	kind, answered := "", false
	r.Each("the answer", func(k string) {
		switch k {
		case "message", "detail":
			if k == "message" && r.Type() == dialect.TypeObject {
				answered = true
				r.Skip()
				return
			}
			fault.Message(&r.Reader)
		case "error":
			fault.Read(&r.Reader)
		case "error_type":
			kind = r.Str(k)
		case "finish_reason":
			into.Finish = r.Str(k)
		case "usage":
			into.Usage = usage(r)
		case "meta": // where there is no usage: of reranking and embeddings
			if u := usage(r); u != nil && u.InputTotal > 0 {
				into.Usage = u
			}
		case "results":
			if answered = true; op == llm.OpRerank { // of a client's own: perhaps its texts once more
				into.Texts = r.AppendStrings(into.Texts, dialect.Text{Channel: dialect.Channel{Kind: dialect.KindToolResult, Repeat: true}, Whole: true})
			} else {
				r.Skip()
			}
		default:
			r.Skip()
		}
	})
	if err := r.End(); err != nil {
		return err
	}
	if !answered && (fault.Said() || fault.Reported()) {
		into.Error, into.Faults = fault.Error(), fault.Texts()
		if code, ok := kinds[kind]; ok {
			into.Error.Code = code
		}
	}
	return nil
}

// Event reads an event. What a stream says of its texts is read by Decoder: a client gets them in its own
// dialect only.
func (Codec) Event(_ llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0]}
	if string(payload) == "[DONE]" {
		into.End = true
		return nil
	}
	r := conversation.NewReader(payload)
	var fault dialect.Fault
	kind := ""
	r.Each("the event", func(k string) {
		switch k {
		case "type":
			kind = r.Str(k)
		case "delta":
			if r.Type() != dialect.TypeObject {
				r.Skip()
				return
			}
			r.Each(k, func(k string) {
				switch k {
				case "finish_reason":
					into.Finish = r.Str(k)
				case "usage":
					into.Usage = usage(r)
				case "error":
					fault.Read(&r.Reader)
				default:
					r.Skip()
				}
			})
		case "message":
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
	into.First, into.Opening = kind != "" && kind != messageStart && kind != messageEnd, kind == messageStart
	if into.Error = finish(into.Finish).Usable(); fault.Said() || fault.Reported() {
		into.Error, into.Faults = fault.Error(), fault.Texts()
	}
	return nil
}

// Complete reports whether a stream that ended without an error is whole: it said why it stopped.
func (Codec) Complete(e dialect.Ending) bool { return e.Terminated || e.Finish != "" }

// usage reads a usage object: the tokens that the model saw, and where it does not say them, those that are
// billed.
func usage(r *conversation.Reader) *llm.Usage {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return nil
	}
	start := r.Pos()
	var billed, seen map[string]int64
	var cached int64
	r.Each("usage", func(k string) {
		switch {
		case k == "tokens":
			seen = counts(r)
		case k == "billed_units":
			billed = counts(r)
		case k == "cached_tokens" && r.Type() == dialect.TypeNumber:
			cached = number(r)
		default:
			r.Skip()
		}
	})
	if r.Err() != nil || seen == nil && billed == nil {
		return nil
	}
	if seen == nil {
		seen = billed
	}
	u := &llm.Usage{InputTotal: dialect.ClampCount(seen["input_tokens"] + seen["image_tokens"]), OutputTotal: seen["output_tokens"]}
	u.CacheRead, u.Reasoning = min(cached, u.InputTotal), min(seen["reasoning_tokens"], u.OutputTotal)
	u.Raw = append([]byte(nil), r.Bytes(dialect.Span{Start: start, End: r.Pos()})...)
	return u
}

// counts reads an object of numbers; what is none is left out.
func counts(r *conversation.Reader) map[string]int64 {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return nil
	}
	all := map[string]int64{}
	r.Each("tokens", func(k string) {
		if r.Type() != dialect.TypeNumber {
			r.Skip()
			return
		}
		all[k] = number(r)
	})
	return all
}

// number reads a count, which the vendor writes with a decimal point at times.
func number(r *conversation.Reader) int64 {
	n, _ := r.Int()
	return dialect.ClampCount(n)
}
