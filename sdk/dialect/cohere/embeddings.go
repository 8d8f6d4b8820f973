package cohere

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ embedding.UpstreamCodec = Codec{}

// inputTypes are the vendor's words for a task. It must be told one.
var inputTypes = map[embedding.Task]string{
	"": "search_document", embedding.Document: "search_document", embedding.Query: "search_query", "QUESTION_ANSWERING": "search_query",
	"FACT_VERIFICATION": "search_query", "CODE_RETRIEVAL_QUERY": "search_query", embedding.Classification: "classification", embedding.Clustering: "clustering",
}

// EncodeEmbeddings writes a request for embeddings.
func (Codec) EncodeEmbeddings(_ llm.Op, q *embedding.Request) ([]byte, []conversation.Loss, error) {
	kind, known := inputTypes[q.Task]
	if !known {
		return nil, nil, &llm.Error{Code: llm.CodeInvalid, Message: "`taskType`: the provider of this model has none like " + string(q.Task)}
	}
	body, err := json.Marshal(struct {
		Model     string   `json:"model"`
		Texts     []string `json:"texts"`
		InputType string   `json:"input_type"`
		Types     []string `json:"embedding_types"`
		Dimension int64    `json:"output_dimension,omitempty"`
	}{q.Model, q.Inputs, kind, []string{"float"}, q.Dimensions})
	return body, q.Lost([2]string{"user", q.User}, [2]string{"title", q.Title}), err
}

// DecodeVectors reads an answer.
func (c Codec) DecodeVectors(op llm.Op, body []byte) (*embedding.Answer, error) {
	if _, err := conversation.ReadAnswer(c, op, body); err != nil {
		return nil, err
	}
	var e struct {
		Embeddings struct {
			Float []json.RawMessage `json:"float"`
		} `json:"embeddings"`
		Meta struct {
			Billed *struct {
				Input float64 `json:"input_tokens"`
			} `json:"billed_units"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(body, &e); err != nil || len(e.Embeddings.Float) == 0 {
		return nil, conversation.Unreadable()
	}
	a := &embedding.Answer{}
	for _, v := range e.Embeddings.Float {
		v, err := embedding.Numbers(v)
		if err != nil {
			return nil, err
		}
		a.Vectors = append(a.Vectors, v)
	}
	if e.Meta.Billed != nil {
		a.Usage = &llm.Usage{InputTotal: int64(e.Meta.Billed.Input)}
	}
	return a, nil
}
