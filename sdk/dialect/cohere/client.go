package cohere

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/llm"
)

// What clients of the gateway speak of this dialect is its reranking. Chat and embeddings they ask for in others.

var _ dialect.Codec = Codec{}

// Endpoint knows the path of reranking, version 2, under any prefix.
func (Codec) Endpoint(method, path, _ string, _ llm.Header) (dialect.Endpoint, bool) {
	if method == "POST" && strings.HasSuffix(path, "/v2/rerank") {
		return dialect.Endpoint{Op: llm.OpRerank}, true
	}
	return dialect.Endpoint{}, false
}

// Request reads the body of one.
func (Codec) Request(_ llm.Op, body []byte, into *dialect.Request) error {
	return rerank.Spans(body, into)
}

// SetModel returns the splice that makes name the model of a body that Request has read.
func (Codec) SetModel(body []byte, read *dialect.Request, name string) (dialect.Span, []byte) {
	return dialect.SetModel(body, read, name)
}

// RequestID returns the field for the request's id. The vendor's SDKs look for none.
func (Codec) RequestID() string { return "x-request-id" }

// AppendError appends an error: {"id", "message", "error_type"}. The type is the gateway's own code.
func (Codec) AppendError(dst []byte, e *llm.Error, requestID string) []byte {
	w := dialect.Writer{Buf: dst}
	w.Object()
	w.Text("id", requestID)
	w.Key("message")
	w.String(e.Message)
	w.Text("error_type", string(e.Code))
	w.EndObject()
	return w.Buf
}

// AppendErrorEvent appends an event with the same object. Reranking does not stream.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	return append(c.AppendError(append(dst, "data: "...), e, requestID), "\n\n"...)
}

// AppendModels appends a list of models.
func (c Codec) AppendModels(dst []byte, models []dialect.Model) []byte {
	dst = append(dst, `{"models":[`...)
	for i, m := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.AppendModel(dst, m)
	}
	return append(dst, "]}"...)
}

// AppendModel appends a model object.
func (Codec) AppendModel(dst []byte, m dialect.Model) []byte {
	w := dialect.Writer{Buf: dst}
	w.Object()
	w.Key("name")
	w.String(m.Name)
	w.EndObject()
	return w.Buf
}
