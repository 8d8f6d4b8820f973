package gateway

import (
	"bytes"
	"errors"
	"io"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Some upstreams answer a request for a stream with a whole answer, or one for a whole answer with a stream. The client
// gets what it asked for.

// shaped reports whether the client gets the form of answer that it asked for, whatever the upstream sends.
func (s *serving) shaped() bool { return s.x.Op == llm.OpChat || s.x.Op == llm.OpCompletions }

// inEvents reports whether the client gets events for an answer.
func (s *serving) inEvents(a *upstream.Answer) bool {
	_, ok := s.streams(a)
	return ok && !s.shaped() || s.x.Stream && s.shaped()
}

// contentType returns that of events, or of a whole answer.
func (s *serving) contentType(events bool) string {
	if events && s.endpoint.Framing == dialect.ServerSent {
		return "text/event-stream"
	}
	return contentJSON
}

// ready is a source of what is there already.
type ready struct{ rest []byte }

func (r *ready) Next(dst []byte) ([]byte, error) {
	if r.rest == nil {
		return dst, io.EOF
	}
	dst, r.rest = append(dst, r.rest...), nil
	return dst, nil
}

func (*ready) Linger(dst []byte) ([]byte, error) { return dst, io.EOF }

// pieces returns a whole answer as a stream.
func (s *serving) pieces() *exchange.Reply {
	raw, err := s.rest()
	if err == nil {
		raw, err = s.inPieces(raw)
	}
	if err != nil {
		return s.checked(s.upstreamFailed(err))
	}
	s.tellLost()
	return s.streamFrom(&ready{raw})
}

// inPieces writes the events that say a whole answer.
func (s *serving) inPieces(raw []byte) ([]byte, error) {
	if s.x.Op == llm.OpCompletions { // whose events have the form of an answer
		if _, err := conversation.ReadAnswer(s.codec, s.x.Op, raw); err != nil {
			return nil, upstreams(err)
		}
		return append(dialect.AppendPayload(nil, []byte("data: \n\n"), bytes.TrimSpace(raw)), "data: [DONE]\n\n"...), nil
	}
	a, client, err := s.decodeAnswer(raw)
	if err != nil {
		return nil, err
	}
	s.x.Usage = a.Usage // for which the client may not have asked
	e := client.Encoder(s.streamOptions())
	var out []byte
	for _, d := range a.Deltas(nil) {
		out = e.Append(out, &d)
	}
	return e.End(out), nil
}

// gathered returns a stream as a whole answer.
func (s *serving) gathered(framing dialect.Framing) *exchange.Reply {
	raw, err := s.rest()
	if err == nil {
		raw, err = s.gather(raw, framing)
	}
	if err != nil {
		return s.checked(s.upstreamFailed(err))
	}
	s.tellLost()
	return s.whole(raw)
}

var errStream = &llm.Error{Code: llm.CodeUpstream, Message: "the upstream sent a stream where none was asked for"}

func (s *serving) gather(raw []byte, framing dialect.Framing) ([]byte, error) {
	if s.x.Op != llm.OpChat {
		return nil, errStream
	}
	t, err := s.newTranslation(&ready{raw}, framing)
	if err != nil {
		return nil, err
	}
	g := &gatherer{client: t.client}
	t.encoder = g
	var out []byte
	for err == nil {
		out, err = t.Next(out)
	}
	switch {
	case g.all.Failed != nil:
		return nil, g.all.Failed
	case !errors.Is(err, io.EOF):
		return nil, err
	case g.err != nil:
		return nil, conversation.Unreadable()
	}
	s.losses.Left(g.all.Answer.Other)
	return out, nil
}

// gatherer is a conversation.StreamEncoder that writes one whole answer.
type gatherer struct {
	client conversation.AnswerWriter
	all    conversation.Collector
	err    error
}

// Append keeps what d says.
func (g *gatherer) Append(dst []byte, d *conversation.Delta) []byte {
	if err := g.all.Add(*d); g.err == nil {
		g.err = err
	}
	return dst
}

// End writes the answer.
func (g *gatherer) End(dst []byte) []byte {
	return append(dst, g.client.EncodeAnswer(&g.all.Answer)...)
}
