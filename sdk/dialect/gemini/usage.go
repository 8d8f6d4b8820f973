package gemini

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	usePrompt = iota
	useCached
	useCandidates
	useResponse
	useThoughts
	useTools
	useTotal
)

var usageKeys = dialect.NewSnakeKeys("promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "responseTokenCount",
	"thoughtsTokenCount", "toolUsePromptTokenCount", "totalTokenCount")

// readUsage reads the counts of a call so far: every chunk has them, and the last one's count. The
// input is the prompt, of which cached tokens are a part, and what Google's own tools added to it; the
// output is the candidates and the thoughts, which the candidates leave out. A total beyond their sum
// is output. Counts per modality stay in the raw object.
func (a *answerReader) readUsage() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	var n [useTotal + 1]int64
	found := false
	start := a.Pos()
	o := a.Object(usageKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		if v, is := a.Int(); !is {
			a.Skip()
		} else if key >= 0 {
			n[key], found = dialect.ClampCount(v), true
		}
	}
	if !found || a.Err() != nil {
		return
	}
	in, out := n[usePrompt]+n[useTools], n[useCandidates]+n[useResponse]+n[useThoughts]
	if rest := n[useTotal] - in - out; rest > 0 {
		out += rest
	}
	raw := a.Bytes(dialect.Span{Start: start, End: a.Pos()})
	a.usage = &llm.Usage{
		InputTotal:  in,
		CacheRead:   min(n[useCached], in),
		OutputTotal: out,
		Reasoning:   n[useThoughts],
		Raw:         append([]byte(nil), raw...),
	}
}
