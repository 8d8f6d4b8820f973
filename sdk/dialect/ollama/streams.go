package ollama

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream.
func (Codec) Decoder() conversation.StreamDecoder { return &streamDecoder{open: -1} }

// streamDecoder finds the blocks in a stream that does not name them: words and thoughts end where something else
// begins, and a call comes whole.
type streamDecoder struct {
	began, over bool
	open        int // the block of words or thoughts that goes on, or -1
	kind        conversation.Kind
	parts       []conversation.Part        // the blocks so far, without their words
	logprobs    conversation.LogprobPieces // which wait for words
	left        conversation.Left
}

// Left returns what was read over.
func (s *streamDecoder) Left() []conversation.Field { return s.left.Fields }

// Event reads a line.
func (s *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if s.over {
		return dst, nil
	}
	if seen.Error != nil {
		s.over = true
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	d := decoder{s.left.Reader(payload), &conversation.Request{}}
	p := d.piece()
	if err := d.End(); err != nil {
		return dst, err
	}
	at := len(dst)
	s.logprobs.Add(p.logprobs)
	for _, part := range p.message.all() {
		if part.Kind == conversation.ToolCall {
			dst = s.call(p.of, &part, s.close(dst))
		} else {
			dst = s.say(&part, dst)
		}
	}
	if seen.End {
		dst = s.close(dst)
		s.over = true
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Finish: finish(seen.Finish).Ended(s.parts), Logprobs: s.logprobs.Take()})
	}
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	return conversation.Begun(&s.began, dst, at, conversation.Delta{Model: p.model, Created: p.created}), nil
}

// say adds words or thoughts to the open block, or opens one.
func (s *streamDecoder) say(p *conversation.Part, dst []conversation.Delta) []conversation.Delta {
	if s.open >= 0 && s.kind != p.Kind {
		dst = s.close(dst)
	}
	if s.open < 0 {
		s.kind = p.Kind
		s.open, dst = s.begin(conversation.Part{Kind: p.Kind}, dst)
	}
	return append(dst, conversation.Delta{Kind: conversation.More, Block: s.open, Text: p.Text, Logprobs: s.logprobs.Take()})
}

// call adds a call.
func (s *streamDecoder) call(of string, p *conversation.Part, dst []conversation.Delta) []conversation.Delta {
	call := *p.Call
	arguments := call.Arguments
	if call.Arguments = ""; call.ID == "" {
		call.ID = conversation.CallID(of, 0, len(s.parts), call.Name)
	}
	block, dst := s.begin(conversation.Part{Kind: conversation.ToolCall, Call: &call}, dst)
	return append(dst,
		conversation.Delta{Kind: conversation.More, Block: block, Text: arguments},
		conversation.Delta{Kind: conversation.Close, Block: block})
}

func (s *streamDecoder) begin(p conversation.Part, dst []conversation.Delta) (int, []conversation.Delta) {
	block := len(s.parts)
	s.parts = append(s.parts, conversation.Part{Kind: p.Kind})
	return block, append(dst, conversation.Delta{Kind: conversation.Open, Block: block, Part: &p})
}

func (s *streamDecoder) close(dst []conversation.Delta) []conversation.Delta {
	if s.open < 0 {
		return dst
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Close, Block: s.open})
	s.open = -1
	return dst
}

// End has nothing to add: the line that is done says it.
func (s *streamDecoder) End(dst []conversation.Delta) []conversation.Delta { return dst }
