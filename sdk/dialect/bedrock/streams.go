package bedrock

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream.
func (Codec) Decoder() conversation.StreamDecoder {
	return &streamDecoder{blocks: map[int64]*openBlock{}}
}

type streamDecoder struct {
	began, over bool
	next        int // the number of the next block
	blocks      map[int64]*openBlock
	sequence    string
	left        conversation.Left
}

// Left returns what was read over.
func (s *streamDecoder) Left() []conversation.Field { return s.left.Fields }

type openBlock struct {
	number int
	sealed conversation.Opaque
}

// Event reads an event's payload.
func (s *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if seen.Error != nil {
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	d := decoder{s.left.Reader(payload), &conversation.Request{}}
	at := len(dst)
	d.Each("the event", func(kind string) {
		switch kind {
		case messageStart:
			if !s.began {
				s.began = true
				dst = append(dst, conversation.Delta{Kind: conversation.Begin})
			}
			d.Each(kind, func(k string) {
				if k == "role" || k == "p" {
					d.Skip()
				} else {
					d.Leave()
				}
			})
		case blockStart, blockDelta, blockStop:
			b := blockEvent{}
			d.Each(kind, func(k string) { b.member(d, k) })
			if !s.over {
				dst = s.block(kind, &b, dst)
			}
		case messageStop:
			d.Each(kind, func(k string) {
				switch k {
				case "additionalModelResponseFields":
					s.sequence = d.stopSequence()
				case "stopReason", "p":
					d.Skip()
				default:
					d.Leave()
				}
			})
		case "metadata":
			d.Each(kind, d.envelope)
		default:
			d.envelope(kind)
		}
	})
	if err := d.End(); err != nil {
		return dst, err
	}
	if seen.Finish != "" && !s.over {
		dst = s.closeAll(dst)
		s.over = true
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Finish: finish(seen.Finish), Sequence: s.sequence})
	}
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	return conversation.Begun(&s.began, dst, at, conversation.Delta{}), nil
}

// blockEvent is what an event may say of a block.
type blockEvent struct {
	index    int64
	part     conversation.Part // its kind, and what is known of it
	text     string
	sealed   string
	citation *conversation.Citation
	known    bool // it is of a kind that there is
}

func (b *blockEvent) member(d decoder, key string) {
	switch key {
	case "contentBlockIndex":
		b.index = d.Count(key)
	case "start":
		d.Each(key, func(k string) {
			if k != "toolUse" {
				d.Leave()
				return
			}
			b.known, b.part = true, conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{}}
			d.Each(k, func(k string) {
				switch k {
				case "toolUseId":
					b.part.Call.ID = d.Str(k)
				case "name":
					b.part.Call.Name = d.Str(k)
				default:
					d.Leave()
				}
			})
		})
	case "delta":
		d.Each(key, func(k string) { b.delta(d, k) })
	case "p": // what makes all events of one length
		d.Skip()
	default:
		d.Leave()
	}
}

func (b *blockEvent) delta(d decoder, key string) {
	switch key {
	case "text":
		b.known, b.text = true, d.Str(key)
	case "toolUse":
		d.Each(key, func(k string) {
			if k == "input" {
				b.known, b.part.Kind, b.text = true, conversation.ToolCall, d.Str(k)
				return
			}
			d.Leave()
		})
	case "reasoningContent":
		b.known, b.part.Kind = true, conversation.Thinking
		d.Each(key, func(k string) {
			switch k {
			case "text":
				b.text = d.Str(k)
			case "signature":
				b.sealed = d.Str(k)
			case "redactedContent":
				b.part.Redacted, b.sealed = true, d.Str(k)
			default:
				d.Leave()
			}
		})
	case "citation":
		c := d.citation()
		b.known, b.citation = true, &c
	default:
		d.Leave()
	}
}

// block appends what an event tells of a block. A text and a thought begin with their first delta.
func (s *streamDecoder) block(kind string, b *blockEvent, dst []conversation.Delta) []conversation.Delta {
	open := s.blocks[b.index]
	if kind == blockStop {
		if open != nil {
			delete(s.blocks, b.index)
			dst = append(dst, conversation.Delta{Kind: conversation.Close, Block: open.number, Opaque: open.sealed})
		}
		return dst
	}
	if !b.known {
		return dst
	}
	if open == nil {
		if kind == blockDelta && b.part.Kind == conversation.ToolCall {
			return dst // of a call that never began
		}
		open = &openBlock{number: s.next}
		s.next++
		s.blocks[b.index] = open
		part := b.part
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Block: open.number, Part: &part})
	}
	if b.sealed != "" {
		open.sealed = conversation.Unseal(open.sealed.Value+b.sealed, conversation.VendorAnthropic)
	}
	if b.text != "" || b.citation != nil {
		more := conversation.Delta{Kind: conversation.More, Block: open.number, Text: b.text}
		if b.citation != nil {
			more.Citations = []conversation.Citation{*b.citation}
		}
		dst = append(dst, more)
	}
	return dst
}

func (s *streamDecoder) closeAll(dst []conversation.Delta) []conversation.Delta {
	for n := range s.next {
		for index, b := range s.blocks {
			if b.number == n {
				delete(s.blocks, index)
				dst = append(dst, conversation.Delta{Kind: conversation.Close, Block: n, Opaque: b.sealed})
			}
		}
	}
	return dst
}

// End has nothing to add: the vendor says everything itself.
func (s *streamDecoder) End(dst []conversation.Delta) []conversation.Delta { return dst }
