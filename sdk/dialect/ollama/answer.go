package ollama

import (
	"encoding/json"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// piece is an answer, or what one line of a stream says of it.
type piece struct {
	model    string
	of       string // when it was made, as it says it: what tells it from others
	created  int64  // seconds since the epoch
	message  message
	logprobs json.RawMessage // in OpenAI's form
}

// piece reads one.
func (d decoder) piece() (p piece) {
	d.Each("the answer", func(k string) {
		switch k {
		case "model":
			p.model = d.Str(k)
		case "created_at":
			p.of = d.Str(k)
			if t, err := time.Parse(time.RFC3339Nano, p.of); err == nil {
				p.created = t.Unix()
			}
		case "message":
			p.message = d.message(k)
		case "logprobs":
			if raw := d.Raw(); raw != nil {
				p.logprobs = append(append([]byte(`{"content":`), raw...), '}')
			}
		case "done", "done_reason", "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration":
			d.Skip()
		default:
			d.Leave()
		}
	})
	return p
}

// DecodeAnswer reads an answer. Only one that says that it is done has a reason to end.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	if found.Error != nil {
		return nil, found.Error
	}
	var left conversation.Left
	d := decoder{left.Reader(body), &conversation.Request{}}
	p := d.piece()
	if err := d.End(); err != nil {
		return nil, err
	}
	parts := p.message.all()
	for i := range parts {
		if call := parts[i].Call; call != nil && call.ID == "" {
			call.ID = conversation.CallID(p.of, 0, i, call.Name)
		}
	}
	return &conversation.Answer{
		Model: p.model, Created: p.created, Usage: found.Usage, Other: left.Fields,
		Choices: []conversation.Choice{{Parts: parts, Finish: finish(found.Finish).Ended(parts), Logprobs: p.logprobs}},
	}, nil
}
