package conversation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// ErrOrder is the error of deltas that do not come in the order that Delta tells.
var ErrOrder = errors.New("deltas out of order")

// MaxChoices bounds the number of a choice, which is the upstream's word: more than any vendor gives at once.
const MaxChoices = 256

// Collector puts the deltas of a stream together to the answer that they say, and holds them to their
// order. The zero value is ready; it is used by one goroutine at a time.
type Collector struct {
	Answer Answer
	Failed *llm.Error

	began bool
	state []collected // of each choice
}

type collected struct {
	open     map[int]*strings.Builder // the words or arguments of each open block
	logprobs LogprobPieces
	over     bool
}

// Add adds deltas.
func (c *Collector) Add(deltas ...Delta) error {
	for i := range deltas {
		if err := c.add(&deltas[i]); err != nil {
			return fmt.Errorf("delta %d of kind %d: %w", i, deltas[i].Kind, err)
		}
	}
	return nil
}

func (c *Collector) add(d *Delta) error {
	if c.Failed != nil || d.Kind != Begin && !c.began && d.Kind != Failed {
		return ErrOrder
	}
	switch d.Kind {
	case Begin:
		if c.began {
			return ErrOrder
		}
		c.began = true
		c.Answer.ID, c.Answer.Model, c.Answer.Created, c.Answer.Stored = d.ID, d.Model, d.Created, d.Stored
		return nil
	case Usage:
		if c.Answer.Usage == nil {
			c.Answer.Usage = &llm.Usage{}
		}
		c.Answer.Usage.Merge(d.Usage)
		return nil
	case Failed:
		c.Failed = d.Err
		return nil
	}
	if d.Choice < 0 || d.Choice >= MaxChoices {
		return ErrOrder
	}
	for len(c.Answer.Choices) <= d.Choice {
		c.Answer.Choices = append(c.Answer.Choices, Choice{})
		c.state = append(c.state, collected{open: map[int]*strings.Builder{}})
	}
	return c.choice(&c.Answer.Choices[d.Choice], &c.state[d.Choice], d)
}

func (c *Collector) choice(choice *Choice, s *collected, d *Delta) error {
	if s.over {
		return ErrOrder
	}
	s.logprobs.Add(d.Logprobs)
	switch d.Kind {
	case Open:
		if d.Block != len(choice.Parts) || d.Part == nil {
			return ErrOrder
		}
		p := *d.Part
		if p.Call != nil {
			call := *p.Call
			p.Call = &call
		}
		choice.Parts = append(choice.Parts, p)
		said := &strings.Builder{}
		if said.WriteString(p.Text); p.Kind == ToolCall {
			said.WriteString(p.Call.Arguments)
		}
		s.open[d.Block] = said
	case More, Close:
		said := s.open[d.Block]
		if said == nil {
			return ErrOrder
		}
		said.WriteString(d.Text)
		p := &choice.Parts[d.Block]
		if p.Kind == ToolCall {
			p.Call.Arguments = said.String()
		} else {
			p.Text = said.String()
		}
		p.Citations = append(p.Citations, d.Citations...)
		if d.Opaque.Value != "" {
			p.Opaque = d.Opaque
		}
		if d.Kind == Close {
			delete(s.open, d.Block)
		}
	case Finished:
		if len(s.open) > 0 {
			return ErrOrder
		}
		s.over = true
		choice.Finish, choice.StopSequence = d.Finish, d.Sequence
		if !s.logprobs.Whole() {
			c.Answer.Other = append(c.Answer.Other, Field{Name: "choices[" + strconv.Itoa(d.Choice) + "].logprobs"})
		}
		choice.Logprobs = s.logprobs.Take()
	}
	return nil
}

// Whole returns the error of a stream that ended before each choice had its finish reason.
func (c *Collector) Whole() error {
	for i := range c.state {
		if !c.state[i].over {
			return fmt.Errorf("choice %d has no end: %w", i, ErrOrder)
		}
	}
	return nil
}
