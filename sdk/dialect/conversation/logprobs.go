package conversation

import (
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Token is a token of an answer with its log probability, and the alternatives to it.
type Token struct {
	Token   string          `json:"token"`
	Logprob json.Number     `json:"logprob"`
	Bytes   json.RawMessage `json:"bytes"` // null where the source does not say them
	Top     []Token         `json:"top_logprobs,omitempty"`
}

// LogprobItems returns the items of log probabilities in OpenAI's form, with commas between: of the words of an answer,
// and of those of a refusal.
func LogprobItems(raw json.RawMessage) (words, refusal []byte) {
	r := NewReader(raw)
	r.Each("logprobs", func(k string) {
		switch at := r.Skip(); k {
		case "content":
			words = items(r.Bytes(at))
		case "refusal":
			refusal = items(r.Bytes(at))
		}
	})
	return words, refusal
}

// items returns what stands in an array.
func items(raw []byte) []byte {
	r := dialect.NewReader(raw)
	if r.Type() != dialect.TypeArray {
		return nil
	}
	r.Array()
	begin, end := -1, 0
	for n := 0; r.Item(&n); {
		s := r.Skip()
		if begin < 0 {
			begin = s.Start
		}
		end = s.End
	}
	if begin < 0 || r.Err() != nil {
		return nil
	}
	return raw[begin:end]
}

// Tokens returns the tokens of an answer's words, of log probabilities in OpenAI's form. What has another form has none.
func Tokens(raw json.RawMessage) []Token {
	var read struct {
		Content []Token `json:"content"`
	}
	if json.Unmarshal(raw, &read) != nil {
		return nil
	}
	return read.Content
}

// Logprobs returns tokens in OpenAI's form; none are nil.
func Logprobs(tokens []Token) json.RawMessage {
	if len(tokens) == 0 {
		return nil
	}
	raw, err := json.Marshal(struct {
		Content []Token `json:"content"`
	}{tokens})
	if err != nil { // a number that is none
		return nil
	}
	return raw
}

// LogprobsOf returns a list of those of words in OpenAI's form; an empty one is nil.
func LogprobsOf(list []byte) json.RawMessage {
	if items(list) == nil {
		return nil
	}
	return append(append([]byte(`{"content":`), list...), '}')
}

// LogprobPieces puts the log probabilities of a stream's pieces together. The zero value is ready.
type LogprobPieces struct {
	first          json.RawMessage // as it came, where it is the only piece
	words, refusal []byte
}

// Add adds those of a piece, in OpenAI's form; nil are none.
func (l *LogprobPieces) Add(raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	if l.first == nil && l.words == nil && l.refusal == nil {
		l.first = raw
		return
	}
	if l.first != nil {
		words, refusal := LogprobItems(l.first)
		l.first, l.words, l.refusal = nil, joined([]byte{}, words), joined(nil, refusal)
	}
	words, refusal := LogprobItems(raw)
	l.words, l.refusal = joined(l.words, words), joined(l.refusal, refusal)
}

func joined(all, more []byte) []byte {
	if len(all) > 0 && len(more) > 0 {
		all = append(all, ',')
	}
	return append(all, more...)
}

// Take returns all of them in OpenAI's form, or nil, and forgets them.
func (l *LogprobPieces) Take() json.RawMessage {
	p := *l
	*l = LogprobPieces{}
	if p.first != nil || p.words == nil {
		return p.first
	}
	out := append(append([]byte(`{"content":[`), p.words...), `],"refusal":`...)
	if len(p.refusal) == 0 {
		return append(out, "null}"...)
	}
	return append(append(append(out, '['), p.refusal...), "]}"...)
}
