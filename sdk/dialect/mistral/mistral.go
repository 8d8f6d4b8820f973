// Package mistral reads and writes the wire format of Mistral's API, as a provider speaks it: OpenAI's Chat Completions
// and Embeddings with words and rules of its own. No client of the gateway speaks it: one that does is read as
// OpenAI's, and what it says in Mistral's words is kept.
//
// It is package openai with these differences. A request has `random_seed` for the seed, `max_tokens` for the limit and
// `tool_choice: any`; it has no `stream_options`, no names, no end user and no log probabilities, and a member that the
// API does not know is an error (422). A call's id is nine letters and digits. A document is a part `document_url`. An
// assistant's message that stands last is marked as a `prefix`, and none is without words and calls; a user's message
// does not follow a tool's. An answer's content may be a list of parts, of which
// `thinking` holds a list of texts, which go back to models that think, and `reference` no words; `model_length` is a reason to end. An error is
// {"object": "error", "message": ...}, {"detail": "words"} or {"detail": [{"loc": [...], "msg": "words"}]}. Sources: the
// vendor's OpenAPI description and recorded exchanges.
package mistral

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Codec implements dialect.Upstream, conversation.UpstreamCodec and embedding.UpstreamCodec. The zero value is ready.
type Codec struct{}

var (
	_ dialect.Upstream           = Codec{}
	_ conversation.UpstreamCodec = Codec{}
	_ embedding.UpstreamCodec    = Codec{}
)

// Name returns llm.Mistral.
func (Codec) Name() llm.Dialect { return llm.Mistral }

// Answer reads an answer, or an error.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	return openai.Codec{}.Answer(op, body, into)
}

// Event reads a chunk of a stream.
func (Codec) Event(op llm.Op, payload []byte, into *dialect.Event) error {
	return openai.Codec{}.Event(op, payload, into)
}

// Complete reports whether a stream that ended without an error is whole.
func (Codec) Complete(e dialect.Ending) bool { return openai.Codec{}.Complete(e) }

// DecodeAnswer reads an answer.
func (Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	a, err := openai.Codec{}.DecodeAnswer(body)
	if err != nil {
		return nil, err
	}
	for i := range a.Choices {
		a.Choices[i].Finish = finish(a.Choices[i].Finish)
	}
	return a, nil
}

// Decoder returns the reading half of a stream.
func (Codec) Decoder() conversation.StreamDecoder { return decoder{openai.Codec{}.Decoder()} }

type decoder struct{ conversation.StreamDecoder }

// Event reads a chunk.
func (d decoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	at := len(dst)
	dst, err := d.StreamDecoder.Event(payload, dst)
	for i := at; i < len(dst); i++ {
		dst[i].Finish = finish(dst[i].Finish)
	}
	return dst, err
}

// finish translates the reasons to end that OpenAI's dialect does not know.
func finish(f conversation.Finish) conversation.Finish {
	if f == "other:model_length" {
		return conversation.FinishContext
	}
	return f
}

// EncodeEmbeddings writes a request for embeddings: {model, input, encoding_format, output_dimension}.
func (Codec) EncodeEmbeddings(_ llm.Op, q *embedding.Request) ([]byte, []conversation.Loss, error) {
	body, err := json.Marshal(struct {
		Model      string   `json:"model"`
		Input      []string `json:"input"`
		Format     string   `json:"encoding_format"`
		Dimensions int64    `json:"output_dimension,omitempty"`
	}{q.Model, q.Inputs, "float", q.Dimensions})
	return body, q.Lost([2]string{"taskType", string(q.Task)}, [2]string{"title", q.Title}, [2]string{"user", q.User}), err
}

// DecodeVectors reads an answer.
func (Codec) DecodeVectors(op llm.Op, body []byte) (*embedding.Answer, error) {
	return openai.Codec{}.DecodeVectors(op, body)
}
