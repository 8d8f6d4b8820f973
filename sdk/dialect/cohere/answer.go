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
	d := decoder{conversation.NewReader(body), &conversation.Request{}}
	d.Each("the answer", func(k string) {
		switch k {
		case "id":
			a.ID = d.Str(k)
		case "message":
			m := d.message()
			choice.Parts = m.all()
			cite(choice.Parts, m.citations)
		case "finish_reason":
			choice.Finish = finish(d.Str(k))
		default:
			d.Skip()
		}
	})
	return a, d.End()
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
		return conversation.FinishError
	case "ERROR_TOXIC":
		return conversation.FinishFilter
	case "ERROR_LIMIT":
		return conversation.FinishContext
	}
	return conversation.Finish("other:" + s)
}
