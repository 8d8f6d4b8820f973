package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Response is what a stream of OpenAI's Responses says.
type Response struct {
	Items  []Item
	Status string // of the response
	Error  string // the message of the error that ended it, or ""
}

// Item is an output item of a stream, put together.
type Item struct {
	Type  string
	Parts []string // the texts of its parts, or the one of its arguments
}

// part is a part of an item as an event carries it.
type part struct {
	Type    string
	Text    *string
	Refusal *string
}

func (p *part) words() string {
	switch {
	case p == nil:
		return ""
	case p.Refusal != nil:
		return *p.Refusal
	case p.Text != nil:
		return *p.Text
	}
	return ""
}

// item is an item as an event carries it.
type item struct {
	Type, ID  string
	Content   []part
	Summary   []part
	Arguments *string
	Input     *string
	Code      *string
}

// call returns what a tool is called with.
func (it *item) call() *string {
	for _, s := range []*string{it.Arguments, it.Input, it.Code} {
		if s != nil {
			return s
		}
	}
	return nil
}

type responseObject struct {
	ID, Object, Status string
	Output             []item
	Error              *struct{ Message string }
}

// responseEvent is an event of the stream; members that may be absent are pointers.
type responseEvent struct {
	Type     string
	Sequence *int64 `json:"sequence_number"`
	Output   *int   `json:"output_index"`
	Content  *int   `json:"content_index"`
	Summary  *int   `json:"summary_index"`
	Item     *item
	ItemID   *string `json:"item_id"`
	Part     *part
	Response *responseObject
	Delta    json.RawMessage

	Text, Refusal, Arguments, Input, Code *string

	Message *string
	Error   *struct{ Message string }
}

// openItem is an item between its beginning and its end. The parts of its summary stand in parts[1].
type openItem struct {
	kind  string
	id    string
	parts [2][]openPart
	said  string // the arguments so far
	ended bool
}

type openPart struct {
	text        string
	said, ended bool // its text is complete; it is
}

type responseReader struct {
	items    []*openItem
	began    bool
	ended    bool
	sequence int64
	out      Response
}

// Responses reads a stream of Responses: response.created, then items by output_index, each with a
// beginning, its parts or its arguments in deltas, what repeats them, and an end, then the whole
// response. Every repetition must say what the deltas said. An error may end the stream anywhere, and
// [DONE] may follow the end.
func Responses(stream []byte) (*Response, error) {
	r := responseReader{sequence: -1}
	if err := events(stream, func(f *dialect.Frame) error {
		if r.ended && string(f.Payload) == "[DONE]" {
			return nil
		}
		return r.frame(f)
	}); err != nil {
		return nil, err
	}
	if !r.ended {
		return nil, errors.New("the stream ends without the response or an error")
	}
	return &r.out, nil
}

func (r *responseReader) frame(f *dialect.Frame) error {
	var e responseEvent
	switch err := json.Unmarshal(f.Payload, &e); {
	case err != nil:
		return fmt.Errorf("no JSON: %w", err)
	case r.ended:
		return errors.New("an event after the end")
	case string(f.Name) == "ping":
		return nil
	case string(f.Name) != e.Type:
		return errors.New("the event's name is not its type")
	case e.Sequence != nil && *e.Sequence <= r.sequence:
		return errors.New("a sequence_number that does not grow")
	}
	if e.Sequence != nil {
		r.sequence = *e.Sequence
	}
	if e.Type == "error" {
		r.ended = true
		if e.Message == nil || *e.Message == "" || e.Sequence == nil {
			return errors.New("an error without a message or a sequence_number")
		}
		r.out.Error = *e.Message
		return nil
	}
	if begins := e.Type == "response.created"; begins == r.began {
		return errors.New("out of place")
	}
	r.began = true
	switch name := strings.TrimPrefix(e.Type, "response."); name {
	case "created", "in_progress", "queued":
		return r.whole(&e, false)
	case "completed", "incomplete", "failed":
		r.ended = true
		return r.whole(&e, true)
	case "output_item.added":
		return r.begin(&e)
	default:
		return r.inside(name, &e)
	}
}

