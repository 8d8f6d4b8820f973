package gateway

import (
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// bytesPerToken is more than any common text has in its raw form, so that what it makes of a text is a low estimate.
const bytesPerToken = 6

// Tokens implements upstream.Demand. It leaves media out.
func (s *serving) Tokens() int64 {
	n := 0
	for i := range s.request.Texts {
		n += s.request.Texts[i].Span.Len()
	}
	return int64(n/bytesPerToken) + min(max(s.request.MaxTokens, 0), 1<<40)
}

// Features implements upstream.Demand. Of a request that is no conversation, or that cannot be read as one, nothing is
// known: it asks for nothing.
func (s *serving) Features() []llm.Feature {
	c, ok := s.codec.(conversation.Codec)
	if !ok || s.x.Op != llm.OpChat {
		return nil
	}
	q, err := c.DecodeRequest(s.x.Request.Body.Bytes())
	if err != nil {
		return nil
	}
	return q.Features()
}

// Overlong implements upstream.Judge.
func (*serving) Overlong(a *upstream.Answer) bool {
	if a.Failure != nil {
		return dialect.Overlong(400, []byte(a.Failure.Error()))
	}
	return dialect.Overlong(a.Status, a.First)
}
