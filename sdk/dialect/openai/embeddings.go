package openai

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ embedding.Codec = Codec{}

// inputTypes are the tasks by the word that Cohere has for them, and with it the many servers whose clients add it
// to a request of OpenAI's.
var inputTypes = map[string]embedding.Task{
	"search_query": embedding.Query, "query": embedding.Query, "search_document": embedding.Document, "document": embedding.Document, "passage": embedding.Document,
	"classification": embedding.Classification, "clustering": embedding.Clustering,
}

// DecodeEmbeddings reads a request for embeddings.
func (Codec) DecodeEmbeddings(_ llm.Op, body []byte) (*embedding.Request, error) {
	q := &embedding.Request{}
	r := conversation.NewReader(body)
	r.Each("the request", func(key string) {
		switch key {
		case "model":
			q.Model = r.Str(key)
		case "input":
			q.Inputs = inputs(r)
		case "dimensions":
			q.Dimensions = r.Count(key)
		case "user":
			q.User = r.Str(key)
		case "encoding_format":
			switch r.Str(key) {
			case "base64":
				q.Binary = true
			case "float", "":
			default:
				r.Refuse("`encoding_format` must be float or base64")
			}
		default:
			raw := r.Raw()
			var word string
			if key == "input_type" && json.Unmarshal(raw, &word) == nil && inputTypes[word] != "" {
				q.Task = inputTypes[word]
			} else if raw != nil {
				q.Other = append(q.Other, key)
			}
		}
	})
	return q, r.End()
}

// inputs reads a text or a list of them.
func inputs(r *conversation.Reader) (all []string) {
	const tokens = "`input`: the numbers of tokens mean something to one vendor's models only; send texts"
	switch r.Type() {
	case dialect.TypeString:
		return []string{r.Str("input")}
	case dialect.TypeArray:
		r.Items("input", func(int) {
			if r.Type() != dialect.TypeString {
				r.Refuse(tokens)
				return
			}
			all = append(all, r.Str("input"))
		})
	default:
		r.Refuse("`input` must be a text or a list of texts")
	}
	return all
}

// EncodeEmbeddings writes a request for embeddings.
func (Codec) EncodeEmbeddings(_ llm.Op, q *embedding.Request) ([]byte, []conversation.Loss, error) {
	body, err := json.Marshal(struct {
		Model      string   `json:"model"`
		Input      []string `json:"input"`
		Format     string   `json:"encoding_format"`
		Dimensions int64    `json:"dimensions,omitempty"`
		User       string   `json:"user,omitempty"`
	}{q.Model, q.Inputs, "float", q.Dimensions, q.User})
	return body, q.Lost([2]string{"taskType", string(q.Task)}, [2]string{"title", q.Title}), err
}

// vectorList is an answer.
type vectorList struct {
	Object string       `json:"object"`
	Data   []vectorItem `json:"data"`
	Model  string       `json:"model"`
	Usage  vectorUsage  `json:"usage"`
}

type vectorItem struct {
	Object    string          `json:"object"`
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

type vectorUsage struct {
	Prompt int64 `json:"prompt_tokens"`
	Total  int64 `json:"total_tokens"`
}

// DecodeVectors reads an answer. Its vectors may stand in any order.
func (c Codec) DecodeVectors(op llm.Op, body []byte) (*embedding.Answer, error) {
	found, err := conversation.ReadAnswer(c, op, body)
	if err != nil {
		return nil, err
	}
	var l vectorList
	if err := json.Unmarshal(body, &l); err != nil || len(l.Data) == 0 {
		return nil, conversation.Unreadable()
	}
	a := &embedding.Answer{Model: l.Model, Usage: found.Usage, Vectors: make([]json.RawMessage, len(l.Data))}
	for _, item := range l.Data {
		if item.Index < 0 || item.Index >= len(a.Vectors) || a.Vectors[item.Index] != nil {
			return nil, conversation.Unreadable()
		}
		v, err := embedding.Numbers(item.Embedding)
		if err != nil {
			return nil, err
		}
		a.Vectors[item.Index] = v
	}
	return a, nil
}

// EncodeVectors writes an answer. Where nobody told the usage it is 0: SDKs read it without asking.
func (Codec) EncodeVectors(_ llm.Op, q *embedding.Request, a *embedding.Answer) ([]byte, error) {
	l := vectorList{Object: "list", Model: a.Model, Data: make([]vectorItem, len(a.Vectors))}
	for i, v := range a.Vectors {
		if q.Binary {
			text, err := embedding.Base64(v)
			if err != nil {
				return nil, err
			}
			v = json.RawMessage(`"` + text + `"`)
		}
		l.Data[i] = vectorItem{"embedding", i, v}
	}
	if a.Usage != nil {
		l.Usage = vectorUsage{a.Usage.InputTotal, a.Usage.InputTotal}
	}
	return json.Marshal(l)
}
