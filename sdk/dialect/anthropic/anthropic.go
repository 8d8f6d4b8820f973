// Package anthropic reads and writes the wire format of Anthropic's Messages: spans of requests,
// answers and stream events, errors in its shape, and the splices that a gateway makes. Counting
// tokens and the list of models belong to it.
//
// It re-marshals nothing and knows no transport. Sources: the vendor's API reference and the types of
// its SDKs, and recorded exchanges where the two say less than the wire.
package anthropic

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Codec implements dialect.Codec. The zero value is ready.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name returns llm.Anthropic.
func (Codec) Name() llm.Dialect { return llm.Anthropic }

// Endpoint knows the paths of Messages under any prefix, and those of Models where the request has
// the header field that Anthropic's clients send: the same paths are OpenAI's.
func (Codec) Endpoint(method, path, query string, h llm.Header) (dialect.Endpoint, bool) {
	e := dialect.Endpoint{Query: beta(query)}
	switch {
	case method == "POST" && strings.HasSuffix(path, "/v1/messages"):
		e.Op = llm.OpChat
		return e, true
	case method == "POST" && strings.HasSuffix(path, "/v1/messages/count_tokens"):
		e.Op = llm.OpCountTokens
		return e, true
	case method != "GET" || h.Get("anthropic-version") == "":
		return dialect.Endpoint{}, false
	case strings.HasSuffix(path, "/models"):
		e.Op = llm.OpModels
		return e, true
	}
	if _, name, ok := strings.Cut(path, "/models/"); ok && name != "" {
		e.Op, e.Model = llm.OpModels, name
		return e, true
	}
	return dialect.Endpoint{}, false
}

// beta returns what of a query goes to the upstream: that the client speaks the beta form.
func beta(query string) string {
	const param = "beta=true"
	for rest := query; rest != ""; {
		var part string
		if part, rest, _ = strings.Cut(rest, "&"); part == param {
			return param
		}
	}
	return ""
}

// Request reads the body of a message or of one whose tokens are to be counted; other operations have
// none to read.
func (Codec) Request(op llm.Op, body []byte, into *dialect.Request) error {
	model := into.Model
	*into = dialect.Request{Texts: into.Texts[:0], Unstored: true}
	if op != llm.OpChat && op != llm.OpCountTokens {
		return nil
	}
	if !utf8.Valid(body) {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body is not valid JSON: it is not UTF-8"}
	}
	q := requestReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts}, into: into}
	if q.Type() != dialect.TypeObject {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object"}
	}
	q.request()
	if err := q.End(); err != nil {
		return err
	}
	into.Texts, into.Unseen, into.Further, into.Files = q.texts, q.hidden, q.further, q.files
	into.IncludeUsage = into.Stream // a stream always tells it
	into.Model = dialect.TextOf(body[into.ModelSpan.Start:into.ModelSpan.End], model)
	return nil
}

// SetModel returns the splice that makes name the model of a body that Request has read.
func (Codec) SetModel(body []byte, read *dialect.Request, name string) (dialect.Span, []byte) {
	return dialect.SetModel(body, read, name)
}

// Complete reports whether a stream that ended without an error is whole: only message_stop says so.
func (Codec) Complete(e dialect.Ending) bool { return e.Terminated }

// RequestID returns the field that Anthropic's SDKs read.
func (Codec) RequestID() string { return "request-id" }

// AppendModels appends a page of models, the only one.
func (c Codec) AppendModels(dst []byte, models []dialect.Model) []byte {
	dst = append(dst, `{"data":[`...)
	for i, m := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.AppendModel(dst, m)
	}
	dst = append(dst, `],"has_more":false,"first_id":`...)
	if len(models) == 0 {
		return append(dst, `null,"last_id":null}`...)
	}
	dst = appendString(dst, models[0].Name)
	dst = append(dst, `,"last_id":`...)
	return append(appendString(dst, models[len(models)-1].Name), '}')
}

// AppendModel appends a model object.
func (Codec) AppendModel(dst []byte, m dialect.Model) []byte {
	dst = append(dst, `{"type":"model","id":`...)
	dst = appendString(dst, m.Name)
	dst = append(dst, `,"display_name":`...)
	dst = appendString(dst, m.Name)
	dst = append(dst, `,"created_at":"`...)
	dst = time.Unix(m.Created, 0).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, `"}`...)
}

func appendString(dst []byte, s string) []byte {
	return append(dialect.AppendQuoted(append(dst, '"'), []byte(s)), '"')
}
