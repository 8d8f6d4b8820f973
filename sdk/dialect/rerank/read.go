package rerank

import (
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	keyModel = iota
	keyQuery
	keyDocuments
)

var requestKeys = dialect.NewKeys("model", "query", "documents", "top_n", "return_documents")

// Spans reads a request's body as a client's codec does, in any of the forms: where its model and its texts stand.
func Spans(body []byte, into *dialect.Request) error {
	model := into.Model
	*into = dialect.Request{Texts: into.Texts[:0]}
	if !utf8.Valid(body) {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body is not valid JSON: it is not UTF-8"}
	}
	r := dialect.NewReader(body)
	if r.Type() != dialect.TypeObject {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object"}
	}
	for o := r.Object(requestKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case keyModel:
			if s, ok := r.String(); ok {
				into.ModelSpan = s
			} else {
				r.Refuse("`model` must be a string")
			}
		case keyQuery:
			spans(&r, into, "query")
		case keyDocuments:
			if r.Type() != dialect.TypeArray {
				r.Refuse("`documents` must be a list")
				break
			}
			r.Array()
			for n := 0; r.Item(&n); {
				spans(&r, into, "documents")
			}
		default:
			r.Skip()
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	into.Model = dialect.TextOf(body[into.ModelSpan.Start:into.ModelSpan.End], model)
	return nil
}

// spans reads a text or an object, of which all strings are texts. What is neither, and media, no filter can see.
func spans(r *dialect.Reader, into *dialect.Request, name string) {
	like := dialect.Text{Role: dialect.RoleUser}
	switch r.Type() {
	case dialect.TypeString:
		into.Texts, _ = r.AppendText(into.Texts, like)
	case dialect.TypeObject:
		for o := r.Object(documentKeys); ; {
			key, ok := r.Next(&o)
			if !ok {
				return
			}
			if key > 0 || r.Type() == dialect.TypeObject || r.Type() == dialect.TypeArray {
				into.Unseen = name
			}
			into.Texts = r.AppendStrings(into.Texts, like)
		}
	default:
		r.Skip()
		into.Unseen = name
	}
}

// documentKeys are the text of a document, and what is an image by its address or in base64.
var documentKeys = dialect.NewKeys("text", "image", "image_url", "url", "video", "audio")

// Decode reads a request of any form into the model. return_documents holds where the request does not say.
func Decode(body []byte, returned bool) (*Request, error) {
	q := &Request{Return: returned}
	r := conversation.NewReader(body)
	r.Each("the request", func(key string) {
		switch key {
		case "model":
			q.Model = r.Str(key)
		case "query":
			q.Query = text(r, key)
		case "documents":
			r.Items(key, func(int) { q.Documents = append(q.Documents, text(r, key)) })
		case "top_n":
			if q.TopN = r.Count(key); q.TopN < 0 {
				r.Refuse("`top_n` must not be below zero")
			}
		case "return_documents":
			if v := r.Flag(key); v != nil {
				q.Return = *v
			}
		default:
			if raw := r.Raw(); raw != nil {
				q.Other = append(q.Other, key)
			}
		}
	})
	if err := r.End(); err != nil {
		return nil, err
	}
	switch {
	case q.Query == "":
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "`query` must be a text that is not empty"}
	case len(q.Documents) == 0:
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "`documents` must have texts"}
	}
	return q, nil
}

// text reads a text or an object that has one and nothing else.
func text(r *conversation.Reader, name string) (s string) {
	const only = " has something else than a text, which the provider of this model cannot be told"
	if r.Type() != dialect.TypeObject {
		if r.Type() != dialect.TypeString {
			r.Refuse("`" + name + "`" + only)
		}
		return r.Str(name)
	}
	r.Each(name, func(key string) {
		if key != "text" {
			r.Skip()
			r.Refuse("`" + name + "`" + only)
			return
		}
		s = r.Str(name)
	})
	return s
}

// Results reads the results of an answer of either form.
func Results(body []byte) ([]Result, error) {
	var all []Result
	r := conversation.NewReader(body)
	r.Each("the answer", func(key string) {
		if key != "results" {
			r.Skip()
			return
		}
		r.Items(key, func(int) {
			one := Result{Index: -1}
			r.Each(key, func(key string) {
				switch key {
				case "index":
					one.Index = int(min(max(r.Count(key), -1), 1<<30))
				case "relevance_score":
					one.Score = []byte(r.Num(key))
				default:
					r.Skip()
				}
			})
			all = append(all, one)
		})
	})
	if r.End() != nil {
		return nil, conversation.Unreadable()
	}
	return all, nil
}

// WriteResults writes the results of an answer; with the request's texts where it wants them.
func WriteResults(w *dialect.Writer, q *Request, all []Result) {
	w.Array()
	for _, one := range all {
		w.Object()
		w.Key("index")
		w.Int(int64(one.Index))
		w.Key("relevance_score")
		w.Raw(one.Score)
		if q.Return && one.Index < len(q.Documents) {
			w.Key("document")
			w.Object()
			w.Key("text")
			w.String(q.Documents[one.Index])
			w.EndObject()
		}
		w.EndObject()
	}
	w.EndArray()
}

// WriteUnits writes what is billed in search units, as the member billed_units, where it is known.
func WriteUnits(w *dialect.Writer, a *Answer) {
	if a.Units != "" {
		w.Key("billed_units")
		w.Object()
		w.Member("search_units", []byte(a.Units))
		w.EndObject()
	}
}
