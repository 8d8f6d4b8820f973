package responses

import "github.com/ginnel/ginnel/sdk/dialect/conversation"

var _ conversation.Counter = Codec{}

// DecodeCount reads a request whose tokens are to be counted: one for a response, without wishes for it.
func (c Codec) DecodeCount(body []byte) (*conversation.Request, error) { return c.DecodeRequest(body) }

// EncodeCount writes it.
func (Codec) EncodeCount(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	return spoken(q).finished()
}

// Counted returns the form of the answer.
func (Codec) Counted() conversation.Counted {
	return conversation.Counted{Member: "input_tokens", Beside: `"object":"response.input_tokens",`}
}
