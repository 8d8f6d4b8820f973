package gateway

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// foreign reports whether the upstream was spoken to in another dialect than the client's.
func (s *serving) foreign() bool {
	return s.answer != nil && s.answer.Dialect != "" && s.answer.Dialect != s.x.Dialect
}

// codecOf returns what reads a provider of a dialect: the client's own codec for one that is not known.
func (s *serving) codecOf(d llm.Dialect) dialect.Upstream {
	for _, c := range s.Codecs {
		if c.Name() == d {
			return c
		}
	}
	for _, c := range s.Upstreams {
		if c.Name() == d {
			return c
		}
	}
	return s.codec
}

// translators returns both sides of a conversation's translation.
func (s *serving) translators(d llm.Dialect) (conversation.Codec, conversation.UpstreamCodec, error) {
	return sides[conversation.Codec, conversation.UpstreamCodec](s, d)
}

// sides returns both sides of a translation, or an error where one cannot be translated.
func sides[C, P any](s *serving, d llm.Dialect) (client C, provider P, err error) {
	client, ok := s.codec.(C)
	upstream := s.codecOf(d)
	provider, ok2 := upstream.(P)
	if !ok || !ok2 || upstream.Name() != d {
		err = errNoTranslation
	}
	return client, provider, err
}

var errNoTranslation = &llm.Error{Code: llm.CodeInvalid, Message: "the provider of this model speaks another dialect, and there is no translation"}

// translated returns what says the client's request, as the filters left it, in the plan's dialect.
func (s *serving) translated(t *upstream.Target, p *upstream.Plan, r *upstream.Request) error {
	if s.x.Op != llm.OpChat {
		body, err := s.translatedOther(t, p)
		if err != nil {
			return err
		}
		r.Header, r.Body = llm.Header{{Name: "Content-Type", Value: contentJSON}}, withMembers(body, p)
		s.carried(r)
		return nil
	}
	client, provider, err := s.translators(p.Dialect)
	if err != nil {
		return err
	}
	q, err := client.DecodeRequest(s.x.Request.Body.Bytes())
	if err != nil {
		return err
	}
	q.Model, q.Stream = t.Model, s.x.Stream
	body, lost, err := provider.EncodeRequest(q, conversation.Limits{
		MaxTokensField: p.MaxTokensField, ReasoningField: p.ReasoningField, ReasoningAlways: p.ReasoningAlways, MaxTokens: t.Output,
	})
	if err != nil {
		return err
	}
	s.lost = lost
	if p.InsteadOfModel != "" {
		if body, err = s.insteadOfModel(body, p); err != nil {
			return err
		}
	}
	r.Body = withMembers(body, p)
	r.Query, r.Header = provider.Head(q.Stream)
	s.carried(r)
	return nil
}

// translatedOther returns the body of what is no conversation.
func (s *serving) translatedOther(t *upstream.Target, p *upstream.Plan) ([]byte, error) {
	switch {
	case s.embeds():
		return s.translatedEmbeddings(t, p)
	case s.x.Op == llm.OpRerank:
		return s.translatedRerank(t, p)
	case s.x.Op == llm.OpCountTokens:
		return s.translatedCount(t, p)
	}
	return nil, errNoTranslation
}

// carried adds the fields of the client's header that mean the same to every vendor.
func (s *serving) carried(r *upstream.Request) {
	for _, f := range s.forward() {
		if !vendors(f.Name) && r.Header.Count(f.Name) == 0 {
			r.Header = append(r.Header, f)
		}
	}
}

// insteadOfModel returns a body that was translated with what the plan wants in the place of the model.
func (s *serving) insteadOfModel(body []byte, p *upstream.Plan) ([]byte, error) {
	var read dialect.Request
	if c, ok := s.codecOf(p.Dialect).(dialect.Codec); ok {
		if err := c.Request(s.x.Op, body, &read); err != nil {
			return nil, err
		}
	}
	span, member := dialect.InsteadOfModel(body, &read, p.InsteadOfModel)
	return slices.Replace(body, span.Start, span.End, member...), nil
}

// withMembers returns a body that was translated with the members that the plan adds to it.
func withMembers(body []byte, p *upstream.Plan) []byte {
	if p.Members == "" {
		return body
	}
	span, members := dialect.FirstMember(body, []byte(p.Members))
	return slices.Replace(body, span.Start, span.End, members...)
}

