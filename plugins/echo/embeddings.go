package echo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/ginnel/ginnel/sdk/llm"
)

// The sizes of a vector.
const (
	defaultDimensions = 64
	maxDimensions     = 4096
	maxInputs         = 2048
)

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// embeddings answers with unit vectors that depend on the text and nothing else.
func (p *plugin) embeddings(call *llm.Call) (*llm.Response, error) {
	var r struct {
		Input      json.RawMessage `json:"input"`
		Dimensions int             `json:"dimensions"`
		Format     string          `json:"encoding_format"`
	}
	if err := json.Unmarshal(call.Body, &r); err != nil {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the body is not an embeddings request"}
	}
	if r.Dimensions == 0 {
		r.Dimensions = defaultDimensions
	}
	texts := inputs(r.Input)
	if len(texts) == 0 || len(texts) > maxInputs || r.Dimensions < 1 || r.Dimensions > maxDimensions {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "input holds between 1 and 2048 texts, dimensions is at most 4096"}
	}
	used := 0
	data := make([]embedding, len(texts))
	for i, text := range texts {
		if k := p.knobs(call.Model, text); k.fail != nil {
			return nil, k.fail
		}
		used += tokens(text)
		data[i] = embedding{Object: "embedding", Index: i, Embedding: vector(text, r.Dimensions, r.Format == "base64")}
	}
	body, err := json.Marshal(struct {
		Object string         `json:"object"`
		Data   []embedding    `json:"data"`
		Model  string         `json:"model"`
		Usage  map[string]int `json:"usage"`
	}{"list", data, call.Model, map[string]int{"prompt_tokens": used, "total_tokens": used}})
	if err != nil {
		return nil, err
	}
	return whole(body), nil
}

// inputs returns the texts of an input: a string, a list of them, or token ids, taken as they are
// written.
func inputs(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil
	}
	if list[0][0] != '"' && list[0][0] != '[' {
		return []string{string(raw)} // one list of ids
	}
	texts := make([]string, len(list))
	for i, item := range list {
		if json.Unmarshal(item, &texts[i]) != nil {
			texts[i] = string(item)
		}
	}
	return texts
}

// vector returns a unit vector, as numbers or as base64 of little-endian float32.
func vector(text string, n int, asBase64 bool) any {
	h := fnv.New64a()
	h.Write([]byte(text))
	random := rand.New(rand.NewPCG(h.Sum64(), 0))
	v := make([]float32, n)
	sum := 0.0
	for i := range v {
		v[i] = float32(random.Float64()*2 - 1)
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	if !asBase64 {
		return v
	}
	raw := make([]byte, 0, 4*n)
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
