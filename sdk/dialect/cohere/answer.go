package cohere

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads an answer.
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
		case "id":
			a.ID = d.Str(k)
		case "message":
			m := d.message()
			choice.Parts = m.all()
			if cite(choice.Parts, m.citations); len(m.citations) > 0 && !choice.Speaks() {
				left.Add("message.citations")
			}
		case "finish_reason":
			choice.Finish = finish(d.Str(k))
		case "usage":
			d.usage()
		case "meta": // which says the usage once more
			d.Skip()
		default:
			d.Leave()
		}
	})
	a.Other = left.Fields
	return a, d.End()
}

// usage lists what an account of usage has beside the numbers that the codec has read: what is billed apart from tokens.
func (d decoder) usage() {
	d.Members("usage", func(k string) {
		switch k {
		case "cached_tokens":
			d.Skip()
		case "tokens", "billed_units":
			d.Members(k, func(k string) {
				switch k {
				case "input_tokens", "output_tokens", "image_tokens", "reasoning_tokens":
					d.Skip()
				default:
					d.Leave("0.0")
				}
			})
		default:
			d.Leave()
		}
	})
}

// cite gives the first text its sources: the vendor counts in it.
func cite(parts []conversation.Part, citations []conversation.Citation) {
	for i := range parts {
		if p := &parts[i]; p.Kind == conversation.Text {
			ruler := conversation.NewRuler(p.Text)
			for j := range citations {
				citations[j].InBytes(ruler)
			}
			p.Citations = citations
			return
		}
	}
}

// finish translates a finish reason.
func finish(s string) conversation.Finish {
	switch s {
	case "":
		return ""
	case "COMPLETE":
		return conversation.FinishStop
	case "STOP_SEQUENCE":
		return conversation.FinishSequence
	case "MAX_TOKENS":
		return conversation.FinishLength
	case "TOOL_CALL":
		return conversation.FinishTools
	case "ERROR", "TIMEOUT":
		return conversation.FinishFailed
	case "ERROR_TOXIC":
		return conversation.FinishFilter
	case "ERROR_LIMIT":
		return conversation.FinishContext
	}
	return conversation.Finish("other:" + s)
}
