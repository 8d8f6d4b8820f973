package openai

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// The tool calls of a stream come in pieces, which vendors tell apart in ways of their own: by an index, by an id, by
// both, or by neither.

type callState struct {
	index     int64  // the vendor's, or its place in the list
	id        string // the vendor's, or ""
	name      string
	block     int
	arguments extent
}

type indexedCall struct {
	part  conversation.Part
	index int64
	given bool // the vendor said the index
}

// indexed reads a piece of a tool call.
func (d decoder) indexed(place int) indexedCall {
	c := indexedCall{part: conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{}}, index: int64(place)}
	d.Each("tool_calls", func(k string) {
		if k == "index" && d.Type() == dialect.TypeNumber {
			c.index, c.given = d.Count(k), true
			return
		}
		d.callMember(&c.part, k)
	})
	c.part.Call.ID, c.part.Opaque = unpacked(&c.part)
	return c
}

// unpacked returns a call's id and its sealed state, wherever it stood.
func unpacked(p *conversation.Part) (string, conversation.Opaque) {
	if id, sealed := conversation.UnpackID(p.Call.ID); sealed.Value != "" {
		return id, sealed
	}
	return p.Call.ID, p.Opaque
}

// unknown is the call of a piece that may be of several.
const unknown = -2

// continued returns the call that a piece belongs to, -1 where it begins one, or unknown.
func (c *choiceState) continued(piece *indexedCall) int {
	id, name := piece.part.Call.ID, piece.part.Call.Name
	for i := range c.calls {
		if s := &c.calls[i]; id != "" && id == s.id && (!piece.given || piece.index == s.index) {
			return i
		}
	}
	if !piece.given {
		return c.unnumbered(piece)
	}
	found := -1
	for i := range c.calls {
		s := &c.calls[i]
		again := id == "" && name != "" && s.arguments.whole() && piece.part.Call.Arguments != "" // of a vendor without ids
		if s.index == piece.index && !again && (id == "" || s.id == "" || name == "") {
			found = i
		}
	}
	return found
}

// unnumbered is continued for a piece without an index. Another id begins another call, and so does a name, but for one
// that may be said again. What has neither is of the one call that is not whole.
func (c *choiceState) unnumbered(piece *indexedCall) int {
	call := piece.part.Call
	if call.ID != "" || len(c.calls) == 0 {
		return -1
	}
	open, found := 0, -1
	for i := range c.calls {
		s := &c.calls[i]
		if s.arguments.whole() || call.Name != "" && call.Name != s.name && !s.arguments.begun() {
			continue // a tool that takes nothing may be called with nothing
		}
		open, found = open+1, i
	}
	switch {
	case call.Name != "" && open == 0:
		return -1
	case call.Name == "" && open == 1:
		return found
	case call.Name == "" && call.Arguments == "":
		return len(c.calls) - 1 // which says nothing
	}
	return unknown
}

// call adds to a tool call. It reports whether it is known which.
func (c *choiceState) call(dst []conversation.Delta, piece *indexedCall) ([]conversation.Delta, bool) {
	dst = c.closeText(dst, conversation.Opaque{})
	found := c.continued(piece)
	if found == unknown {
		return dst, false
	}
	if found < 0 {
		if !piece.given {
			piece.index = int64(len(c.calls))
		}
		p := piece.part
		call := *p.Call
		call.Arguments = ""
		if call.ID == "" {
			call.ID = conversation.CallID(c.of, c.index, c.blocks, call.Name)
		}
		p.Call = &call
		found = len(c.calls)
		c.kinds = append(c.kinds, conversation.Part{Kind: conversation.ToolCall})
		c.calls = append(c.calls, callState{index: piece.index, id: piece.part.Call.ID, name: call.Name, block: c.blocks})
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Choice: c.index, Block: c.blocks, Part: &p})
		c.blocks++
	}
	s := &c.calls[found]
	if s.id == "" {
		s.id = piece.part.Call.ID // it comes late
	}
	if a := piece.part.Call.Arguments; a != "" {
		if !piece.part.Call.Custom { // whose input is any text
			s.arguments.add(a)
		}
		dst = append(dst, conversation.Delta{Kind: conversation.More, Choice: c.index, Block: s.block, Text: a})
	}
	return dst, true
}

// extent knows whether an object whose text comes in pieces is whole.
type extent struct {
	depth           int
	quoted, escaped bool
	some            bool // of it has come
}

func (e *extent) begun() bool { return e.some }

func (e *extent) whole() bool { return e.some && e.depth <= 0 }

func (e *extent) add(piece string) {
	for i := range len(piece) {
		switch b := piece[i]; {
		case e.escaped:
			e.escaped = false
		case e.quoted:
			e.escaped, e.quoted = b == '\\', b != '"'
		case b == '"':
			e.quoted = true
		case b == '{' || b == '[':
			e.depth, e.some = e.depth+1, true
		case b == '}' || b == ']':
			e.depth--
		}
	}
}
