// Package responses reads and writes the wire format of OpenAI's Responses: spans of requests, answers
// and stream events, every repetition of a text included, and the error event of its streams. Whole
// errors and the list of models are as in package openai, whose codec this one extends.
//
// It re-marshals nothing and knows no transport. Responses that are stored can be fetched, cancelled and deleted, and what
// they were asked can be listed; there are conversations and their items, containers and their files, and what the gateway is sent can be compacted.
package responses

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The blocks of an output item that have no index of their own. A content part's block is its
// content_index, a summary part's is -1 less its summary_index, a tool call's is 0 and a shell
// command's its index; of that command's output, stdout is twice the index and stderr one more.
const (
	blockTranscript = math.MinInt16     // the words of spoken audio, which belong to no item
	blockUnknown    = math.MinInt16 + 1 // the delta of an event that is not known
)

// Codec implements dialect.Codec. The zero value is ready.
type Codec struct{ openai.Codec }

var (
	_ dialect.Codec    = Codec{}
	_ dialect.Numbered = Codec{}
)

// Name returns llm.Responses.
func (Codec) Name() llm.Dialect { return llm.Responses }

// Endpoint knows the paths that make a response, are about a stored one, a conversation or a container, count a request's tokens or
// compact it, under any prefix.
func (Codec) Endpoint(method, path, query string, h llm.Header) (dialect.Endpoint, bool) {
	switch {
	case method == "POST" && strings.HasSuffix(path, "/responses"):
		return dialect.Endpoint{Op: llm.OpChat}, true
	case method == "POST" && strings.HasSuffix(path, "/responses/input_tokens"):
		return dialect.Endpoint{Op: llm.OpCountTokens}, true
	case method == "POST" && strings.HasSuffix(path, "/responses/compact"):
		return dialect.Endpoint{Op: llm.OpCompact}, true
	}
	return stored(method, path, query, h)
}

// Request reads the body of a request for a response, for the count of its tokens or less of them, for a conversation or a container.
func (c Codec) Request(op llm.Op, body []byte, into *dialect.Request) error {
	model, boundary := into.Model, into.Boundary
	*into = dialect.Request{Texts: into.Texts[:0]}
	switch {
	case op == llm.OpChat, op == llm.OpCountTokens, op == llm.OpCompact:
	case op != llm.OpConversations && op != llm.OpContainers || len(body) == 0:
		return nil
	case boundary != "":
		into.Boundary = boundary
		return c.Codec.Request(llm.OpFiles, body, into)
	}
	if !utf8.Valid(body) {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body is not valid JSON: it is not UTF-8"}
	}
	q := requestReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts, compacts: op == llm.OpCompact}, into: into}
	if q.Type() != dialect.TypeObject {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object"}
	}
	switch op {
	case llm.OpConversations:
		q.talk()
	case llm.OpContainers:
		q.container()
	default:
		q.read()
	}
	if err := q.End(); err != nil {
		return err
	}
	into.Texts, into.Unseen, into.Further, into.Files, into.Items = q.texts, q.unseen, q.further, q.files, q.items
	into.Compactions = q.compactions
	into.Model = dialect.TextOf(body[into.ModelSpan.Start:into.ModelSpan.End], model)
	return nil
}

// Complete reports whether a stream that ended without an error is whole: only where its last event
// came.
func (Codec) Complete(e dialect.Ending) bool { return e.Terminated }

// AppendErrorEvent appends the stream's error event. Beside the members that the event is specified
// with it has the error object of a whole error: the official SDKs raise on that and pass an event
// without it on as one more. Its number is that of a stream that has not begun.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	return c.AppendErrorNumbered(dst, e, requestID, 0)
}

// AppendErrorNumbered implements dialect.Numbered.
func (c Codec) AppendErrorNumbered(dst []byte, e *llm.Error, requestID string, number int64) []byte {
	whole := c.AppendError(nil, e, requestID)
	dst = append(dst, "event: error\ndata: {\"type\":\"error\",\"code\":\""...)
	dst = append(dst, openai.ErrorCode(e)...)
	dst = append(dst, `","message":"`...)
	dst = dialect.AppendQuoted(dst, []byte(e.Message))
	dst = append(dst, `","param":null,"sequence_number":`...)
	dst = append(strconv.AppendInt(dst, number, 10), ',')
	return append(append(dst, whole[1:]...), "\n\n"...)
}
