package exchange

import (
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Event is one event of a streamed answer. Raw holds its bytes with the blank line that ends it, or
// with what separates it from the item before; Body is its payload with the texts in it. Where no
// text is edited, Raw is what is sent.
type Event struct {
	Raw     []byte
	Framing dialect.Framing
	Body    Body
	dialect.Event
	// Last says that the event ends the stream in its dialect, or is empty where nothing does. Only
	// an Ender sees it.
	Last bool

	pending  int  // texts that some window has not settled
	replaced bool // Raw is a filter's
}

// Replace makes raw the event's bytes, which may be several events, a part of one, or none. They are
// framed and read again before another filter sees them. The event owns raw from then on.
func (e *Event) Replace(raw []byte) { e.Raw, e.Body, e.replaced = raw, Body{}, true }

// Bytes returns the event as it is to be sent.
func (e *Event) Bytes() []byte {
	if !e.Body.Edited() {
		return e.Raw
	}
	if e.Framing == dialect.JSONArray {
		return dialect.AppendItem(nil, e.Raw, e.Body.Bytes())
	}
	return dialect.AppendPayload(nil, e.Raw, e.Body.Bytes())
}

// Window is the text of one channel that a filter has not settled: what it held back and what just
// came, as one text. Offsets count decoded bytes from the window's beginning.
type Window struct {
	Channel dialect.Channel
	Role    dialect.Role
	Final   bool // nothing follows in this channel
	Key     bool // it names a member of a tool call's arguments

	pieces []piece
	one    [1]piece // its memory, where it is one
	bytes  []byte
	fresh  int
	stale  bool
}

// piece is a text of a held event; its bytes before from are settled.
type piece struct {
	event *Event
	text  *Text
	from  int
}

// Bytes returns the window's text. It is valid until the next Edit and must not be changed.
func (w *Window) Bytes() []byte {
	if len(w.pieces) == 1 {
		return w.pieces[0].text.Value()[w.pieces[0].from:]
	}
	if w.stale {
		w.bytes = w.bytes[:0]
		for _, p := range w.pieces {
			w.bytes = append(w.bytes, p.text.Value()[p.from:]...)
		}
		w.stale = false
	}
	return w.bytes
}

// Fresh returns the offset at which the text begins that this filter sees for the first time.
func (w *Window) Fresh() int { return w.fresh }

// Edit replaces bytes from to to of the window, across events where it must: the replacement goes
// into the first text it touches, the others lose their part. The window's offsets change. A window
// that holds no event, as at the end of a channel, has no place for a text.
func (w *Window) Edit(from, to int, with []byte) error {
	total := len(w.Bytes())
	if from < 0 || to < from || to > total || len(w.pieces) == 0 && len(with) > 0 {
		return fmt.Errorf("edit %d-%d of a window of %d bytes: %w", from, to, total, ErrSpan)
	}
	at, done := 0, false
	for i := range w.pieces {
		p := &w.pieces[i]
		n := len(p.text.Value()) - p.from
		a, z := max(from-at, 0), min(to-at, n)
		last := i == len(w.pieces)-1
		if a < z || !done && a == z && (a < n || last) && from-at >= 0 {
			put := with
			if done {
				put = nil
			}
			if err := p.text.Edit(p.from+a, p.from+z, put); err != nil {
				return err
			}
			done = true
		}
		at += n
	}
	w.stale = true
	after := len(w.Bytes()) // by what the texts made of it: they cut no character and repair with
	if w.fresh >= to {
		w.fresh += after - total
	} else if w.fresh > from {
		w.fresh = from + len(with)
	}
	w.fresh = min(max(w.fresh, 0), after)
	return nil
}

// add appends a text that just came.
func (w *Window) add(e *Event, t *Text) {
	w.fresh = len(w.Bytes())
	if w.pieces == nil {
		w.pieces = w.one[:0]
	}
	w.pieces = append(w.pieces, piece{event: e, text: t})
	e.pending++
	w.stale = true
}

// settle releases all but the last hold bytes of the window.
func (w *Window) settle(hold int) {
	total := len(w.Bytes())
	settled := max(total-hold, 0)
	kept, at := w.pieces[:0], 0
	for _, p := range w.pieces {
		n := len(p.text.Value()) - p.from
		if hold <= 0 || at+n <= settled {
			p.event.pending--
			at += n
			continue
		}
		if at < settled {
			p.from += settled - at
		}
		at += n
		kept = append(kept, p)
	}
	w.pieces = kept
	w.stale = true
}

// held reports how many bytes are not settled.
func (w *Window) held() int {
	if len(w.pieces) == 0 {
		return 0
	}
	return len(w.Bytes())
}
