package openai

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ rerank.Codec = Codec{}

// DecodeRerank reads a request in Jina's form, which servers of this dialect share. Texts are returned unless the
// client does not want them.
func (Codec) DecodeRerank(body []byte) (*rerank.Request, error) { return rerank.Decode(body, true) }

// EncodeRerank writes one. The texts are the client's own and need not come back.
func (Codec) EncodeRerank(q *rerank.Request) ([]byte, []conversation.Loss, error) {
	body, err := json.Marshal(struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      int64    `json:"top_n,omitempty"`
		Return    bool     `json:"return_documents"`
	}{q.Model, q.Query, q.Documents, q.TopN, false})
	return body, q.Lost(), err
}

// DecodeRanking reads an answer.
func (c Codec) DecodeRanking(body []byte) (*rerank.Answer, error) {
	found, err := conversation.ReadAnswer(c, llm.OpRerank, body)
	if err != nil {
		return nil, err
	}
	a := &rerank.Answer{Model: found.Model, Usage: found.Usage}
	a.Results, err = rerank.Results(body)
	return a, err
}

// EncodeRanking writes an answer for clients of Jina's form and of Cohere's first version, which has `meta` where this
// one has `usage`.
func (Codec) EncodeRanking(q *rerank.Request, a *rerank.Answer) []byte {
	w := &dialect.Writer{}
	w.Object()
	w.Text("id", a.ID)
	w.Text("object", "list")
	w.Text("model", a.Model)
	w.Key("results")
	rerank.WriteResults(w, q, a.Results)
	if a.Usage != nil {
		w.Key("usage")
		w.Object()
		w.Key("prompt_tokens")
		w.Int(a.Usage.InputTotal)
		w.Key("total_tokens")
		w.Int(a.Usage.InputTotal + a.Usage.OutputTotal)
		w.EndObject()
	}
	if a.Units != "" {
		w.Key("meta")
		w.Object()
		rerank.WriteUnits(w, a)
		w.EndObject()
	}
	w.EndObject()
	return w.Buf
}
