package gateway

import (
	"bytes"
	"errors"
	"time"

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

// said returns the error that a failed answer says, or nil.
func (s *serving) said(a *upstream.Answer) *llm.Error {
	var e *llm.Error
	if errors.As(a.Failure, &e) {
		return e
	}
	var found dialect.Answer
	if err := s.codecOf(a.Dialect).Answer(s.x.Op, a.First, &found); err != nil {
		return nil
	}
	return found.Error
}

// Wait implements upstream.Judge.
func (s *serving) Wait(a *upstream.Answer) time.Duration {
	if e := s.said(a); e != nil {
		return e.RetryAfter
	}
	return 0
}

// Refuses implements upstream.Judge. A 403 is about the account where it is not about what the request says: a country, a
// key without a permission, a model that the account may not use.
func (s *serving) Refuses(a *upstream.Answer) bool {
	if s.noModel(a) {
		return true
	}
	var code llm.Code
	if e := s.said(a); e != nil {
		code = e.Code
	}
	switch code {
	case llm.CodeFiltered:
		return false
	case llm.CodeQuota:
		return true
	case llm.CodeAuth, llm.CodePermission:
		return a.Failure != nil || a.Status == 403
	}
	return a.Status == 403
}

// noModel reports whether a failed answer says that the upstream has no model of the target's name.
func (s *serving) noModel(a *upstream.Answer) bool {
	switch {
	case a.Target == nil || s.describes():
		return false
	case a.Status >= 400:
		return dialect.NoModel(a.Status, a.First, a.Target.Model)
	case a.Failure == nil: // as nearly always, and for nothing
		return false
	}
	e := s.said(a)
	if e == nil {
		return false
	}
	said := bytes.TrimLeft(a.First, jsonSpace)
	if !bytes.HasPrefix(said, []byte("{")) {
		said = []byte(e.Message) // of an event
	}
	return dialect.NoModel(404, said, a.Target.Model)
}

// Overlong implements upstream.Judge.
func (s *serving) Overlong(a *upstream.Answer) bool {
	if a.Failure != nil {
		e := s.said(a)
		return e != nil && e.Code == llm.CodeTooLong || dialect.Overlong(400, []byte(a.Failure.Error()))
	}
	return dialect.Overlong(a.Status, a.First)
}
