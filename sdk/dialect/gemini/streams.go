package gemini

import (
	"encoding/json"
	"slices"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream of responses.
func (Codec) Decoder() conversation.StreamDecoder { return &streamDecoder{} }

// streamDecoder finds the blocks in a stream that does not name them: words of one kind are one block
// until something else comes; a call comes whole.
type streamDecoder struct {
	began   bool
	choices []*choiceState
	left    conversation.Left
}

// Left returns what was read over.
func (d *streamDecoder) Left() []conversation.Field { return d.left.Fields }

type choiceState struct {
	index, blocks int
	open          int // the block of words, or -1
	kind          conversation.Kind
	words, from   int                     // the bytes of all texts so far, and of those before the open one
	cited         []conversation.Citation // of which it is not known yet which text they are of
	sealed        conversation.Opaque
	calls         bool
	finish        string // the last reason: older models give one with every piece
	logprobs      conversation.LogprobPieces
}

func (d *streamDecoder) choice(index int) *choiceState {
	for _, c := range d.choices {
		if c.index == index {
			return c
		}
	}
	c := &choiceState{index: index, open: -1}
	d.choices = append(d.choices, c)
	return c
}

// Event reads one response.
func (d *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if seen.Error != nil {
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	s, err := readChunk(payload, &d.left)
	if err != nil {
		return dst, err
	}
	if !d.began {
		d.began = true
		dst = append(dst, conversation.Delta{Kind: conversation.Begin, ID: s.id, Model: s.model})
	}
	for i := range s.candidates {
		dst = d.choice(s.candidates[i].index).read(s.id, &s.candidates[i], dst)
	}
	if s.blocked != "" && len(d.choices) == 0 {
		d.choice(0)
	}
	for _, c := range d.choices {
		if s.blocked != "" && c.finish == "" { // also amid what it says
			c.finish = "SAFETY"
		}
	}
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	return dst, nil
}

func (c *choiceState) read(of string, from *candidate, dst []conversation.Delta) []conversation.Delta {
	for _, one := range from.citations { // some say them again with each piece
		said := func(before conversation.Citation) bool {
			return before.URL == one.URL && before.Start == one.Start && before.End == one.End
		}
		if !slices.ContainsFunc(c.cited, said) {
			c.cited = conversation.Bounded(append(c.cited, one))
		}
	}
	c.logprobs.Add(from.logprobs)
	for i := range from.parts {
		p := &from.parts[i]
		switch p.Kind {
		case conversation.Text, conversation.Thinking:
			dst = c.say(dst, p)
		default:
			dst = c.whole(of, c.close(dst), *p)
		}
	}
	if from.finish != "" {
		c.finish = from.finish
	}
	return dst
}

// say adds words to the open block of their kind, or opens one. A signature closes it.
func (c *choiceState) say(dst []conversation.Delta, p *conversation.Part) []conversation.Delta {
	if p.Text == "" && p.Opaque.Value == "" {
		return dst
	}
	if c.open >= 0 && c.kind != p.Kind {
		dst = c.close(dst)
	}
	if c.open < 0 {
		c.open, c.kind, c.from = c.blocks, p.Kind, c.words
		c.blocks++
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Choice: c.index, Block: c.open, Part: &conversation.Part{Kind: p.Kind, Redacted: p.Redacted}})
	}
	if p.Kind == conversation.Text {
		c.words += len(p.Text)
	}
	if p.Text != "" {
		more := conversation.Delta{Kind: conversation.More, Choice: c.index, Block: c.open, Text: p.Text}
		if p.Kind == conversation.Text {
			more.Logprobs = c.logprobs.Take()
		}
		dst = append(dst, more)
	}
	if p.Opaque.Value != "" {
		c.sealed = p.Opaque
		dst = c.close(dst)
	}
	return dst
}

