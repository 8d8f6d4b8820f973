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
	lost, err := q.Lost()
	if err != nil {
		return nil, nil, err
	}
	kind, known := inputTypes[q.Task]
	if !known {
		return nil, nil, &llm.Error{Code: llm.CodeInvalid, Message: "`taskType`: the provider of this model has none like " + string(q.Task)}
	}
	for field, value := range map[string]string{"user": q.User, "title": q.Title} {
		if value != "" {
			lost = append(lost, conversation.Loss{Field: field, Why: "Cohere has no place for it"})
		}
	}
	body, err := json.Marshal(struct {
		Model     string   `json:"model"`
		Texts     []string `json:"texts"`
		InputType string   `json:"input_type"`
		Types     []string `json:"embedding_types"`
		Dimension int64    `json:"output_dimension,omitempty"`
	}{q.Model, q.Inputs, kind, []string{"float"}, q.Dimensions})
	return body, lost, err
}

// DecodeVectors reads an answer.
func (c Codec) DecodeVectors(_ llm.Op, body []byte) (*embedding.Answer, error) {
	var e struct {
		ID         string `json:"id"`
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
		return nil, embedding.Unreadable()
	}
	a := &embedding.Answer{ID: e.ID, Vectors: e.Embeddings.Float}
	if e.Meta.Billed != nil {
		a.Usage = &llm.Usage{InputTotal: int64(e.Meta.Billed.Input)}
	}
	return a, nil
}
