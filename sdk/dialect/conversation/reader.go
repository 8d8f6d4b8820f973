package conversation

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// mostListed bounds how many members of a request are listed one by one, mostIdle how long a value is that says nothing.
const (
	mostListed = 256
	mostIdle   = 64
)

// Reader reads values out of a JSON text, as copies of their own. Its errors are the dialect.Reader's;
// a value of another type than the one asked for is refused, null is as good as absent.
type Reader struct {
	dialect.Reader
	other  *[]Field // of the request or answer that is read, for Leave; nil = what is left is not listed
	path   []step   // to the value at hand, kept where other is
	answer bool     // an answer is read, whose parts are not told where they stand
}

// andMore stands for what is not listed one by one.
const andMore = "and more"

// depth is how deep most of what is read nests.
const depth = 12

// step is an item's index or, where that is below zero, a member's name.
type step struct {
	index int
	key   string
}

// NewReader returns a reader of body.
func NewReader(body []byte) *Reader { return &Reader{Reader: dialect.NewReader(body)} }

// NewRequestReader returns a reader of a request, which knows where it is and lists in q what it leaves.
func NewRequestReader(body []byte, q *Request) *Reader {
	return &Reader{Reader: dialect.NewReader(body), other: &q.Other, path: make([]step, 0, 8)}
}

// Left is what was left of an answer, for which the model has no place: of all events of a stream together, or of a whole
// answer. The zero value is ready; it is used by one goroutine at a time.
type Left struct {
	Fields []Field // each once
	path   [depth]step
}

// Add lists a field by its name.
func (l *Left) Add(name string) {
	if !listed(l.Fields, name) {
		l.Fields = append(l.Fields, Field{Name: name})
	}
}

// Reader returns a reader of an event's payload or an answer, which lists what it leaves. The one before it is not used
// any more.
func (l *Left) Reader(body []byte) *Reader {
	return &Reader{Reader: dialect.NewReader(body), other: &l.Fields, path: l.path[:0], answer: true}
}

// Inner returns a reader of raw, the value that was read last.
func (r *Reader) Inner(raw []byte) *Reader {
	return &Reader{Reader: dialect.NewReader(raw), other: r.other, path: r.path, answer: r.answer}
}

// OfAnswer reports whether an answer is read.
func (r *Reader) OfAnswer() bool { return r.answer }

// Listed returns how many members are listed so far, and Unlist takes those behind the first n off the list: they stand in
// something that is kept, or listed as a whole.
func (r *Reader) Listed() int {
	if r.other == nil {
		return 0
	}
	return len(*r.other)
}

// Unlist: see Listed. Of a request the list stays as it is.
func (r *Reader) Unlist(n int) {
	if r.other != nil && r.answer {
		*r.other = (*r.other)[:n]
	}
}

// Repeated returns a reader of raw, the value that was read last and says once more what was read before: it lists nothing.
func (r *Reader) Repeated(raw []byte) *Reader {
	return &Reader{Reader: dialect.NewReader(raw), answer: r.answer}
}

// At returns the way to the value at hand of a request, as "messages[3].content[1]", and else "".
func (r *Reader) At() string {
	if r.answer {
		return ""
	}
	return r.Path()
}

// Path returns the way to the value at hand, also of an answer.
func (r *Reader) Path() string {
	if len(r.path) == 0 {
		return ""
	}
	b := make([]byte, 0, 64)
	for i, s := range r.path {
		switch {
		case s.index >= 0:
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		case i > 0:
			b = append(append(b, '.'), s.key...)
		default:
			b = append(b, s.key...)
		}
	}
	return string(b)
}

// Leave reads over the value at hand, for which the model has no place. It is listed among what the source said besides,
// unless it is null, {}, [] or written as one of idle, which say what holds without them; of an answer unless it is "", 0
// or false, too.
func (r *Reader) Leave(idle ...string) {
	value := r.Skip()
	if r.other == nil || r.Err() != nil {
		return
	}
	if value.Len() <= mostIdle {
		if s := string(r.Bytes(value)); s == "null" || s == "{}" || s == "[]" || r.answer && (s == `""` || s == "0" || s == "false") || slices.Contains(idle, s) {
			return
		}
	}
	r.Unsaid("")
}

// LeaveEach does the same with each member of an object, and of the objects in it, by itself.
func (r *Reader) LeaveEach(name string) {
	if r.Type() != dialect.TypeObject {
		r.Leave()
		return
	}
	r.Each(name, func(k string) { r.LeaveEach(k) })
}

// Unsaid lists a member of the object at hand, or the value at hand where member is "", as one that the model has no
// place for.
func (r *Reader) Unsaid(member string) {
	if r.other == nil || len(*r.other) > mostListed {
		return
	}
	name := r.Path()
	if member != "" {
		name += "." + member
	}
	if r.answer && listed(*r.other, name) {
		return // a stream says many things in each event
	}
	if len(*r.other) == mostListed {
		name = andMore
	}
	*r.other = append(*r.other, Field{Name: name})
}

func listed(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
}

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
	value := r.Skip()
	if r.Err() != nil {
		return nil // what is left of the text is no value
	}
	return bytes.Clone(r.Bytes(value))
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
		key := r.Key(&o)
		if r.other != nil {
			r.path = append(r.path, step{index: -1, key: key})
			member(key)
			r.path = r.path[:len(r.path)-1]
			continue
		}
		member(key)
	}
}

// Members is Each for what may be something else than an object, which is read over.
func (r *Reader) Members(name string, member func(key string)) {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return
	}
	r.Each(name, member)
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
		if r.other != nil {
			r.path = append(r.path, step{index: n - 1})
			item(n - 1)
			r.path = r.path[:len(r.path)-1]
			continue
		}
		item(n - 1)
	}
}
