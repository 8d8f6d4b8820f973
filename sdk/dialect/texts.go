package dialect

import (
	"bytes"
	"math"
)

// AppendText appends the string at hand, unless it is empty, to texts; like gives what the text is
// besides its span. It reports false, and reads nothing, where no string is at hand.
func (r *Reader) AppendText(texts []Text, like Text) ([]Text, bool) {
	s, ok := r.String()
	if ok && s.Len() > 0 {
		like.Span = s
		texts = append(texts, like)
	}
	return texts, ok
}

// AppendStrings appends every string of the value at hand, whose keys are its author's: none is
// refused, and one that stands twice gives both its texts. The keys of arguments are texts too: their
// author is a model.
func (r *Reader) AppendStrings(texts []Text, like Text) []Text {
	switch r.Type() {
	case TypeObject:
		for o := r.Object(nil); ; {
			if _, ok := r.Next(&o); !ok {
				return texts
			}
			if like.Channel.Kind == KindArguments && o.Key.Len() > 0 {
				key := like
				key.Span, key.Key, key.Whole = o.Key, true, true
				texts = append(texts, key)
			}
			texts = r.AppendStrings(texts, like)
		}
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			texts = r.AppendStrings(texts, like)
		}
	case TypeString:
		texts, _ = r.AppendText(texts, like)
	default:
		r.Skip()
	}
	return texts
}

// AppendSchema appends the words of a JSON schema, which is its author's as in AppendStrings.
func (r *Reader) AppendSchema(texts []Text, like Text) []Text {
	switch r.Type() {
	case TypeObject:
		for o := r.Object(nil); ; {
			if _, ok := r.Next(&o); !ok {
				return texts
			}
			if isKeyword(r.Bytes(o.Key)) && r.Type() != TypeObject {
				r.Skip()
				continue
			}
			texts = r.AppendSchema(texts, like)
		}
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			texts = r.AppendSchema(texts, like)
		}
	case TypeString:
		texts, _ = r.AppendText(texts, like)
	default:
		r.Skip()
	}
	return texts
}

// isKeyword reports whether the values of a schema's key are names and types, not words.
func isKeyword(key []byte) bool {
	switch string(key) {
	case "type", "format", "required", "$ref", "$schema", "$id":
		return true
	}
	return false
}

// AppendNames appends the names of models at hand: a string, a list of them, or objects that have a "model".
// What names none by its form is appended as "", which is no model's name.
func (r *Reader) AppendNames(names []string) []string {
	switch r.Type() {
	case TypeNull:
		r.Skip()
	case TypeString:
		s, _ := r.String()
		names = append(names, TextOf(r.Bytes(s), ""))
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			names = r.AppendNames(names)
		}
	case TypeObject:
		before := len(names)
		for o := r.Object(namesKeys); ; {
			key, ok := r.Next(&o)
			if !ok {
				break
			}
			if key == 0 {
				names = r.AppendNames(names)
			} else {
				r.Skip()
			}
		}
		if len(names) == before {
			names = append(names, "")
		}
	default:
		r.Skip()
		names = append(names, "")
	}
	return names
}

var namesKeys = NewKeys("model")

// TextOf returns the text of the raw content of a JSON string: known, without an allocation, where
// it is nothing else.
func TextOf(raw []byte, known string) string {
	if string(raw) == known {
		return known
	}
	if Escaped(raw) {
		return string(AppendUnquoted(nil, raw))
	}
	return string(raw)
}

// SetModel returns the splice that makes name the "model" of a body, an object that Codec.Request has
// read: in the place of the one it has, or as its first member.
func SetModel(body []byte, read *Request, name string) (Span, []byte) {
	quoted := AppendQuoted(nil, []byte(name))
	if read.ModelSpan.Start > 0 {
		return read.ModelSpan, quoted
	}
	return FirstMember(body, append(append([]byte(`"model":"`), quoted...), '"'))
}

// InsteadOfModel returns the splice that puts a member, as JSON, in the place of the "model" of a body, an
// object that Codec.Request has read; as its first member where it has none.
func InsteadOfModel(body []byte, read *Request, member string) (Span, []byte) {
	if read.ModelSpan.Start == 0 {
		return FirstMember(body, []byte(member))
	}
	const name = `"model"`
	start := read.ModelSpan.Start - 1 // the value's quote; a key with escapes was refused
	return Span{Start: bytes.LastIndex(body[:start], []byte(name)), End: read.ModelSpan.End + 1}, []byte(member)
}

// FirstMember returns the splice that puts members, as JSON with commas between them, in front of an object's others.
func FirstMember(body, member []byte) (Span, []byte) {
	r := NewReader(body)
	o := r.Object(nil)
	at := r.Pos()
	if _, more := r.Next(&o); more {
		member = append(member, ',')
	}
	return Span{Start: at, End: at}, member
}

// ClampIndex returns n as an index of a channel.
func ClampIndex(n int64) int16 { return int16(min(max(n, 0), math.MaxInt16)) }

// ClampCount bounds a count of tokens so that sums of them stay in range.
func ClampCount(n int64) int64 { return min(max(n, 0), 1<<40) }