// whole passes on a part that comes at once.
func (c *choiceState) whole(of string, dst []conversation.Delta, p conversation.Part) []conversation.Delta {
	arguments := ""
	if p.Kind == conversation.ToolCall {
		c.calls = true
		call := *p.Call
		arguments, call.Arguments = call.Arguments, ""
		if call.ID == "" {
			call.ID = conversation.CallID(of, c.index, c.blocks, call.Name)
		}
		p.Call = &call
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Open, Choice: c.index, Block: c.blocks, Part: &p})
	if arguments != "" {
		dst = append(dst, conversation.Delta{Kind: conversation.More, Choice: c.index, Block: c.blocks, Text: arguments})
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Close, Choice: c.index, Block: c.blocks})
	c.blocks++
	return dst
}

func (c *choiceState) close(dst []conversation.Delta) []conversation.Delta {
	if c.open < 0 {
		return dst
	}
	if cited := c.citations(); len(cited) > 0 {
		dst = append(dst, conversation.Delta{Kind: conversation.More, Choice: c.index, Block: c.open, Citations: cited})
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Close, Choice: c.index, Block: c.open, Opaque: c.sealed})
	c.open, c.sealed = -1, conversation.Opaque{}
	return dst
}

// citations takes those of the open text off the list.
func (c *choiceState) citations() (cited []conversation.Citation) {
	if c.kind != conversation.Text {
		return nil
	}
	var later []conversation.Citation
	for _, one := range c.cited {
		if one.Start >= c.words && one.End > 0 {
			later = append(later, one)
		} else if one.Behind(c.from) {
			cited = append(cited, one)
		}
	}
	c.cited = later
	return cited
}

// End closes what is open and says why each candidate ended.
func (d *streamDecoder) End(dst []conversation.Delta) []conversation.Delta {
	for _, c := range d.choices {
		if dst = c.close(dst); len(c.cited) > 0 { // of no words
			d.left.Add(sourcesOf(c.index))
		}
		if f := finishFrom(c.finish, c.calls); f != "" {
			dst = append(dst, conversation.Delta{Kind: conversation.Finished, Choice: c.index, Finish: f, Logprobs: c.logprobs.Take()})
		}
	}
	return dst
}

// Encoder returns the writing half of a stream of responses.
func (Codec) Encoder(o conversation.StreamOptions) conversation.StreamEncoder {
	return &streamEncoder{options: o, blocks: map[blockKey]*blockState{}, words: map[int]int{}, cited: map[int][]located{}, logprobs: map[int]*conversation.LogprobPieces{}}
}

type blockKey struct{ choice, block int }

// streamEncoder writes words as they come and calls when they are whole; the finish reasons come last,
// with the usage.
type streamEncoder struct {
	options   conversation.StreamOptions
	id, model string
	blocks    map[blockKey]*blockState
	words     map[int]int       // the bytes of each choice's texts
	cited     map[int][]located // and their citations
	finished  []conversation.Delta
	usage     *llm.Usage
	begun     bool                                // an item was written
	logprobs  map[int]*conversation.LogprobPieces // of each choice that came without words
}

type blockState struct {
	conversation.Part
	said []byte // words or arguments, as far as they have come
}

// Append writes responses.
func (e *streamEncoder) Append(dst []byte, d *conversation.Delta) []byte {
	key := blockKey{d.Choice, d.Block}
	if d.Logprobs != nil && d.Text == "" {
		e.later(d)
	}
	switch d.Kind {
	case conversation.Begin:
		e.id, e.model = d.ID, d.Model
	case conversation.Open:
		p := *d.Part
		if p.Call != nil {
			call := *p.Call
			p.Call = &call
		}
		e.blocks[key] = &blockState{Part: p}
	case conversation.More:
		p := e.blocks[key]
		if p != nil {
			p.Citations = conversation.Bounded(append(p.Citations, d.Citations...))
		}
		switch {
		case p == nil || d.Text == "":
		case p.Kind == conversation.ToolCall:
			p.said = append(p.said, d.Text...)
		case p.Kind != conversation.Native:
			if p.Kind == conversation.Text {
				p.said = append(p.said, d.Text...)
			}
			return e.part(dst, d.Choice, partJSON(&conversation.Part{Kind: p.Kind, Text: d.Text}), d.Logprobs)
		}
	case conversation.Close:
		return e.close(dst, d)
	case conversation.Finished:
		e.finished = append(e.finished, *d)
	case conversation.Usage:
		if e.usage == nil {
			e.usage = &llm.Usage{}
		}
		e.usage.Merge(d.Usage)
	case conversation.Failed:
		return e.failed(dst, d.Err)
	}
	return dst
}