// vendors reports whether a header field says something in one vendor's words.
func vendors(name string) bool {
	lower := strings.ToLower(name)
	for _, prefix := range []string{"anthropic-", "openai-", "x-goog-", "x-stainless-"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// translatedHeader returns the header of an answer that is translated.
func (s *serving) translatedHeader(a *upstream.Answer) llm.Header {
	h := llm.Header{{Name: "Content-Type", Value: s.contentType(s.inEvents(a))}}
	if len(s.lost) > 0 { // of an answer nothing is known yet
		h.Add(HeaderDropped, dropped(s.lost))
	}
	return h
}

// upstreams returns the error of an answer that could not be decoded: what the upstream says about itself, or that it
// could not be read.
func upstreams(err error) error {
	var e *llm.Error
	if errors.As(err, &e) && e.Code != llm.CodeInvalid {
		return err
	}
	return conversation.Unreadable()
}

// translateAnswer returns a whole answer in the client's dialect.
func (s *serving) translateAnswer(raw []byte) ([]byte, error) {
	switch {
	case s.embeds():
		return s.translateVectors(raw)
	case s.x.Op == llm.OpRerank:
		return s.translateRanking(raw)
	case s.x.Op == llm.OpCountTokens:
		return s.translateCounted(raw)
	}
	a, client, err := s.decodeAnswer(raw)
	if err != nil {
		return nil, err
	}
	return client.EncodeAnswer(a), nil
}

// decodeAnswer reads a whole answer of a conversation, and returns it with what writes it for the client.
func (s *serving) decodeAnswer(raw []byte) (*conversation.Answer, conversation.Codec, error) {
	from := cmp.Or(s.answer.Dialect, s.x.Dialect)
	client, provider, err := s.translators(from)
	if err != nil {
		return nil, nil, err
	}
	a, err := provider.DecodeAnswer(raw)
	if err != nil {
		return nil, nil, upstreams(err)
	}
	s.losses.Places = client.Places()
	s.losses.Answer(a)
	for i := range a.Choices {
		c := &a.Choices[i]
		if c.Finish == "" && from == llm.OpenAI { // some compatible servers never say
			c.Finish = conversation.FinishStop.Ended(c.Parts)
		}
		if e := c.Finish.Usable(); e != nil {
			return nil, nil, e
		}
		if c.Finish == "" {
			return nil, nil, errBroken
		}
	}
	if len(a.Choices) == 0 {
		return nil, nil, errBroken
	}
	if a.ID == "" {
		a.ID = s.x.ID
	}
	if a.Model == "" {
		a.Model = s.x.Model
	}
	return a, client, nil
}

// translation is a source that reads an upstream's stream and gives it in the client's dialect. It ends
// cleanly only where the upstream's stream was whole.
type translation struct {
	s       *serving
	from    source
	client  conversation.Codec
	codec   dialect.Upstream // the upstream's
	framer  dialect.Cutter
	frame   dialect.Frame
	event   dialect.Event
	decoder conversation.StreamDecoder
	encoder conversation.StreamEncoder
	deltas  []conversation.Delta
	buf     []byte
	ending  dialect.Ending
	open    []int // choices of which it was not said why they ended
	closed  bool  // and of one it was
	over    bool
	err     error // what ends it behind the events that came before
}

// translation returns the translation of the upstream's stream, which is cut as framing says.
func (s *serving) translation(framing dialect.Framing) source {
	t, err := s.newTranslation(upstreamBytes{s.answer}, framing)
	if err != nil {
		return failing{err}
	}
	return t
}

func (s *serving) newTranslation(from source, framing dialect.Framing) (*translation, error) {
	spoken := cmp.Or(s.answer.Dialect, s.x.Dialect)
	client, provider, err := s.translators(spoken)
	if err != nil {
		return nil, err
	}
	t := &translation{
		s: s, from: from, client: client, codec: s.codecOf(spoken), framer: dialect.NewCutter(framing), decoder: provider.Decoder(), encoder: client.Encoder(s.streamOptions()),
	}
	s.losses.Places, s.decoder = client.Places(), t.decoder
	return t, nil
}

// streamOptions is what the client's stream depends on.
func (s *serving) streamOptions() conversation.StreamOptions {
	return conversation.StreamOptions{IncludeUsage: s.request.IncludeUsage, Framing: s.endpoint.Framing}
}

// failing is a source that never has anything.
type failing struct{ err error }

func (f failing) Next(dst []byte) ([]byte, error)   { return dst, f.err }
func (f failing) Linger(dst []byte) ([]byte, error) { return dst, f.err }

// Next appends events of the client's dialect.
func (t *translation) Next(dst []byte) ([]byte, error) {
	before := len(dst)
	for !t.over && t.err == nil && len(dst) == before {
		if t.buf, t.err = t.from.Next(t.buf[:0]); len(t.buf) > 0 {
			t.err = nil // it comes again
			t.framer.Feed(t.buf)
			dst, t.err = t.frames(dst)
		} else if errors.Is(t.err, io.EOF) {
			dst, t.err = t.end(dst)
		}
	}
	switch {
	case len(dst) > before:
		return dst, nil
	case t.err != nil:
		return dst, t.err
	}
	return dst, io.EOF
}

// Linger has nothing: a translated stream ends with its terminator.
func (t *translation) Linger(dst []byte) ([]byte, error) { return dst, io.EOF }

// errBroken is the error of an answer that says nothing, or not that it has ended: it must not look whole.
var errBroken = &llm.Error{Code: llm.CodeCut, Message: "the upstream's answer broke off"}

var errUnreadable = &llm.Error{Code: llm.CodeCut, Message: "the upstream's stream could not be read"}

func (t *translation) frames(dst []byte) ([]byte, error) {
	for !t.over {
		ok, err := t.framer.Next(&t.frame)
		if err != nil {
			return dst, errUnreadable
		}
		if !ok {
			return dst, nil
		}
		if dst, err = t.pass(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// pass translates the event at hand.
func (t *translation) pass(dst []byte) ([]byte, error) {
	if len(t.frame.Payload) == 0 {
		return dst, nil
	}
	t.event = dialect.Event{Texts: t.event.Texts[:0], Closed: t.event.Closed[:0]}
	if err := t.codec.Event(t.s.x.Op, t.frame.Payload, &t.event); err != nil {
		return dst, errUnreadable
	}
	var err error
	if t.deltas, err = t.decoder.Event(t.frame.Payload, t.deltas[:0]); err != nil {
		return dst, errUnreadable
	}
	t.ending.Add(&t.event)
	if dst = t.write(dst); t.event.End && !t.over {
		return t.end(dst)
	}
	return dst, nil
}

// write appends what the deltas at hand say.
func (t *translation) write(dst []byte) []byte {
	for i := range t.deltas {
		d := &t.deltas[i]
		switch {
		case d.Kind == conversation.Begin:
			d.ID, d.Model = cmp.Or(d.ID, t.s.x.ID), cmp.Or(d.Model, t.s.x.Model)
		case d.Kind == conversation.Usage && t.s.x.Usage == nil: // the client may not have asked for it
			u := *d.Usage
			t.s.x.Usage = &u
		case d.Kind == conversation.Usage:
			t.s.x.Usage.Merge(d.Usage)
		case d.Kind == conversation.Finished && d.Finish.Usable() != nil:
			*d = conversation.Delta{Kind: conversation.Failed, Err: d.Finish.Usable()}
		}
		switch d.Kind {
		case conversation.Open:
			if !slices.Contains(t.open, d.Choice) {
				t.open = append(t.open, d.Choice)
			}
		case conversation.Finished:
			t.closed = true
			t.open = slices.DeleteFunc(t.open, func(choice int) bool { return choice == d.Choice })
		}
		t.s.losses.Delta(d)
		dst = t.encoder.Append(dst, d)
		if d.Kind == conversation.Failed {
			t.over = true
			return dst
		}
	}
	return dst
}

// end ends the client's stream as the upstream's ended.
func (t *translation) end(dst []byte) ([]byte, error) {
	if t.framer.Tail(&t.frame) && !t.ending.Terminated {
		var err error
		if dst, err = t.pass(dst); err != nil || t.over {
			return dst, err
		}
	}
	if !t.codec.Complete(t.ending) {
		return dst, errBroken
	}
	t.deltas = t.decoder.End(t.deltas[:0])
	if dst = t.write(dst); t.over {
		return dst, nil
	}
	if !t.closed || len(t.open) > 0 {
		return dst, errBroken
	}
	dst = t.encoder.End(dst)
	t.over = true
	return dst, nil
}
