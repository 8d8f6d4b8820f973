package conversation

import (
	"encoding/json"
	"slices"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Token is a token of an answer with its log probability, and the alternatives to it.
type Token struct {
	Token   string          `json:"token"`
	Logprob json.Number     `json:"logprob"`
	Bytes   json.RawMessage `json:"bytes"`        // null where the source does not say them
	ID      json.RawMessage `json:"id,omitempty"` // in the model's vocabulary, as servers of open models say it beside OpenAI's members
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

// LogprobPieces puts the log probabilities of a stream's pieces together: OpenAI's, and those of a vendor's own form whose
// members are lists. The zero value is ready.
type LogprobPieces struct {
	first   json.RawMessage // as it came, where it is the only piece
	members []logprobMember // of several
	odd     bool            // one had something that cannot be put together
}

// maxLogprobMembers bounds their number, which is the upstream's word.
const maxLogprobMembers = 16

// logprobMember is a member of log probabilities.
type logprobMember struct {
	name  string // as it was written
	items []byte // of its lists, with commas between
	list  bool   // there was one
}

// Add adds those of a piece; nil are none.
func (l *LogprobPieces) Add(raw json.RawMessage) {
	switch {
	case len(raw) == 0:
	case l.first == nil && l.members == nil && !l.odd:
		l.first = raw
	default:
		if l.first != nil {
			l.join(l.first)
			l.first = nil
		}
		l.join(raw)
	}
}

// join adds the members of a piece to those of the pieces before.
func (l *LogprobPieces) join(raw json.RawMessage) {
	r := dialect.NewReader(raw)
	if r.Type() != dialect.TypeObject {
		l.odd = true
		return
	}
	for o := r.Object(nil); ; {
		if _, ok := r.Next(&o); !ok {
			break
		}
		name, kind := r.Bytes(o.Key), r.Type()
		m, value := l.member(name), r.Bytes(r.Skip())
		switch kind {
		case dialect.TypeArray:
			m.items, m.list = joined(m.items, items(value)), true
		case dialect.TypeNull:
		default:
			l.odd = true
		}
	}
	l.odd = l.odd || r.End() != nil
}

func (l *LogprobPieces) member(name []byte) *logprobMember {
	for i := range l.members {
		if l.members[i].name == string(name) {
			return &l.members[i]
		}
	}
	if len(l.members) == maxLogprobMembers {
		l.odd = true
		return &logprobMember{}
	}
	l.members = append(l.members, logprobMember{name: string(name)})
	return &l.members[len(l.members)-1]
}

func joined(all, more []byte) []byte {
	if len(all) > 0 && len(more) > 0 {
		all = append(all, ',')
	}
	return append(all, more...)
}

// Whole reports whether all of them could be put together.
func (l *LogprobPieces) Whole() bool { return !l.odd }

// Take returns all of them, or nil, and forgets them.
func (l *LogprobPieces) Take() json.RawMessage {
	p := *l
	*l = LogprobPieces{}
	if p.first != nil || len(p.members) == 0 {
		return p.first
	}
	if slices.ContainsFunc(p.members, func(m logprobMember) bool { return m.name == "content" }) {
		p.member([]byte("refusal")) // which OpenAI's form has too
	}
	w := &dialect.Writer{}
	w.Object()
	for _, m := range p.members {
		w.Key(m.name)
		if !m.list {
			w.Null()
			continue
		}
		w.Array()
		w.Raw(m.items)
		w.EndArray()
	}
	w.EndObject()
	return w.Buf
}
