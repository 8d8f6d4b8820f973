package dialect

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/ginnel/ginnel/sdk/llm"
)

// MaxDepth bounds how deep the objects and arrays of a JSON text may nest.
const MaxDepth = 128

// Type is the type of a JSON value, told by the byte it begins with.
type Type byte

// The types. None is the end of the text or an error.
const (
	None        Type = 0
	TypeObject  Type = '{'
	TypeArray   Type = '['
	TypeString  Type = '"'
	TypeNumber  Type = '0'
	TypeTrue    Type = 't'
	TypeFalse   Type = 'f'
	TypeNull    Type = 'n'
	typeUnknown Type = '?'
)

// Reader walks a JSON text (RFC 8259) once, from front to back, and hands out spans of it. It
// allocates nothing and checks all it passes over; bytes that are no UTF-8 are left to the caller.
// The first error sticks: from then on every method answers as at the end of the text, and Err
// tells. Each member and item that Next and Item announce must be read or skipped exactly once.
type Reader struct {
	data  []byte
	pos   int
	depth int
	err   *llm.Error
}

// NewReader returns a Reader at the first value of data, which it does not change.
func NewReader(data []byte) Reader { return Reader{data: data} }

// Object is the state of a walk through one object.
type Object struct {
	Key  Span // of the member's name at hand, still escaped, without its quotes
	keys *Keys
	seen uint64
	open bool // a member was read
}

// Empty reports whether no member has been read.
func (o *Object) Empty() bool { return !o.open }

// Err returns the first error, a *llm.Error, or nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Pos returns the offset of the next byte that is not read.
func (r *Reader) Pos() int { return r.pos }

// Bytes returns the bytes of a span.
func (r *Reader) Bytes(s Span) []byte { return r.data[s.Start:s.End] }

// Refuse makes message, which is public, the reader's error.
func (r *Reader) Refuse(message string) {
	if r.err == nil {
		r.err = &llm.Error{Code: llm.CodeInvalid, Message: message}
	}
	r.pos = len(r.data)
}

// Type returns the type of the value at hand without reading it.
func (r *Reader) Type() Type {
	r.space()
	if r.err != nil || r.pos >= len(r.data) {
		return None
	}
	switch c := r.data[r.pos]; c {
	case '{', '[', '"', 't', 'f', 'n':
		return Type(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return TypeNumber
	}
	return typeUnknown
}

// Object enters the object at hand, whose members are looked up in keys; nil knows none.
func (r *Reader) Object(keys *Keys) Object {
	r.enter('{')
	return Object{keys: keys}
}

// Members calls f at the value of each member of the object at hand that is among keys, with its index there; f reads
// it. Other members are passed over, and so is what is no object.
func (r *Reader) Members(keys *Keys, f func(key int)) {
	if r.Type() != TypeObject {
		r.Skip()
		return
	}
	for o := r.Object(keys); ; {
		key, ok := r.Next(&o)
		switch {
		case !ok:
			return
		case key < 0:
			r.Skip()
		default:
			f(key)
		}
	}
}

// Next reads the name of o's next member and returns its index in o's keys, or -1 for a name that
// is not among them. At the object's end ok is false. A known name that stands twice, in another
// case or with escapes is refused: another reader of the text might take the other one.
func (r *Reader) Next(o *Object) (key int, ok bool) {
	r.space()
	if r.err != nil {
		return -1, false
	}
	switch c := r.peek(); {
	case c == '}':
		r.pos++
		r.depth--
		return -1, false
	case c == ',' && o.open:
		r.pos++
		r.space()
	case o.open:
		r.unexpected()
		return -1, false
	}
	if r.peek() != '"' {
		r.unexpected()
		return -1, false
	}
	o.open = true
	o.Key = r.stringSpan()
	r.space()
	if r.peek() != ':' {
		r.unexpected()
		return -1, false
	}
	r.pos++
	if o.keys == nil || r.err != nil {
		return -1, r.err == nil
	}
	key, exact := o.keys.find(r.Bytes(o.Key))
	switch {
	case key < 0:
		return -1, true
	case !exact:
		r.Refuse("the key \"" + o.keys.name(key) + "\" is written in another way: it must stand just so, without escapes")
	case o.seen&(1<<key) != 0:
		r.Refuse("the key \"" + o.keys.name(key) + "\" stands twice in the same object")
	}
	o.seen |= 1 << key
	return key, r.err == nil
}

// Array enters the array at hand.
func (r *Reader) Array() { r.enter('[') }

// Item steps to the next item of the array and counts it in n, which is 0 at first; it reports
// false at the array's end.
func (r *Reader) Item(n *int) bool {
	r.space()
	if r.err != nil {
		return false
	}
	switch c := r.peek(); {
	case c == ']':
		r.pos++
		r.depth--
		return false
	case *n == 0:
	case c == ',':
		r.pos++
	default:
		r.unexpected()
		return false
	}
	*n++
	if r.Type() == None {
		r.unexpected()
		return false
	}
	return true
}

// String reads the value at hand if it is a string and returns the span of its raw content.
func (r *Reader) String() (Span, bool) {
	if r.Type() != TypeString {
		return Span{}, false
	}
	s := r.stringSpan()
	return s, r.err == nil
}

// Bool reads the value at hand if it is true or false.
func (r *Reader) Bool() (value, ok bool) {
	switch r.Type() {
	case TypeTrue:
		r.literal("true")
		return true, r.err == nil
	case TypeFalse:
		r.literal("false")
		return false, r.err == nil
	}
	return false, false
}

// Int reads the value at hand if it is a number; a fraction counts as one more, and what does not
// fit stops at the ends of the range.
func (r *Reader) Int() (int64, bool) {
	if r.Type() != TypeNumber {
		return 0, false
	}
	raw := r.Bytes(r.number())
	if r.err != nil {
		return 0, false
	}
	return roundUp(raw), true
}

// Null reads the value at hand if it is null.
func (r *Reader) Null() bool {
	if r.Type() != TypeNull {
		return false
	}
	r.literal("null")
	return r.err == nil
}

// Skip reads over the value at hand, whatever it is, and returns its span.
func (r *Reader) Skip() Span {
	t := r.Type()
	start := r.pos
	switch t {
	case TypeObject:
		o := r.Object(nil)
		for {
			if _, ok := r.Next(&o); !ok {
				break
			}
			r.Skip()
		}
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.Skip()
		}
	case TypeString:
		r.stringSpan()
	case TypeNumber:
		r.number()
	case TypeTrue:
		r.literal("true")
	case TypeFalse:
		r.literal("false")
	case TypeNull:
		r.literal("null")
	default:
		r.unexpected()
	}
	return Span{start, r.pos}
}

