package cohere

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream.
func (Codec) Decoder() conversation.StreamDecoder {
	return &streamDecoder{blocks: map[place]*openBlock{}}
}

// place is where a block stands in the vendor's count: contents and calls are counted apart, and there is one
// plan.
type place struct {
	list  byte // c, t or p
	index int64
}

type streamDecoder struct {
	began, over bool
	next        int
	blocks      map[place]*openBlock
	left        conversation.Left
}

// Left returns what was read over.
func (s *streamDecoder) Left() []conversation.Field { return s.left.Fields }

type openBlock struct {
	number int
	words  *strings.Builder // of a text, whose citations count in it
}

// streamEvent is what an event may say.
type streamEvent struct {
	kind     string
	index    int64
	id       string
	thinking bool
	text     string
	call     conversation.Call
	citation *conversation.Citation
	content  int64 // of the citation
}

// Event reads an event's payload.
func (s *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	switch {
	case seen.End:
		return dst, nil
	case seen.Error != nil:
		if seen.Usage != nil && s.began {
			dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
		}
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	d := decoder{s.left.Reader(payload), &conversation.Request{}}
	var e streamEvent
	d.Each("the event", func(k string) { e.member(d, k) })
	if err := d.End(); err != nil {
		return dst, err
	}
	at := len(dst)
	if !s.over {
		dst = s.deltas(&e, dst)
	}
	if seen.Finish != "" && !s.over {
		dst = s.closeAll(dst)
		s.over = true
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Finish: finish(seen.Finish)})
	}
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	return conversation.Begun(&s.began, dst, at, conversation.Delta{}), nil
}

func (e *streamEvent) member(d decoder, key string) {
	switch key {
	case "type":
		e.kind = d.Str(key)
	case "index":
		e.index = d.Count(key)
	case "id":
		e.id = d.Str(key)
	case "delta":
		if d.Type() != dialect.TypeObject {
			d.Skip()
			return
		}
		d.Each(key, func(k string) {
			switch {
			case k == "message" && d.Type() == dialect.TypeObject:
				d.Each(k, func(k string) { e.message(d, k) })
			case k == "usage":
				d.usage()
			case k == "finish_reason" || k == "error":
				d.Skip()
			default:
				d.Leave()
			}
		})
	default:
		d.Leave()
	}
}

// message reads the part of a message that an event brings: an object where a whole message has a list.
func (e *streamEvent) message(d decoder, key string) {
	switch {
	case key == "tool_plan":
		e.text = d.Str(key)
	case key == "role":
		d.Skip()
	case d.Type() != dialect.TypeObject:
		d.Leave()
	case key == "content":
		d.Each(key, func(k string) {
			switch k {
			case "type":
				e.thinking = d.Str(k) == "thinking"
			case "text":
				e.text += d.Str(k)
			case "thinking":
				e.thinking = true
				e.text += d.Str(k)
			default:
				d.Leave()
			}
		})
	case key == "tool_calls":
		c := d.call()
		e.call, e.text = *c.Call, c.Call.Arguments
		e.call.Arguments = ""
	case key == "citations":
		c := d.citation()
		e.citation = &c
		inner := decoder{d.Repeated(c.Raw), d.into}
		inner.Each(key, func(k string) {
			if k == "content_index" && inner.Type() == dialect.TypeNumber {
				e.content = inner.Count(k)
				return
			}
			inner.Skip()
		})
	default:
		d.Leave()
	}
}

func (s *streamDecoder) deltas(e *streamEvent, dst []conversation.Delta) []conversation.Delta {
	switch e.kind {
	case messageStart:
		if !s.began {
			s.began = true
			dst = append(dst, conversation.Delta{Kind: conversation.Begin, ID: e.id})
		}
	case contentStart, contentDelta:
		kind := conversation.Text
		if e.thinking {
			kind = conversation.Thinking
		}
		dst = s.more(place{'c', e.index}, conversation.Part{Kind: kind}, e.text, dst)
	case contentEnd:
		dst = s.close(place{'c', e.index}, dst)
	case planDelta:
		dst = s.more(place{'p', 0}, conversation.Part{}, e.text, dst)
	case callStart:
		dst = s.close(place{'p', 0}, dst)
		call := e.call
		dst = s.more(place{'t', e.index}, conversation.Part{Kind: conversation.ToolCall, Call: &call}, e.text, dst)
	case callDelta:
		if s.blocks[place{'t', e.index}] != nil {
			dst = s.more(place{'t', e.index}, conversation.Part{}, e.text, dst)
		}
	case callEnd:
		dst = s.close(place{'t', e.index}, dst)
	case citationStart:
		b := s.blocks[place{'c', e.content}]
		switch {
		case e.citation == nil:
		case b == nil || b.words == nil: // of a plan or of thoughts
			s.left.Add("delta.message.citations")
		default:
			e.citation.InBytes(conversation.NewRuler(b.words.String()))
			dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Citations: []conversation.Citation{*e.citation}})
		}
	}
	return dst
}

// more appends a piece of a block, which begins with its first.
func (s *streamDecoder) more(at place, part conversation.Part, text string, dst []conversation.Delta) []conversation.Delta {
	b := s.blocks[at]
	if b == nil {
		b = &openBlock{number: s.next}
		if part.Kind == conversation.Text {
			b.words = &strings.Builder{}
		}
		s.next++
		s.blocks[at] = b
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Block: b.number, Part: &part})
	}
	if text == "" {
		return dst
	}
	if b.words != nil {
		b.words.WriteString(text)
	}
	return append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: text})
}

func (s *streamDecoder) close(at place, dst []conversation.Delta) []conversation.Delta {
	b := s.blocks[at]
	if b == nil {
		return dst
	}
	delete(s.blocks, at)
	return append(dst, conversation.Delta{Kind: conversation.Close, Block: b.number})
}

// closeAll closes what is open, in the order in which it was opened.
func (s *streamDecoder) closeAll(dst []conversation.Delta) []conversation.Delta {
	for n := range s.next {
		for at, b := range s.blocks {
			if b.number == n {
				dst = s.close(at, dst)
			}
		}
	}
	return dst
}

// End has nothing to add: the vendor says everything itself.
func (s *streamDecoder) End(dst []conversation.Delta) []conversation.Delta { return dst }
