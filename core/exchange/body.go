package exchange

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
)

// Span is a range of bytes of a body.
type Span = dialect.Span

// ErrSpan is the error of an edit outside the text or across another edit.
var ErrSpan = errors.New("span out of range")

// Body is a JSON text and the texts that the dialect found in it. What is not edited keeps its
// bytes. The zero value is an empty body.
type Body struct {
	raw     []byte
	texts   []Text
	splices []splice                // sorted by span, disjoint from each other and from the texts
	swapped bool                    // raw is not what arrived
	unread  bool                    // raw replaced what the dialect had read
	held    egress.Held             // what is not in raw
	room    func(n int64) (ok bool) // nil = there is for what is held
}

type splice struct {
	span Span
	with []byte
}

// Text is one string of a body. Its methods work on the text as it stands after the edits so far.
type Text struct {
	dialect.Text
	raw     []byte // escaped; aliases the body until the first edit
	value   []byte // decoded, made when first asked for
	decoded bool
	edited  bool
}

// NewBody takes ownership of raw. The spans in found index it; they are in the order of the bytes.
func NewBody(raw []byte, found []dialect.Text) Body {
	b := Body{raw: raw}
	if len(found) > 0 {
		b.texts = make([]Text, len(found))
		for i, t := range found {
			b.texts[i] = Text{Text: t, raw: raw[t.Span.Start:t.Span.End]}
		}
	}
	return b
}

// Clone returns a body with the same bytes and edits, to be edited apart from b.
func (b *Body) Clone() Body {
	return Body{raw: b.raw, texts: slices.Clone(b.texts), splices: slices.Clone(b.splices), swapped: b.swapped, unread: b.unread, held: b.held}
}

// Len returns the number of texts.
func (b *Body) Len() int { return len(b.texts) }

// Text returns text i, which must be less than Len.
func (b *Body) Text(i int) *Text { return &b.texts[i] }

// Texts calls yield with each text in order until it returns false.
func (b *Body) Texts(yield func(*Text) bool) {
	for i := range b.texts {
		if !yield(&b.texts[i]) {
			return
		}
	}
}

// Splice replaces the bytes of span, given in offsets of the original body, when the body is built.
// It must not overlap a text or an earlier splice; with is kept, not copied.
func (b *Body) Splice(span Span, with []byte) error {
	if span.Start < 0 || span.End < span.Start || span.End > len(b.raw) {
		return fmt.Errorf("splice %d-%d of %d bytes: %w", span.Start, span.End, len(b.raw), ErrSpan)
	}
	at := len(b.splices)
	for i, s := range b.splices {
		if span.Start < s.span.End && s.span.Start < span.End {
			return fmt.Errorf("splice %d-%d overlaps another: %w", span.Start, span.End, ErrSpan)
		}
		if span.End <= s.span.Start {
			at = i
			break
		}
	}
	for i := range b.texts {
		if t := b.texts[i].Span; span.Start < t.End && t.Start < span.End {
			return fmt.Errorf("splice %d-%d overlaps a text: %w", span.Start, span.End, ErrSpan)
		}
	}
	b.splices = append(b.splices, splice{})
	copy(b.splices[at+1:], b.splices[at:])
	b.splices[at] = splice{span, with}
	return nil
}

// Replace makes raw the whole body, without texts and edits. The body owns raw from then on. The
// flow has it read again before another filter sees it.
func (b *Body) Replace(raw []byte) { *b = Body{raw: raw, swapped: true, unread: true} }

// Raw returns the body as it arrived, or what replaced it, but for what is held.
func (b *Body) Raw() []byte { return b.raw }

// Edited reports whether Bytes may differ from what arrived.
func (b *Body) Edited() bool {
	if b.swapped || len(b.splices) > 0 {
		return true
	}
	for i := range b.texts {
		if b.texts[i].edited {
			return true
		}
	}
	return false
}

// Bytes returns the body with all edits applied: Raw itself where there are none, else a new slice.
// It must not be changed. What is held is not in it: see Held.
func (b *Body) Bytes() []byte {
	if !b.Edited() {
		return b.raw
	}
	out := make([]byte, 0, len(b.raw)+64)
	last, s := 0, 0
	put := func(span Span, with []byte) {
		out = append(append(out, b.raw[last:span.Start]...), with...)
		last = span.End
	}
	for i := range b.texts {
		t := &b.texts[i]
		if !t.edited {
			continue
		}
		for s < len(b.splices) && b.splices[s].span.End <= t.Span.Start {
			put(b.splices[s].span, b.splices[s].with)
			s++
		}
		put(t.Span, t.raw)
	}
	for ; s < len(b.splices); s++ {
		put(b.splices[s].span, b.splices[s].with)
	}
	return append(out, b.raw[last:]...)
}

// Value returns the decoded text, UTF-8. The result is valid until the next edit and must not be
// changed.
func (t *Text) Value() []byte {
	if !t.decoded {
		t.decoded = true
		if dialect.Escaped(t.raw) {
			t.value = dialect.AppendUnquoted(t.value[:0], t.raw)
		} else {
			t.value = t.raw
		}
	}
	return t.value
}

// Edit replaces bytes from to to of the decoded text. What stands outside keeps the escapes it was
// written with. A character that the span cuts goes whole: half of it would be no text, and half of
// what a filter wants out would stay.
func (t *Text) Edit(from, to int, with []byte) error {
	if from < 0 || to < from || to > len(t.Value()) {
		return fmt.Errorf("edit %d-%d of %d bytes of text: %w", from, to, len(t.value), ErrSpan)
	}
	from, to = wholeRunes(t.value, from, to)
	a, z := from, to
	if dialect.Escaped(t.raw) {
		a, z = dialect.RawOffset(t.raw, from), dialect.RawOffset(t.raw, to)
	}
	raw := make([]byte, 0, len(t.raw)+len(with)+16)
	raw = dialect.AppendQuoted(append(raw, t.raw[:a]...), with)
	t.raw = append(raw, t.raw[z:]...)
	t.value, t.decoded, t.edited = nil, false, true
	return nil
}

// wholeRunes widens a span of text to the characters that it cuts; an empty one moves to the
// beginning of the character it stands in.
func wholeRunes(text []byte, from, to int) (int, int) {
	empty := from == to
	from = runeStart(text, from)
	if empty {
		return from, from
	}
	if start := runeStart(text, to); start < to {
		_, size := utf8.DecodeRune(text[start:])
		to = start + size
	}
	return from, to
}

// runeStart returns the beginning of the character that byte i of the text belongs to.
func runeStart(text []byte, i int) int {
	if i >= len(text) || utf8.RuneStart(text[i]) {
		return i
	}
	for back := 1; back < utf8.UTFMax && i-back >= 0; back++ {
		if utf8.RuneStart(text[i-back]) {
			if _, size := utf8.DecodeRune(text[i-back:]); size > back {
				return i - back
			}
			break
		}
	}
	return i
}
