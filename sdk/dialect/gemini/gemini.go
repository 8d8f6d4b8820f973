// Package gemini reads and writes the wire format of Google's Gemini API: generateContent,
// streamGenerateContent in both its forms, countTokens, embedContent, batchEmbedContents and the list
// of models, as AI Studio and Vertex AI have them: spans of requests, answers and stream events, errors
// in its shape, and the splices that a gateway makes.
//
// It re-marshals nothing and knows no transport. Every key may be written in camel case or in snake
// case, as the JSON form of protocol buffers has it; an object with both is refused.
package gemini

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// modelPrefix stands before a model's name in a body.
const modelPrefix = "models/"

// Codec implements dialect.Codec. The zero value is ready.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name returns llm.Gemini.
func (Codec) Name() llm.Dialect { return llm.Gemini }

// Endpoint knows models/{model}:{verb} under any prefix, and the list of models under /v1beta; under
// another prefix that list is Gemini's where the key comes as Google's clients send it.
func (Codec) Endpoint(method, path, query string, h llm.Header) (dialect.Endpoint, bool) {
	switch method {
	case "GET":
		return list(path, query, h)
	case "POST":
		return call(path, query)
	}
	return dialect.Endpoint{}, false
}

// list reads the path of the list of models, or of one of them.
func list(path, query string, h llm.Header) (dialect.Endpoint, bool) {
	prefix, name, found := strings.Cut(path, "/models/")
	if !found {
		if prefix, found = strings.CutSuffix(path, "/models"); !found {
			return dialect.Endpoint{}, false
		}
	} else if name == "" {
		return dialect.Endpoint{}, false
	}
	if !strings.HasSuffix(prefix, "/v1beta") && h.Get("x-goog-api-key") == "" && h.Get("x-goog-api-client") == "" {
		return dialect.Endpoint{}, false
	}
	name, err := url.PathUnescape(name)
	e := dialect.Endpoint{Op: llm.OpModels, Model: name}
	_, e.Query = readQuery(query, "pageSize", "pageToken")
	return e, err == nil
}

// call reads the path of a call of a model.
func call(path, query string) (dialect.Endpoint, bool) {
	at := strings.LastIndex(path, "/models/")
	if at < 0 {
		return dialect.Endpoint{}, false
	}
	name, err := url.PathUnescape(path[at+len("/models/"):])
	colon := strings.LastIndexByte(name, ':')
	if err != nil || colon <= 0 {
		return dialect.Endpoint{}, false
	}
	e := dialect.Endpoint{Model: name[:colon]}
	alt, rest := readQuery(query)
	e.Query = rest
	switch name[colon+1:] {
	case "generateContent":
		e.Op = llm.OpChat
	case "streamGenerateContent":
		e.Op, e.Stream = llm.OpChat, true
		if alt != "sse" {
			e.Framing = dialect.JSONArray
		}
	case "countTokens":
		e.Op = llm.OpCountTokens
	case "embedContent":
		e.Op = llm.OpEmbeddings
	case "batchEmbedContents":
		e.Op = llm.OpBatchEmbeddings
	default:
		return dialect.Endpoint{}, false
	}
	return e, true
}

// readQuery returns the value of "alt", which says how an answer is written, and what of the query goes
// on: that parameter, the first one where there are more, and the ones named in also.
func readQuery(query string, also ...string) (alt, rest string) {
	seen := false
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			continue
		}
		switch name {
		case "alt", "$alt":
			value, err := url.QueryUnescape(value)
			if seen || err != nil {
				continue
			}
			seen, alt = true, value
		default:
			if !contains(also, name) {
				continue
			}
		}
		if rest != "" {
			rest += "&"
		}
		rest += part
	}
	return alt, rest
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Request reads the body of a request; the list of models has none.
func (Codec) Request(op llm.Op, body []byte, into *dialect.Request) error {
	model := into.Model
	*into = dialect.Request{Texts: into.Texts[:0], MoreModels: into.MoreModels[:0]}
	switch op {
	case llm.OpChat, llm.OpCountTokens, llm.OpEmbeddings, llm.OpBatchEmbeddings:
	default:
		return nil
	}
	if !utf8.Valid(body) {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body is not valid JSON: it is not UTF-8"}
	}
	q := requestReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts}, into: into, known: model}
	if q.Type() != dialect.TypeObject {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object"}
	}
	q.request(true)
	into.Texts, into.Unseen, into.Files = q.texts, q.unseen, q.files
	return q.End()
}

// SetModel returns the splice that makes name the model where the body has one; the path always does.
func (Codec) SetModel(_ []byte, read *dialect.Request, name string) (dialect.Span, []byte) {
	if read.ModelSpan.Start == 0 {
		return dialect.Span{}, nil
	}
	return read.ModelSpan, dialect.AppendQuoted(nil, []byte(name))
}

// Complete reports whether a stream that ended without an error is whole: each candidate had a finish reason, or it was
// said why the prompt was blocked. The dialect has no terminator of its own; a stream that is an array
// needs its closing bracket besides, which its framer tells.
func (Codec) Complete(e dialect.Ending) bool { return e.Finish != "" && !e.Open() }

// RequestID returns the field that says the request's id. Google's SDKs read none.
func (Codec) RequestID() string { return "x-request-id" }

// AppendModels appends a list of models, in one page.
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

// AppendModel appends a model object. What the model supports is its upstream's business: listed is
// what the gateway relays.
func (Codec) AppendModel(dst []byte, m dialect.Model) []byte {
	dst = append(dst, `{"name":"`+modelPrefix...)
	dst = dialect.AppendQuoted(dst, []byte(m.Name))
	dst = append(dst, `","displayName":"`...)
	dst = dialect.AppendQuoted(dst, []byte(m.Name))
	return append(dst, `","supportedGenerationMethods":["generateContent","countTokens","embedContent","batchEmbedContents"]}`...)
}
