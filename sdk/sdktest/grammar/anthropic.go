package grammar

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Block is a content block of a stream, put together.
type Block struct {
	Type string
	Text string // its words; of a tool's call its input, as JSON
}

// Message is what a stream of Anthropic's Messages says.
type Message struct {
	Blocks []Block
	Stop   string // why it stopped
	Error  string // the type of the error that ended it, or ""
}

// deltas are the kinds of delta that a block of a type may have; other blocks have none.
var deltas = map[string][]string{
	"text":            {"text_delta", "citations_delta"},
	"thinking":        {"thinking_delta", "signature_delta"},
	"tool_use":        {"input_json_delta"},
	"server_tool_use": {"input_json_delta"},
	"mcp_tool_use":    {"input_json_delta"},
	"compaction":      {"compaction_delta"},
}

// event is an event of the stream; members that may be absent are pointers.
type event struct {
	Type    string
	Index   *int
	Message *struct {
		Type, Role, ID, Model string
		Content               []json.RawMessage
		Usage                 map[string]any
	}
	Block *struct {
		Type     string
		Text     string
		Thinking string
		Input    json.RawMessage
		Content  json.RawMessage
	} `json:"content_block"`
	Delta *struct {
		Type        string
		Text        *string
		Thinking    *string
		PartialJSON *string `json:"partial_json"`
		Signature   *string
		Content     *string
		Citation    map[string]any
		Stop        *string `json:"stop_reason"`
	}
	Usage map[string]any
	Error *struct{ Type, Message string }
}

// Anthropic reads a stream of Messages: message_start, then blocks one after the other, each with a
// start, deltas of its kind and a stop, message_delta, message_stop. Pings and events of unknown types
// may stand between; an error may end it anywhere, and nothing follows an end.
func Anthropic(stream []byte) (*Message, error) {
	r := reader{at: wantStart}
	if err := events(stream, r.frame); err != nil {
		return nil, err
	}
	if r.at != ended {
		return nil, errors.New("the stream ends without message_stop or an error")
	}
	return &r.message, nil
}

// place is where in the grammar a reader stands.
type place uint8

const (
	wantStart place = iota
	betweenBlocks
	inBlock
	wantStop
	ended
)

type reader struct {
	at      place
	message Message
}

func (r *reader) frame(f *dialect.Frame) error {
	var e event
	switch err := json.Unmarshal(f.Payload, &e); {
	case err != nil:
		return fmt.Errorf("no JSON: %w", err)
	case r.at == ended:
		return errors.New("an event after the end")
	case string(f.Name) == "ping":
		return nil
	case string(f.Name) != e.Type:
		return errors.New("the event's name is not its type")
	}
	switch e.Type {
	case "message_start":
		return r.start(&e)
	case "content_block_start":
		return r.startBlock(&e)
	case "content_block_delta":
		return r.delta(&e)
	case "content_block_stop":
		return r.stopBlock(&e)
	case "message_delta":
		return r.messageDelta(&e)
	case "message_stop":
		return r.move(wantStop, ended)
	case "error":
		if e.Error == nil || e.Error.Type == "" || e.Error.Message == "" {
			return errors.New("an error without a type or a message")
		}
		r.message.Error, r.at = e.Error.Type, ended
	}
	return nil
}

func (r *reader) move(from, to place) error {
	if r.at != from {
		return errors.New("out of place")
	}
	r.at = to
	return nil
}

func (r *reader) start(e *event) error {
	m := e.Message
	if m == nil || m.Type != "message" || m.Role != "assistant" || m.ID == "" || m.Model == "" || len(m.Content) > 0 || m.Usage["input_tokens"] == nil {
		return errors.New("no message as one begins")
	}
	return r.move(wantStart, betweenBlocks)
}

func (r *reader) startBlock(e *event) error {
	if e.Block == nil || e.Block.Type == "" || e.Index == nil || *e.Index != len(r.message.Blocks) {
		return fmt.Errorf("no block with the index %d", len(r.message.Blocks))
	}
	r.message.Blocks = append(r.message.Blocks, Block{e.Block.Type, e.Block.Text + e.Block.Thinking})
	return r.move(betweenBlocks, inBlock)
}

func (r *reader) delta(e *event) error {
	if r.at != inBlock || e.Delta == nil || e.Index == nil || *e.Index != len(r.message.Blocks)-1 {
		return errors.New("a delta of no open block")
	}
	b := &r.message.Blocks[*e.Index]
	fits := false
	for _, kind := range deltas[b.Type] {
		fits = fits || kind == e.Delta.Type
	}
	if !fits {
		return fmt.Errorf("a delta that a block of the type %s has not", b.Type)
	}
	text := map[string]*string{"text_delta": e.Delta.Text, "thinking_delta": e.Delta.Thinking, "input_json_delta": e.Delta.PartialJSON,
		"signature_delta": e.Delta.Signature}[e.Delta.Type]
	switch e.Delta.Type {
	case "citations_delta":
		if e.Delta.Citation == nil {
			return errors.New("no citation")
		}
	case "compaction_delta":
		if e.Delta.Content != nil {
			b.Text += *e.Delta.Content
		}
	default:
		if text == nil {
			return errors.New("a delta without its text")
		}
		if e.Delta.Type != "signature_delta" {
			b.Text += *text
		}
	}
	return nil
}

func (r *reader) stopBlock(e *event) error {
	if e.Index == nil || *e.Index != len(r.message.Blocks)-1 {
		return errors.New("the end of no open block")
	}
	b := r.message.Blocks[*e.Index]
	if kinds := deltas[b.Type]; len(kinds) == 1 && kinds[0] == "input_json_delta" && b.Text != "" && !isObject(b.Text) {
		return fmt.Errorf("the input of a call is no JSON object: %q", b.Text)
	}
	return r.move(inBlock, betweenBlocks)
}

func (r *reader) messageDelta(e *event) error {
	if e.Delta == nil || e.Delta.Stop == nil || e.Usage["output_tokens"] == nil {
		return errors.New("no stop reason or no usage")
	}
	r.message.Stop = *e.Delta.Stop
	return r.move(betweenBlocks, wantStop)
}
