package conversation

import (
	"bytes"
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Reader reads values out of a JSON text, as copies of their own. Its errors are the dialect.Reader's;
// a value of another type than the one asked for is refused, null is as good as absent.
type Reader struct{ dialect.Reader }

// NewReader returns a reader of body.
func NewReader(body []byte) *Reader { return &Reader{dialect.NewReader(body)} }

// Adopt takes over the error of a reader of a part.
func (r *Reader) Adopt(inner *Reader) {
	if err, ok := inner.Err().(*llm.Error); ok && err != nil {
		r.Refuse(err.Message)
	}
}

// Str reads a string; null is "".
func (r *Reader) Str(name string) string {
	if r.Null() {
		return ""
	}
	s, ok := r.String()
	if !ok {
		r.Refuse("`" + name + "` must be a string")
		return ""
	}
	return r.text(s)
}

// Key returns the name of o's member at hand.
func (r *Reader) Key(o *dialect.Object) string { return r.text(o.Key) }

func (r *Reader) text(s dialect.Span) string {
	raw := r.Bytes(s)
	if dialect.Escaped(raw) {
		return string(dialect.AppendUnquoted(nil, raw))
	}
	return string(raw)
}

// Raw reads any value as it is written; null is nil.
func (r *Reader) Raw() json.RawMessage {
	if r.Null() {
		return nil
	}
	return bytes.Clone(r.Bytes(r.Skip()))
}

// Num reads a number; null is "".
func (r *Reader) Num(name string) Number {
	if r.Null() {
		return ""
	}
	if r.Type() != dialect.TypeNumber {
		r.Refuse("`" + name + "` must be a number")
		return ""
	}
	return Number(r.Bytes(r.Skip()))
}

// Count reads a whole number; null is 0.
func (r *Reader) Count(name string) int64 {
	if r.Null() {
		return 0
	}
	n, ok := r.Int()
	if !ok {
		r.Refuse("`" + name + "` must be a number")
	}
	return n
}

// Limit is Count for what is a limit, and not below zero.
func (r *Reader) Limit(name string) int64 {
	n := r.Count(name)
	if n < 0 {
		r.Refuse("`" + name + "` must not be negative")
	}
	return n
}

// Choice reads the number of a choice.
func (r *Reader) Choice(name string) int {
	n := r.Count(name)
	if n < 0 || n >= MaxChoices {
		r.Refuse("`" + name + "` is no number of a choice")
		return 0
	}
	return int(n)
}

// Flag reads a truth value; null is nil.
func (r *Reader) Flag(name string) *bool {
	if r.Null() {
		return nil
	}
	v, ok := r.Bool()
	if !ok {
		r.Refuse("`" + name + "` must be true or false")
	}
	return &v
}

// Each calls member with the name of each member of the object at hand; member reads or skips the
// value. null has none; any other value is refused.
func (r *Reader) Each(name string, member func(key string)) {
	if r.Null() {
		return
	}
	if r.Type() != dialect.TypeObject {
		r.Refuse("`" + name + "` must be an object")
		return
	}
	o := r.Object(nil)
	for {
		if _, ok := r.Next(&o); !ok {
			return
		}
		member(r.Key(&o))
	}
}

// Items calls item for each item of the array at hand, with its index; item reads or skips it. null has
// none; any other value is refused.
func (r *Reader) Items(name string, item func(i int)) {
	if r.Null() {
		return
	}
	if r.Type() != dialect.TypeArray {
		r.Refuse("`" + name + "` must be an array")
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		item(n - 1)
	}
}
