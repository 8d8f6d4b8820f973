package dialect

import "strconv"

// Writer appends a JSON text (RFC 8259) to Buf. It sets the commas; that what is opened is closed, and
// that an object's members have keys, is the caller's business. The zero value is ready.
type Writer struct {
	Buf   []byte
	comma bool // a value stands before, on the same level
}

// Line puts what was written from a byte of Buf on into one line: values that are JSON already may have several.
func (w *Writer) Line(from int) {
	for i, c := range w.Buf[from:] {
		if c == '\n' || c == '\r' { // white space: a string has none as it is
			w.Buf[from+i] = ' '
		}
	}
}

func (w *Writer) value() {
	if w.comma {
		w.Buf = append(w.Buf, ',')
	}
	w.comma = true
}

// Object begins an object.
func (w *Writer) Object() { w.open('{') }

// EndObject ends it.
func (w *Writer) EndObject() { w.close('}') }

// Array begins an array.
func (w *Writer) Array() { w.open('[') }

// EndArray ends it.
func (w *Writer) EndArray() { w.close(']') }

func (w *Writer) open(c byte) {
	w.value()
	w.Buf, w.comma = append(w.Buf, c), false
}

func (w *Writer) close(c byte) { w.Buf, w.comma = append(w.Buf, c), true }

// Key begins a member; its value comes next. The name needs no escapes.
func (w *Writer) Key(name string) {
	w.value()
	w.Buf = append(append(append(w.Buf, '"'), name...), `":`...)
	w.comma = false
}

// String writes a string.
func (w *Writer) String(s string) {
	w.value()
	w.Buf = append(AppendQuoted(append(w.Buf, '"'), []byte(s)), '"')
}

// Raw writes a value that is JSON already.
func (w *Writer) Raw(json []byte) {
	w.value()
	w.Buf = append(w.Buf, json...)
}

// Int writes a number.
func (w *Writer) Int(n int64) {
	w.value()
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
}

// Bool writes a truth value.
func (w *Writer) Bool(v bool) {
	w.value()
	w.Buf = strconv.AppendBool(w.Buf, v)
}

// Null writes null.
func (w *Writer) Null() { w.Raw([]byte("null")) }

// Strings writes an array of strings.
func (w *Writer) Strings(all []string) {
	w.Array()
	for _, s := range all {
		w.String(s)
	}
	w.EndArray()
}

// Text writes the member name: s, unless s is "".
func (w *Writer) Text(name, s string) {
	if s != "" {
		w.Key(name)
		w.String(s)
	}
}

// Member writes the member name: json, unless json is empty.
func (w *Writer) Member(name string, json []byte) {
	if len(json) > 0 {
		w.Key(name)
		w.Raw(json)
	}
}

// Count writes the member name: n, unless n is 0.
func (w *Writer) Count(name string, n int64) {
	if n != 0 {
		w.Key(name)
		w.Int(n)
	}
}
