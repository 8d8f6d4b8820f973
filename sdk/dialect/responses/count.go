package responses

import (
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

var _ conversation.Counter = Codec{}

// DecodeCount reads a request whose tokens are to be counted: one for a response, without wishes for it.
func (c Codec) DecodeCount(body []byte) (*conversation.Request, error) { return c.DecodeRequest(body) }

// EncodeCount writes it.
func (Codec) EncodeCount(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	e.instructions()
	e.Key("input")
	e.Array()
	for i := range q.Turns {
		e.turn(i, &q.Turns[i])
	}
	e.EndArray()
	e.tools()
	return e.finished()
}

// DecodeCounted reads the count.
func (Codec) DecodeCounted(body []byte) (int64, error) {
	return conversation.CountedAt(body, "input_tokens")
}

// EncodeCounted writes it.
func (Codec) EncodeCounted(tokens int64) []byte {
	return append(strconv.AppendInt([]byte(`{"object":"response.input_tokens","input_tokens":`), tokens, 10), '}')
}
