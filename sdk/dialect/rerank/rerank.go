// Package rerank is the model between the dialects for reranking: texts in the order in which they answer a question.
// What package conversation is for conversations it is for these, and the same holds: what a dialect cannot express is
// refused with the field's name, or left out and listed.
//
// There are two forms. Jina's, which vLLM, llama.cpp and others share, and with it Cohere's first version, is
// {model, query, documents, top_n, return_documents} with documents that are texts or {"text": ...}, and answers
// {model, results: [{index, relevance_score, document: {"text": ...}}], usage: {total_tokens}}. Cohere's second has texts
// only, gives none back, and tells in meta.billed_units.search_units what it bills. Indices are places in the request's
// list, from 0; a score is a number that is greater for what fits better, of no unit. Sources: the vendors' API
// references and recorded exchanges.
package rerank

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Request is a question and the texts to be put in order.
type Request struct {
	Model     string
	Query     string
	Documents []string
	TopN      int64 // how many are wanted; 0 = all
	Return    bool  // the answer shall have the texts

	Other []string // the names of what the source said besides
}

// Answer is the texts by their places, the best first.
type Answer struct {
	ID      string
	Model   string
	Results []Result
	Usage   *llm.Usage          // nil = not told
	Units   conversation.Number // search units that are billed; "" = not told
}

// Result is one text.
type Result struct {
	Index int
	Score json.RawMessage // a number, as it was written
}

// UpstreamCodec translates reranking of a dialect that providers speak. It keeps no state and is safe for concurrent
// use. Errors are *llm.Error; those of encoding have CodeInvalid and name the field.
type UpstreamCodec interface {
	// EncodeRerank writes a request.
	EncodeRerank(r *Request) (body []byte, lost []conversation.Loss, err error)
	// DecodeRanking reads an answer.
	DecodeRanking(body []byte) (*Answer, error)
}

// Codec translates that of a dialect that clients speak, too.
type Codec interface {
	UpstreamCodec
	// DecodeRerank reads a request that the dialect's codec has read before.
	DecodeRerank(body []byte) (*Request, error)
	// EncodeRanking writes the answer to a request. The texts that it returns are the request's.
	EncodeRanking(r *Request, a *Answer) []byte
}

// Lost lists what a target has no place for.
func (r *Request) Lost() (lost []conversation.Loss) {
	for _, name := range r.Other {
		lost = append(lost, conversation.Loss{Field: name, Why: "the provider has no place for it"})
	}
	return lost
}

// Settle holds an answer to its request: each result is one of its texts, and none stands twice. It puts the best
// first, as some servers do not, and leaves out what is more than was asked for.
func (a *Answer) Settle(r *Request) error {
	seen := make([]bool, len(r.Documents))
	scores := make(map[int]float64, len(a.Results))
	for _, one := range a.Results {
		score, err := strconv.ParseFloat(string(one.Score), 64)
		if err != nil || one.Index < 0 || one.Index >= len(seen) || seen[one.Index] {
			return conversation.Unreadable()
		}
		seen[one.Index], scores[one.Index] = true, score
	}
	wanted := len(r.Documents)
	if r.TopN > 0 && r.TopN < int64(wanted) {
		wanted = int(r.TopN)
	}
	if len(a.Results) < min(wanted, 1) {
		return conversation.Unreadable()
	}
	slices.SortStableFunc(a.Results, func(x, y Result) int { return cmp.Compare(scores[y.Index], scores[x.Index]) })
	a.Results = a.Results[:min(len(a.Results), wanted)]
	return nil
}