func (e *streamEncoder) close(dst []byte, d *conversation.Delta) []byte {
	key := blockKey{d.Choice, d.Block}
	s := e.blocks[key]
	delete(e.blocks, key)
	if s == nil {
		return dst
	}
	p := &s.Part
	if p.Kind == conversation.ToolCall {
		p.Call.Arguments += string(s.said)
	}
	if p.Kind == conversation.Text {
		p.Text += string(s.said)
		for _, one := range p.Citations {
			l := quoted(one, p.Text, 0) // of all pieces together
			l.Start, l.End = l.Start+e.words[d.Choice], l.End+e.words[d.Choice]
			e.cited[d.Choice] = append(e.cited[d.Choice], l)
		}
		e.words[d.Choice] += len(p.Text)
	}
	switch p.Kind {
	case conversation.Text, conversation.Thinking, conversation.Refusal:
		if d.Opaque.Value == "" {
			return dst
		}
		p = &conversation.Part{Kind: p.Kind, Redacted: p.Redacted, Opaque: d.Opaque}
	}
	if b := partJSON(p); b != nil {
		dst = e.part(dst, d.Choice, b, nil)
	}
	return dst
}

// later keeps log probabilities for the end.
func (e *streamEncoder) later(d *conversation.Delta) {
	l := e.logprobs[d.Choice]
	if l == nil {
		l = &conversation.LogprobPieces{}
		e.logprobs[d.Choice] = l
	}
	l.Add(d.Logprobs)
}

func (e *streamEncoder) part(dst []byte, choice int, part []byte, logprobs json.RawMessage) []byte {
	return e.item(dst, func(w *dialect.Writer) {
		w.Key("candidates")
		w.Array()
		writeCandidate(w, choice, [][]byte{part}, "", nil, logprobs)
		w.EndArray()
		writeTail(w, nil, e.model, e.id)
	})
}

// item writes one response in the stream's framing.
func (e *streamEncoder) item(dst []byte, body func(*dialect.Writer)) []byte {
	array := e.options.Framing == dialect.JSONArray
	switch {
	case !array:
		dst = append(dst, "data: "...)
	case e.begun:
		dst = append(dst, ",\r\n"...)
	default:
		dst = append(dst, '[')
	}
	e.begun = true
	w := &dialect.Writer{Buf: dst}
	w.Object()
	body(w)
	w.EndObject()
	w.Line(len(dst))
	if !array {
		w.Buf = append(w.Buf, "\r\n\r\n"...)
	}
	return w.Buf
}

func (e *streamEncoder) failed(dst []byte, err *llm.Error) []byte {
	if e.options.Framing != dialect.JSONArray {
		return Codec{}.AppendErrorEvent(dst, err, "")
	}
	separator := byte('[')
	if e.begun {
		separator = ','
	}
	return append(Codec{}.AppendError(append(dst, separator), err, ""), ']')
}

// End writes the finish reasons and the usage.
func (e *streamEncoder) End(dst []byte) []byte {
	dst = e.item(dst, func(w *dialect.Writer) {
		w.Key("candidates")
		w.Array()
		for i := range e.finished {
			choice := e.finished[i].Choice
			var logprobs json.RawMessage
			if l := e.logprobs[choice]; l != nil {
				logprobs = l.Take()
			}
			writeCandidate(w, choice, nil, finishTo(e.finished[i].Finish), e.cited[choice], logprobs)
		}
		w.EndArray()
		writeTail(w, e.usage, e.model, e.id)
	})
	if e.options.Framing == dialect.JSONArray {
		dst = append(dst, "]\r\n"...)
	}
	return dst
}
