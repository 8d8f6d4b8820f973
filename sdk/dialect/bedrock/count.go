package bedrock

import "github.com/ginnel/ginnel/sdk/dialect/conversation"

var _ conversation.UpstreamCounter = Codec{}

// EncodeCount writes a request for the number of tokens of a request of Converse.
func (Codec) EncodeCount(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q, maker: maker(q.Model)}
	e.Object()
	e.Key("input")
	e.Object()
	e.Key("converse")
	e.Object()
	e.spoken()
	e.tools()
	e.EndObject()
	e.EndObject()
	return e.finished()
}

// Counted returns the form of the answer.
func (Codec) Counted() conversation.Counted { return conversation.Counted{Member: "inputTokens"} }
