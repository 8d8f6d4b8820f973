package gemini

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ embedding.Codec = Codec{}

// DecodeEmbeddings reads a request for one text, or for a list of them that are all to be embedded alike.
func (Codec) DecodeEmbeddings(op llm.Op, body []byte) (*embedding.Request, error) {
	r := conversation.NewReader(body)
	if op != llm.OpBatchEmbeddings {
		q := embedOne(r)
		return q, r.End()
	}
	var all *embedding.Request
	r.Each("the request", func(key string) {
		if key != "requests" {
			r.Skip()
			return
		}
		r.Items(key, func(i int) {
			q := embedOne(r)
			switch {
			case all == nil:
				all = q
			case q.Task != all.Task || q.Title != all.Title || q.Dimensions != all.Dimensions:
				r.Refuse(fmt.Sprintf("`requests[%d]`: the provider of this model embeds all texts of a request alike", i))
			default:
				all.Inputs = append(all.Inputs, q.Inputs...)
				all.Other = append(all.Other, q.Other...)
			}
		})
	})
	if all == nil {
		r.Refuse("`requests` must be a list of requests")
	}
	return all, r.End()
}

// embedOne reads the request for one text.
func embedOne(r *conversation.Reader) *embedding.Request {
	q := &embedding.Request{}
	member := func(key string) {
		switch key {
		case "model":
			q.Model = strings.TrimPrefix(r.Str(key), modelPrefix)
		case "content":
			q.Inputs = []string{embedText(r)}
		case "taskType", "task_type":
			q.Task = embedding.Task(r.Str(key))
		case "title":
			q.Title = r.Str(key)
		case "outputDimensionality", "output_dimensionality":
			q.Dimensions = r.Count(key)
		default:
			if r.Raw() != nil {
				q.Other = append(q.Other, key)
			}
		}
	}
	r.Each("the request", func(key string) {
		if key == "embedContentConfig" || key == "embed_content_config" {
			r.Each(key, member)
			return
		}
		member(key)
	})
	return q
}

// embedText reads the text of a content, which the vendor embeds as one.
func embedText(r *conversation.Reader) string {
	var b strings.Builder
	r.Each("content", func(key string) {
		if key != "parts" {
			r.Skip()
			return
		}
		part := func(int) {
			r.Each(key, func(key string) {
				if key != "text" {
					r.Refuse("`content.parts`: the provider of this model embeds texts only")
					return
				}
				b.WriteString(r.Str(key))
			})
		}
		if r.Type() == dialect.TypeObject {
			part(0)
		} else {
			r.Items(key, part)
		}
	})
	return b.String()
}

type embedContent struct {
	Parts []embedPart `json:"parts"`
}

type embedPart struct {
	Text string `json:"text"`
}

type embedRequest struct {
	Model      string         `json:"model,omitempty"`
	Content    embedContent   `json:"content"`
	Task       embedding.Task `json:"taskType,omitempty"`
	Title      string         `json:"title,omitempty"`
	Dimensions int64          `json:"outputDimensionality,omitempty"`
}

// EncodeEmbeddings writes a request for one text or, as a batch, for any number.
func (Codec) EncodeEmbeddings(op llm.Op, q *embedding.Request) (body []byte, lost []conversation.Loss, err error) {
	all := make([]embedRequest, len(q.Inputs))
	for i, text := range q.Inputs {
		all[i] = embedRequest{modelPrefix + q.Model, embedContent{[]embedPart{{text}}}, q.Task, q.Title, q.Dimensions}
	}
	switch {
	case op == llm.OpBatchEmbeddings:
		body, err = json.Marshal(struct {
			Requests []embedRequest `json:"requests"`
		}{all})
	case len(all) != 1:
		return nil, nil, &llm.Error{Code: llm.CodeInvalid, Message: "`input`: the provider of this model embeds one text in a request"}
	default:
		all[0].Model = "" // the path names it
		body, err = json.Marshal(all[0])
	}
	return body, q.Lost([2]string{"user", q.User}), err
}

type embedVector struct {
	Values json.RawMessage `json:"values"`
}

type embedUsage struct {
	Prompt int64 `json:"promptTokenCount"`
	Total  int64 `json:"totalTokenCount"`
}

type embedAnswer struct {
	Embedding  *embedVector  `json:"embedding,omitempty"`
	Embeddings []embedVector `json:"embeddings,omitempty"`
	Usage      *embedUsage   `json:"usageMetadata,omitempty"`
}

// DecodeVectors reads an answer.
func (c Codec) DecodeVectors(op llm.Op, body []byte) (*embedding.Answer, error) {
	if _, err := conversation.ReadAnswer(c, op, body); err != nil {
		return nil, err
	}
	var e embedAnswer
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, conversation.Unreadable()
	}
	if e.Embedding != nil {
		e.Embeddings = []embedVector{*e.Embedding}
	}
	a := &embedding.Answer{}
	for _, v := range e.Embeddings {
		numbers, err := embedding.Numbers(v.Values)
		if err != nil {
			return nil, err
		}
		a.Vectors = append(a.Vectors, numbers)
	}
	if e.Usage != nil {
		a.Usage = &llm.Usage{InputTotal: e.Usage.Prompt}
	}
	return a, nil
}

// EncodeVectors writes an answer.
func (Codec) EncodeVectors(op llm.Op, _ *embedding.Request, a *embedding.Answer) ([]byte, error) {
	var e embedAnswer
	for _, v := range a.Vectors {
		e.Embeddings = append(e.Embeddings, embedVector{v})
	}
	if op != llm.OpBatchEmbeddings {
		e.Embedding, e.Embeddings = &e.Embeddings[0], nil
	}
	if a.Usage != nil {
		e.Usage = &embedUsage{a.Usage.InputTotal, a.Usage.InputTotal}
	}
	return json.Marshal(e)
}
