package gateway

import (
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// bytesPerToken is more than any common text has in its raw form, so that what it makes of a text is a low estimate.
const bytesPerToken = 6

// tokens is about what the request takes at least, with the answer that it allows for. It leaves media out.
func (s *serving) tokens() int64 {
	n := 0
	for i := range s.request.Texts {
		n += s.request.Texts[i].Span.Len()
	}
	return int64(n/bytesPerToken) + min(max(s.request.MaxTokens, 0), 1<<40)
}

// features returns what the request asks of a model besides words. Of one that is no conversation, or that
// cannot be read as one, nothing is known: it asks for nothing.
func (s *serving) features() []llm.Feature {
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

// overlong reports whether an upstream says that the request is longer than its model can read.
func overlong(a *upstream.Answer) bool {
	if a.Failure != nil {
		return dialect.Overlong(400, []byte(a.Failure.Error()))
	}
	return dialect.Overlong(a.Status, a.First)
}
