package cohere

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ rerank.Codec = Codec{}

// DecodeRerank reads a request. Texts are returned only where it says so, as the first version of the API did.
func (Codec) DecodeRerank(body []byte) (*rerank.Request, error) { return rerank.Decode(body, false) }

// EncodeRerank writes one: {model, query, documents, top_n}.
func (Codec) EncodeRerank(q *rerank.Request) ([]byte, []conversation.Loss, error) {
	body, err := json.Marshal(struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      int64    `json:"top_n,omitempty"`
	}{q.Model, q.Query, q.Documents, q.TopN})
	return body, q.Lost(), err
}

// DecodeRanking reads an answer: {id, results, meta: {billed_units, tokens}}.
func (c Codec) DecodeRanking(body []byte) (*rerank.Answer, error) {
	found, err := conversation.ReadAnswer(c, llm.OpRerank, body)
	if err != nil {
		return nil, err
	}
	var e struct {
		ID   string `json:"id"`
		Meta struct {
			Billed struct {
				Units json.Number `json:"search_units"`
			} `json:"billed_units"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, conversation.Unreadable()
	}
	a := &rerank.Answer{ID: e.ID, Usage: found.Usage, Units: conversation.Number(e.Meta.Billed.Units)}
	a.Results, err = rerank.Results(body)
	return a, err
}

// EncodeRanking writes an answer.
func (Codec) EncodeRanking(q *rerank.Request, a *rerank.Answer) []byte {
	w := &dialect.Writer{}
	w.Object()
	w.Key("id")
	w.String(a.ID)
	w.Key("results")
	rerank.WriteResults(w, q, a.Results)
	w.Key("meta")
	w.Object()
	w.Key("api_version")
	w.Raw([]byte(`{"version":"2"}`))
	rerank.WriteUnits(w, a)
	if a.Usage != nil {
		w.Key("tokens")
		w.Object()
		w.Key("input_tokens")
		w.Int(a.Usage.InputTotal)
		w.EndObject()
	}
	w.EndObject()
	w.EndObject()
	return w.Buf
}
