package gateway

import (
	"errors"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ exchange.Reader = (*serving)(nil)

var errModel = errors.New("the model does not exist or this key may not use it")

var errUpload = errors.New("the file or batch is not one that this key may send")

// ReadRequest reads a request's body that a filter replaced. A filter may choose another model, of
// those that the caller may use.
func (s *serving) ReadRequest() error {
	x := s.x
	raw := x.Request.Body.Bytes()
	if x.Op == llm.OpFiles || x.Op == llm.OpBatches {
		x.Request.Body = exchange.NewBody(raw, nil)
		if s.refusal = s.readUpload(); s.refusal != nil {
			return errUpload
		}
		return nil
	}
	read := dialect.Request{Boundary: s.endpoint.Boundary}
	if err := s.codec.Request(x.Op, raw, &read); err != nil {
		return err
	}
	s.request = read
	x.Request.Body = exchange.NewBody(raw, read.Texts)
	x.Unseen, x.Stream = read.Unseen, read.Stream || s.endpoint.Stream
	model := read.Model
	if model == "" {
		model = s.endpoint.Model
	}
	if s.refusal = s.further(); s.refusal != nil {
		return errModel
	}
	if model == x.Model {
		return nil
	}
	if s.model, x.Model = s.find(model), model; s.model == nil {
		s.refusal = s.unknownModel(model)
		return errModel
	}
	return nil
}

// ReadAnswer reads a unary answer that a filter replaced. What the upstream said of its use stands.
func (s *serving) ReadAnswer() error {
	raw := s.x.Response.Body.Bytes()
	var found dialect.Answer
	if err := s.codec.Answer(s.x.Op, raw, &found); err != nil {
		return err
	}
	s.x.Response.Body = exchange.NewBody(raw, dialect.MergeTexts(found.Texts, found.Faults))
	return nil
}

// ReadEvent reads an event that a filter wrote.
func (s *serving) ReadEvent(frame *dialect.Frame) (*exchange.Event, error) {
	e := &exchange.Event{Raw: frame.Raw, Framing: s.endpoint.Framing}
	if frame.Payload == nil {
		return e, nil
	}
	if err := s.codec.Event(s.x.Op, frame.Payload, &e.Event); err != nil {
		return nil, err
	}
	e.Body = exchange.NewBody(frame.Payload, dialect.MergeTexts(e.Texts, e.Faults))
	e.Texts, e.Faults = nil, nil
	return e, nil
}
