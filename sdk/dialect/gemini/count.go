package gemini

import "github.com/ginnel/ginnel/sdk/dialect/conversation"

var _ conversation.Counter = Codec{}

// DecodeCount reads a request whose tokens are to be counted: contents alone, or a whole request inside.
func (Codec) DecodeCount(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{Names: names}
	d := decoder{conversation.NewRequestReader(body, q), q}
	d.each("the body", func(key string) {
		if key == "generateContentRequest" {
			d.each(key, d.member)
			return
		}
		d.member(key)
	})
	if err := d.End(); err != nil {
		return nil, err
	}
	return d.whole(), nil
}

// EncodeCount writes it: for Vertex AI as the body, for the Gemini API, which counts nothing but contents there,
// within a member and with the model's name.
func (Codec) EncodeCount(q *conversation.Request, l conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q}
	e.Object()
	if l.Within != "" {
		e.Key(l.Within)
		e.Object()
		e.Text("model", modelPrefix+q.Model)
	}
	e.spoken()
	if l.Within != "" {
		e.EndObject()
	}
	return e.finished()
}

// Counted returns the form of the answer.
func (Codec) Counted() conversation.Counted { return conversation.Counted{Member: "totalTokens"} }
