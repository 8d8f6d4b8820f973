package grammar

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Completion is one of the answers that a stream of Chat Completions gives, put together.
type Completion struct {
	Text     string
	Refusal  string
	Thoughts string
	Calls    []ToolCall
	Finish   string
}

// ToolCall is a call of a tool, put together.
type ToolCall struct {
	ID, Name  string
	Arguments string // a JSON object, or of a custom tool its input
	Custom    bool
}

// Completions is what a stream of Chat Completions says.
type Completions struct {
	Choices []Completion
	Used    bool   // usage was told
	Error   string // the message of the error that ended it, or ""
}

// completionChunk is a chat.completion.chunk, or an error in its place.
type completionChunk struct {
	ID, Object, Model string
	Created           *int64
	Choices           []struct {
		Index  *int
		Delta  *completionDelta
		Finish *string `json:"finish_reason"`
	}
	Usage map[string]any
	Error *struct{ Message string }
}

type completionDelta struct {
	Role     string
	Content  string
	Refusal  string
	Thoughts string      `json:"reasoning_content"`
	Calls    []callPiece `json:"tool_calls"`
}

type callPiece struct {
	Index    *int
	ID, Type string
	Function *struct{ Name, Arguments string }
	Custom   *struct{ Name, Input string }
}

type completionReader struct {
	out   Completions
	ended bool
}

// OpenAI reads a stream of Chat Completions: chunks, of which the first of each choice says the role, and each piece of a
// tool's call its index and the first of them its id and name; a finish reason for each choice, where the arguments of its
// calls are whole; perhaps the usage in a chunk without choices; and [DONE]. An error may end it anywhere, without [DONE].
func OpenAI(stream []byte) (*Completions, error) {
	var r completionReader
	if err := events(stream, func(f *dialect.Frame) error { return r.frame(f.Payload) }); err != nil {
		return nil, err
	}
	if !r.ended {
		return nil, errors.New("the stream ends without [DONE] or an error")
	}
	return &r.out, nil
}

func (r *completionReader) frame(payload []byte) error {
	if r.ended {
		return errors.New("an event after the end")
	}
	if string(payload) == "[DONE]" {
		r.ended = true
		return r.whole()
	}
	var c completionChunk
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("no chunk: %w", err)
	}
	if c.Error != nil {
		r.ended, r.out.Error = true, c.Error.Message
		if c.Error.Message == "" {
			return errors.New("an error without a message")
		}
		return nil
	}
	if c.ID == "" || c.Object != "chat.completion.chunk" || c.Model == "" || c.Created == nil {
		return errors.New("no chunk of a chat completion")
	}
	if r.out.Used {
		return errors.New("a chunk behind the usage")
	}
	r.out.Used = c.Usage != nil
	for _, one := range c.Choices {
		if one.Index == nil || *one.Index < 0 || *one.Index > len(r.out.Choices) || one.Delta == nil {
			return fmt.Errorf("no delta of a choice up to %d", len(r.out.Choices))
		}
		if *one.Index == len(r.out.Choices) {
			if one.Delta.Role != "assistant" {
				return errors.New("a choice that does not begin with its role")
			}
			r.out.Choices = append(r.out.Choices, Completion{})
		}
		if err := r.out.Choices[*one.Index].add(one.Delta, one.Finish); err != nil {
			return fmt.Errorf("choice %d: %w", *one.Index, err)
		}
	}
	return nil
}

// whole holds what was said to have an end.
func (r *completionReader) whole() error {
	for i := range r.out.Choices {
		if r.out.Choices[i].Finish == "" {
			return fmt.Errorf("choice %d ends without a reason", i)
		}
	}
	if len(r.out.Choices) == 0 {
		return errors.New("no choice, no error")
	}
	return nil
}

func (c *Completion) add(d *completionDelta, finish *string) error {
	if c.Finish != "" {
		return errors.New("something follows the finish reason")
	}
	c.Text, c.Refusal, c.Thoughts = c.Text+d.Content, c.Refusal+d.Refusal, c.Thoughts+d.Thoughts
	for i := range d.Calls {
		if err := c.piece(&d.Calls[i]); err != nil {
			return err
		}
	}
	if finish == nil {
		return nil
	}
	if c.Finish = *finish; c.Finish == "" {
		return errors.New("a finish reason without a word")
	}
	for _, call := range c.Calls {
		if !call.Custom && c.Finish != "length" && !isObject(call.Arguments) { // the limit may cut them
			return fmt.Errorf("the arguments of %s are no JSON object: %q", call.Name, call.Arguments)
		}
	}
	return nil
}

// piece adds to a call, or begins the next one.
func (c *Completion) piece(p *callPiece) error {
	if p.Index == nil || *p.Index < 0 || *p.Index > len(c.Calls) {
		return fmt.Errorf("a piece of no call up to %d", len(c.Calls))
	}
	name, said := "", ""
	switch {
	case p.Function != nil:
		name, said = p.Function.Name, p.Function.Arguments
	case p.Custom != nil:
		name, said = p.Custom.Name, p.Custom.Input
	}
	if *p.Index == len(c.Calls) {
		kind := map[bool]string{true: "custom", false: "function"}[p.Custom != nil]
		if p.ID == "" || name == "" || p.Type != kind {
			return errors.New("a call that begins without an id, a type or a name")
		}
		c.Calls = append(c.Calls, ToolCall{ID: p.ID, Name: name, Custom: p.Custom != nil})
	}
	call := &c.Calls[*p.Index]
	if call.Custom != (p.Custom != nil) {
		return errors.New("a piece of another kind of call")
	}
	call.Arguments += said
	return nil
}
