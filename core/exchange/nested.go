package exchange

import (
	"bytes"
	"context"
)

// nested is the first stage of a stream whose texts filters look at: it takes off escapes that a JSON text
// inside a string has no need of, as "\u0067" is "g", so that a filter finds the word that the client will
// read. What comes out means the same. Texts that are no JSON themselves it never sees.
type nested struct{}

func (nested) Name() string                { return "nested" }
func (nested) Phases() Phase               { return PhaseDelta }
func (nested) Close(context.Context) error { return nil }

// Run holds back an escape that the window's end cuts off.
func (nested) Run(_ context.Context, _ Phase, x *Exchange) (Verdict, error) {
	held, err := x.Window.plain()
	if err != nil || held == 0 || x.Window.Final {
		return Verdict{}, err
	}
	return Verdict{Action: Hold, Hold: held}, nil
}

// plain writes the characters that need no escape as they are, by one edit, and returns how many bytes at
// the end may be the beginning of an escape.
func (w *Window) plain() (cut int, err error) {
	text := w.Bytes()
	var with []byte
	from, to := -1, 0 // what is edited
	for i := 0; i < len(text); {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			break
		}
		i += next
		rest := text[i:]
		if len(rest) == 1 || rest[1] == 'u' && len(rest) < 6 {
			cut = len(rest)
			break
		}
		if rest[1] != 'u' {
			i += 2
			continue
		}
		if c := plainEscape(rest); c != 0 {
			if from < 0 {
				from, to = i, i
			}
			with = append(append(with, text[to:i]...), c)
			to = i + 6
		}
		i += 6
	}
	if from < 0 {
		return cut, nil
	}
	return cut, w.Edit(from, to, with)
}

// plainEscape returns the character that \u00XX stands for where a writer of JSON would not escape it, or 0.
// Quotes and backslashes must be, and some writers escape what HTML reads.
func plainEscape(b []byte) byte {
	if b[2] != '0' || b[3] != '0' {
		return 0
	}
	c := unhex(b[4])<<4 | unhex(b[5])
	if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"\<>&'`), byte(c)) >= 0 {
		return 0
	}
	return byte(c)
}

// unhex returns the value of a hexadecimal digit; what is none makes no character.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 0x1000
}

// nests reports whether the event has a text that is JSON itself.
func (e *Event) nests() bool {
	for i := range e.Body.texts {
		if e.Body.texts[i].Nested {
			return true
		}
	}
	return false
}

// plain is Window.plain for the texts of a whole body.
func (b *Body) plain() error {
	for i := range b.texts {
		if t := &b.texts[i]; t.Nested {
			w := Window{pieces: []piece{{text: t}}}
			if _, err := w.plain(); err != nil {
				return err
			}
		}
	}
	return nil
}