// whole holds a response object to what was said.
func (r *responseReader) whole(e *responseEvent, last bool) error {
	o := e.Response
	if o == nil || o.Object != "response" || o.ID == "" || o.Status == "" {
		return errors.New("no response")
	}
	r.out.Status = o.Status
	if o.Error != nil {
		r.out.Error = o.Error.Message
	}
	if !last {
		return nil
	}
	for i, it := range r.items {
		if !it.ended && o.Status == "completed" {
			return fmt.Errorf("item %d has no end", i)
		}
	}
	if o.Status != "failed" && len(o.Output) != len(r.items) {
		return fmt.Errorf("%d items, there were %d", len(o.Output), len(r.items))
	}
	for i := range o.Output {
		if err := r.repeats(i, &o.Output[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *responseReader) begin(e *responseEvent) error {
	if e.Item == nil || e.Item.Type == "" || e.Output == nil || *e.Output != len(r.items) {
		return fmt.Errorf("no item with the index %d", len(r.items))
	}
	it := &openItem{kind: e.Item.Type, id: e.Item.ID}
	if s := e.Item.call(); s != nil {
		it.said = *s
	}
	r.items = append(r.items, it)
	r.out.Items = append(r.out.Items, Item{Type: e.Item.Type})
	return nil
}

// inside reads an event of an item.
func (r *responseReader) inside(name string, e *responseEvent) error {
	if e.Output == nil {
		return nil // a keep-alive, or a type that is not known
	}
	if *e.Output < 0 || *e.Output >= len(r.items) || r.items[*e.Output].ended {
		return errors.New("an event of no open item")
	}
	it := r.items[*e.Output]
	if it.id != "" && name != "output_item.done" && (e.ItemID == nil || *e.ItemID != it.id) {
		return fmt.Errorf("the item %s is not what it is of", it.id)
	}
	switch name {
	case "output_item.done":
		it.ended = true
		if e.Item == nil || e.Item.Type != it.kind {
			return errors.New("another item")
		}
		return r.repeats(*e.Output, e.Item)
	case "content_part.added", "reasoning_summary_part.added":
		side, at := it.place(e)
		if e.Part == nil || at != len(*side) {
			return fmt.Errorf("no part with the index %d", len(*side))
		}
		*side = append(*side, openPart{text: e.Part.words()})
		return nil
	case "function_call_arguments.delta", "custom_tool_call_input.delta", "code_interpreter_call_code.delta", "mcp_call_arguments.delta":
		return appendDelta(&it.said, e)
	case "function_call_arguments.done", "custom_tool_call_input.done", "code_interpreter_call_code.done", "mcp_call_arguments.done":
		return same(it.said, e.Arguments, e.Input, e.Code)
	case "output_text.delta", "refusal.delta", "reasoning_text.delta", "reasoning_summary_text.delta", "output_text.done", "refusal.done",
		"reasoning_text.done", "reasoning_summary_text.done", "content_part.done", "reasoning_summary_part.done":
		return it.inPart(name, e)
	}
	return nil
}

// place returns the parts that an event is of, and the index of its own.
func (it *openItem) place(e *responseEvent) (side *[]openPart, index int) {
	if e.Summary != nil {
		return &it.parts[1], *e.Summary
	}
	if e.Content != nil {
		return &it.parts[0], *e.Content
	}
	return &it.parts[0], -1
}

func (it *openItem) inPart(name string, e *responseEvent) error {
	side, at := it.place(e)
	if at < 0 || at >= len(*side) || (*side)[at].ended {
		return errors.New("an event of no open part")
	}
	p := &(*side)[at]
	switch {
	case strings.HasSuffix(name, ".delta"):
		if p.said {
			return errors.New("a delta of a text that was complete")
		}
		return appendDelta(&p.text, e)
	case strings.HasSuffix(name, "part.done"):
		p.ended = true
		if e.Part == nil {
			return errors.New("no part")
		}
		words := e.Part.words()
		return same(p.text, &words)
	}
	p.said = true
	return same(p.text, e.Text, e.Refusal)
}

// repeats holds an item that is complete to what was said of it, where deltas said something.
func (r *responseReader) repeats(index int, whole *item) error {
	it := r.items[index]
	var parts []string
	for side, all := range [2][]part{whole.Content, whole.Summary} {
		for i := range all {
			words := all[i].words()
			parts = append(parts, words)
			if i < len(it.parts[side]) {
				if err := same(it.parts[side][i].text, &words); err != nil {
					return err
				}
			}
		}
	}
	if s := whole.call(); s != nil {
		parts = append(parts, *s)
		if it.said != "" && it.said != *s {
			return same(it.said, s)
		}
		if whole.Type == "function_call" && !isObject(*s) {
			return errors.New("the arguments are no JSON object")
		}
	}
	r.out.Items[index].Parts = parts
	return nil
}

func appendDelta(text *string, e *responseEvent) error {
	var s string
	if err := json.Unmarshal(e.Delta, &s); err != nil {
		return errors.New("a delta that is no text")
	}
	*text += s
	return nil
}

// same holds the first of the repetitions that is there to what was said.
func same(said string, repeated ...*string) error {
	for _, s := range repeated {
		if s == nil {
			continue
		}
		if *s != said {
			return fmt.Errorf("it repeats %q, which was %q", *s, said)
		}
		return nil
	}
	return errors.New("it repeats nothing")
}