// End reports an error unless nothing but white space follows.
func (r *Reader) End() error {
	r.space()
	if r.err == nil && r.pos < len(r.data) {
		r.invalid("something follows the JSON value")
	}
	return r.Err()
}

func (r *Reader) enter(c byte) {
	r.space()
	if r.peek() != c {
		r.unexpected()
		return
	}
	if r.depth++; r.depth > MaxDepth {
		r.Refuse("the body nests more than " + strconv.Itoa(MaxDepth) + " levels deep")
		return
	}
	r.pos++
}

// peek returns the next byte, or 0 at the end.
func (r *Reader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

func (r *Reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\n', '\t', '\r':
			r.pos++
		default:
			return
		}
	}
}

// stringSpan reads the string at hand.
func (r *Reader) stringSpan() Span {
	start := r.pos + 1
	for i := start; ; {
		i = plainEnd(r.data, i)
		if i >= len(r.data) {
			r.pos = i
			r.unexpected()
			return Span{}
		}
		switch r.data[i] {
		case '"':
			r.pos = i + 1
			return Span{start, i}
		case '\\':
			n := escapeLen(r.data[i:])
			if n == 0 {
				r.pos = i
				r.invalid("bad escape in a string")
				return Span{}
			}
			i += n
		default:
			r.pos = i
			r.invalid("bare control character in a string")
			return Span{}
		}
	}
}

// plainEnd returns the index of the first quote, backslash or control character from i on, or
// len(data). It looks at eight bytes at a time.
func plainEnd(data []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// A borrow reaches upwards only, so the lowest marked byte is a true one.
		hit := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(data) && data[i] >= 0x20 && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

// escapeLen returns the width of the escape at the beginning of b, or 0 where it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

func (r *Reader) number() Span {
	start := r.pos
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else if !r.digits() {
		return Span{}
	}
	if r.peek() == '.' {
		r.pos++
		if !r.digits() {
			return Span{}
		}
	}
	if r.peek()|0x20 == 'e' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		if !r.digits() {
			return Span{}
		}
	}
	return Span{start, r.pos}
}

func (r *Reader) digits() bool {
	start := r.pos
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.pos++
	}
	if r.pos == start {
		r.unexpected()
		return false
	}
	return true
}

func (r *Reader) literal(word string) {
	if end := r.pos + len(word); end <= len(r.data) && string(r.data[r.pos:end]) == word {
		r.pos = end
		return
	}
	r.invalid("unknown word")
}

func (r *Reader) unexpected() {
	if r.pos >= len(r.data) {
		r.invalid("it ends too early")
		return
	}
	r.invalid("unexpected character")
}

func (r *Reader) invalid(what string) {
	if r.err == nil {
		r.Refuse("the body is not valid JSON: " + what + " at byte " + strconv.Itoa(r.pos))
	}
}

// roundUp returns the whole number that the JSON number raw is, or the next greater one.
func roundUp(raw []byte) int64 {
	var n int64
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) <= 18 {
		plain := true
		for _, c := range digits {
			if c < '0' || c > '9' {
				plain = false
				break
			}
			n = n*10 + int64(c-'0')
		}
		if plain {
			if len(digits) < len(raw) {
				return -n
			}
			return n
		}
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // out of range gives an infinity, which the bounds below take
	switch {
	case f >= 1<<63:
		return 1<<63 - 1
	case f <= -1<<63:
		return -1 << 63
	}
	if n = int64(f); float64(n) < f {
		n++
	}
	return n
}
