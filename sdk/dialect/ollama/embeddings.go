package ollama

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ embedding.UpstreamCodec = Codec{}

// EncodeEmbeddings writes a request of /api/embed: {model, input, truncate, dimensions}. A text that is longer than
// the model can read is an error and not cut, as with other vendors.
func (Codec) EncodeEmbeddings(_ llm.Op, q *embedding.Request) ([]byte, []conversation.Loss, error) {
	body, err := json.Marshal(struct {
		Model      string   `json:"model"`
		Input      []string `json:"input"`
		Truncate   bool     `json:"truncate"`
		Dimensions int64    `json:"dimensions,omitempty"`
	}{q.Model, q.Inputs, false, q.Dimensions})
	return body, q.Lost([2]string{"taskType", string(q.Task)}, [2]string{"title", q.Title}, [2]string{"user", q.User}), err
}

// DecodeVectors reads an answer: {model, embeddings: [[numbers]], prompt_eval_count}.
func (c Codec) DecodeVectors(op llm.Op, body []byte) (*embedding.Answer, error) {
	found, err := conversation.ReadAnswer(c, op, body)
	if err != nil {
		return nil, err
	}
	var e struct {
		Model      string            `json:"model"`
		Embeddings []json.RawMessage `json:"embeddings"`
	}
	if err := json.Unmarshal(body, &e); err != nil || len(e.Embeddings) == 0 {
		return nil, conversation.Unreadable()
	}
	a := &embedding.Answer{Model: e.Model, Usage: found.Usage}
	for _, v := range e.Embeddings {
		v, err := embedding.Numbers(v)
		if err != nil {
			return nil, err
		}
		a.Vectors = append(a.Vectors, v)
	}
	return a, nil
}
