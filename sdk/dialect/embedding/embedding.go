// Package embedding is the model between the dialects for embeddings: texts that become vectors. What package
// conversation is for conversations it is for these, and the same holds: what a dialect cannot express is refused
// with the field's name, or left out and listed.
//
// Numbers stay as the provider wrote them, but for a client that asks for them in binary.
package embedding

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Request is texts to be turned into vectors, one for each.
type Request struct {
	Model      string
	Inputs     []string
	Dimensions int64 // of a vector; 0 = the model's own
	Task       Task  // "" = not said
	Title      string
	User       string
	Binary     bool // the vectors are wanted in base64 of little-endian 32-bit floats

	Other []string // the names of what the source said besides
}

// Task is what the vectors are for, in Google's words.
type Task string

// The tasks that more than one vendor knows.
const (
	Query          Task = "RETRIEVAL_QUERY"
	Document       Task = "RETRIEVAL_DOCUMENT"
	Classification Task = "CLASSIFICATION"
	Clustering     Task = "CLUSTERING"
)

// Answer is the vectors, in the order of the inputs.
type Answer struct {
	Model   string
	Vectors []json.RawMessage // each an array of numbers
	Usage   *llm.Usage        // nil = not told
}

// UpstreamCodec translates embeddings of a dialect that providers speak. It keeps no state and is safe for
// concurrent use. Errors are *llm.Error; those of encoding have CodeInvalid and name the field.
type UpstreamCodec interface {
	// EncodeEmbeddings writes a request for the operation, which is one of the dialect's.
	EncodeEmbeddings(op llm.Op, r *Request) (body []byte, lost []conversation.Loss, err error)
	// DecodeVectors reads an answer.
	DecodeVectors(op llm.Op, body []byte) (*Answer, error)
}

// Codec translates those of a dialect that clients speak, too.
type Codec interface {
	UpstreamCodec
	// DecodeEmbeddings reads a request that the dialect's codec has read before.
	DecodeEmbeddings(op llm.Op, body []byte) (*Request, error)
	// EncodeVectors writes the answer to a request.
	EncodeVectors(op llm.Op, r *Request, a *Answer) ([]byte, error)
}

// Lost lists what a target has no place for: what nobody knows, and of the fields given here by name those that have
// a value.
func (r *Request) Lost(fields ...[2]string) (lost []conversation.Loss) {
	for _, name := range r.Other {
		lost = append(lost, conversation.Loss{Field: name, Why: "the provider has no place for it"})
	}
	for _, f := range fields {
		if f[1] != "" {
			lost = append(lost, conversation.Loss{Field: f[0], Why: "the provider has no place for it"})
		}
	}
	return lost
}

// Base64 returns a vector's numbers as little-endian 32-bit floats in base64, as OpenAI's clients read them.
func Base64(vector json.RawMessage) (string, error) {
	var numbers []float64
	if err := json.Unmarshal(vector, &numbers); err != nil {
		return "", conversation.Unreadable()
	}
	raw := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(n)))
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// Numbers reads a vector that may be written either way.
func Numbers(vector json.RawMessage) (json.RawMessage, error) {
	if len(vector) > 0 && vector[0] == '[' {
		return vector, nil
	}
	var text string
	if err := json.Unmarshal(vector, &text); err != nil {
		return nil, conversation.Unreadable()
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 || len(raw)%4 != 0 {
		return nil, conversation.Unreadable()
	}
	numbers := make([]float32, len(raw)/4)
	for i := range numbers {
		numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	out, err := json.Marshal(numbers)
	if err != nil { // not a number
		return nil, conversation.Unreadable()
	}
	return out, nil
}
