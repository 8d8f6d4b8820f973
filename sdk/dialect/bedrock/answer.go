package bedrock

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads an answer. It names neither itself nor its model.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	if found.Error != nil {
		return nil, found.Error
	}
	a := &conversation.Answer{Usage: found.Usage, Choices: make([]conversation.Choice, 1)}
	choice := &a.Choices[0]
	var left conversation.Left
	d := decoder{left.Reader(body), &conversation.Request{}}
	d.Each("the answer", func(k string) {
		switch k {
		case "output":
			d.Each(k, func(k string) {
				if k == "message" {
					choice.Parts = d.message().Parts
					return
				}
				d.Leave()
			})
		case "stopReason":
			choice.Finish = finish(d.Str(k))
		case "additionalModelResponseFields":
			choice.StopSequence = d.stopSequence()
		default:
			d.envelope(k)
		}
	})
	a.Other = left.Fields
	return a, d.End()
}

// envelope reads over a member that is about the answer: how long it took, at which tier. What else stands there is listed.
func (d decoder) envelope(key string) {
	switch key {
	case "metrics", "performanceConfig", "serviceTier", "p":
		d.Skip()
	case "usage":
		d.Each(key, func(k string) {
			switch k {
			case "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokenCount",
				"cacheDetails":
				d.Skip()
			case "serverToolUsage":
				d.LeaveEach(k)
			default:
				d.Leave()
			}
		})
	default:
		d.Leave()
	}
}

// stopSequence reads the one field of a model's own that says what ended an answer.
func (d decoder) stopSequence() (s string) {
	if d.Type() != dialect.TypeObject {
		d.Leave()
		return ""
	}
	d.Each("additionalModelResponseFields", func(k string) {
		if (k == "stop_sequence" || k == "/stop_sequence") && d.Type() == dialect.TypeString {
			s = d.Str(k)
			return
		}
		d.Leave()
	})
	return s
}

// finish translates a stop reason.
func finish(s string) conversation.Finish {
	switch s {
	case "":
		return ""
	case "end_turn":
		return conversation.FinishStop
	case "tool_use":
		return conversation.FinishTools
	case "max_tokens":
		return conversation.FinishLength
	case "stop_sequence":
		return conversation.FinishSequence
	case "model_context_window_exceeded":
		return conversation.FinishContext
	case "guardrail_intervened", "content_filtered":
		return conversation.FinishFilter
	case "malformed_model_output", "malformed_tool_use":
		return conversation.FinishError
	case "refusal": // a model's own
		return conversation.FinishRefusal
	}
	return conversation.Finish("other:" + s)
}
