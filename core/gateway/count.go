package gateway

import (
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// translatedCount returns the body that has the client's tokens counted in the plan's dialect.
func (s *serving) translatedCount(t *upstream.Target, p *upstream.Plan) ([]byte, error) {
	client, provider, err := sides[conversation.Counter, conversation.UpstreamCounter](s, p.Dialect)
	if err != nil {
		return nil, err
	}
	q, err := client.DecodeCount(s.x.Request.Body.Bytes())
	if err != nil {
		return nil, err
	}
	q.Model = t.Model
	body, lost, err := provider.EncodeCount(q, conversation.Limits{Within: p.Within})
	if err != nil {
		return nil, err
	}
	s.lost = lost
	return body, nil
}

// translateCounted returns a count in the client's dialect.
func (s *serving) translateCounted(raw []byte) ([]byte, error) {
	client, provider, err := sides[conversation.Counter, conversation.UpstreamCounter](s, s.answer.Dialect)
	if err != nil {
		return nil, err
	}
	n, err := provider.Counted().Decode(raw)
	if err != nil || n < 0 {
		return nil, &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"}
	}
	return client.Counted().Encode(n), nil
}
