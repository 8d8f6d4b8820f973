// Package openai reads and writes the wire format of OpenAI's Chat Completions, Embeddings and
// Models, and of the older completions, moderations, images, speech, reranking, files and batches beside them, with the deviations of the vendors that offer it: spans of requests, answers and stream
// events, errors in its shape, and the splices that a gateway makes.
//
// It re-marshals nothing and knows no transport. The Responses format is another dialect.
package openai

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The blocks of texts that repeat another one's words: a channel of their own keeps a filter from
// reading both as one text.
const (
	blockReasoning = -1 // "reasoning", beside or instead of "reasoning_content"
	blockDetails   = -2 // "reasoning_details"
	blockMessage   = -3 // "message" beside "delta", the whole answer so far
	blockTools     = -4 // "executed_tools", tools that the vendor ran itself
	blockAudio     = -5 // the transcript of spoken words
	blockText      = -6 // "text" of a choice: an older completion's, or beside a "delta" once more
)

// Codec implements dialect.Codec. The zero value is ready.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name returns llm.OpenAI.
func (Codec) Name() llm.Dialect { return llm.OpenAI }

// Endpoint knows the paths of Chat Completions, Embeddings, Models, Realtime and the surfaces beside them under any
// prefix.
func (Codec) Endpoint(method, path, query string, h llm.Header) (dialect.Endpoint, bool) {
	if e, ok := kept(method, path, h); ok {
		return e, true
	}
	switch {
	case method == "POST" && strings.HasSuffix(path, "/chat/completions"):
		return dialect.Endpoint{Op: llm.OpChat}, true
	case method == "POST" && strings.HasSuffix(path, "/embeddings"):
		return dialect.Endpoint{Op: llm.OpEmbeddings}, true
	case method == "POST":
		if op := surface(path); op != "" {
			e := dialect.Endpoint{Op: op}
			if uploads(op) {
				e.Boundary = dialect.Boundary(h)
			}
			return e, true
		}
	case method == "GET" && strings.HasSuffix(path, "/realtime"):
		return dialect.Endpoint{Op: llm.OpRealtime, Model: realtimeModel(query)}, true
	case method == "GET" && strings.HasSuffix(path, "/models"):
		return dialect.Endpoint{Op: llm.OpModels}, true
	case method == "GET":
		if _, name, ok := strings.Cut(path, "/models/"); ok && name != "" {
			return dialect.Endpoint{Op: llm.OpModels, Model: name}, true
		}
	}
	return dialect.Endpoint{}, false
}

// Request reads a body; the list of models has none.
func (Codec) Request(op llm.Op, body []byte, into *dialect.Request) error {
	model := into.Model
	*into = dialect.Request{Texts: into.Texts[:0], Boundary: into.Boundary}
	if op == llm.OpFiles && len(body) == 0 || op == llm.OpBatches {
		return nil
	}
	if op == llm.OpFiles || uploads(op) && (into.Boundary != "" || !bytes.HasPrefix(body, []byte("{"))) {
		q := requestReader{into: into}
		if err := q.upload(body); err != nil {
			return err
		}
		into.Model, into.IncludeUsage = string(body[into.ModelSpan.Start:into.ModelSpan.End]), true
		return nil
	}
	switch {
	case op == llm.OpModels, op == llm.OpOther, op == llm.OpRealtime && len(body) == 0:
		return nil
	case op == llm.OpRerank:
		into.Model = model
		return rerank.Spans(body, into)
	}
	if !utf8.Valid(body) {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body is not valid JSON: it is not UTF-8"}
	}
	q := requestReader{Reader: dialect.NewReader(body), into: into}
	if q.Type() != dialect.TypeObject {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object"}
	}
	switch op {
	case llm.OpEmbeddings:
		q.embeddings()
	case llm.OpCompletions, llm.OpModerations, llm.OpImages, llm.OpSpeech, llm.OpImageEdits, llm.OpImageVariations, llm.OpTranscriptions, llm.OpTranslations:
		q.surface(op)
	case llm.OpRealtime:
		q.realtime()
	default:
		q.chat()
	}
	if err := q.End(); err != nil {
		return err
	}
	into.Model = dialect.TextOf(body[into.ModelSpan.Start:into.ModelSpan.End], model)
	return nil
}

// SetModel returns the splice that makes name the model of a body that Request has read.
func (Codec) SetModel(body []byte, read *dialect.Request, name string) (dialect.Span, []byte) {
	if read.Boundary != "" {
		return read.ModelSpan, []byte(name)
	}
	return dialect.SetModel(body, read, name)
}

// Complete reports whether a stream that ended without an error is whole: it had its terminator, or, from a vendor that
// sends none (Perplexity), a finish reason of each choice, and its usage, which comes last where it comes alone.
func (Codec) Complete(e dialect.Ending) bool {
	return e.Terminated || e.Finish != "" && e.Used && !e.Open()
}

// RequestID returns the field that OpenAI's SDKs read.
func (Codec) RequestID() string { return "x-request-id" }

// AppendModels appends a list of models.
func (c Codec) AppendModels(dst []byte, models []dialect.Model) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
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
	dst = append(dst, `{"id":"`...)
	dst = dialect.AppendQuoted(dst, []byte(m.Name))
	dst = append(dst, `","object":"model","created":`...)
	dst = strconv.AppendInt(dst, m.Created, 10)
	return append(dst, `,"owned_by":"ginnel"}`...)
}
