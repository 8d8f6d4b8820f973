package gateway

import (
	"context"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
)

// done ends the exchange: the server has written the last byte, or could not. It settles on one
// terminal state, tells the filters and telemetry, and gives back what the exchange held.
func (s *serving) done(server exchange.Terminal) {
	x := s.x
	if s.end == "" || s.end == exchange.Completed {
		s.end = server
		if s.delivered { // a client may leave as soon as it has all
			s.end = exchange.Completed
		}
	}
	x.End = s.end
	if s.answer != nil && s.answer.Body != nil {
		s.answer.Body.Close()
	}
	if s.flow != nil {
		s.flow.Done(context.WithoutCancel(s.ctx))
	}
	x.Timings.Total = time.Since(x.Start)
	s.report()
	if s.generation != nil {
		s.generation.leave(s)
	}
}

// report tells telemetry what happened.
func (s *serving) report() {
	e := telemetry.NewEvent(s.x)
	e.Status, e.Class, e.Err, e.Out = s.status, s.class, s.err, s.out
	if s.flow != nil {
		e.Filter = s.flow.By()
	}
	if s.model != nil {
		e.Model = s.model.Name
	}
	if s.team != nil {
		e.Team = s.team.Name
	}
	if a := s.answer; a != nil && a.Target != nil {
		e.Provider, e.Target, e.Upstream = a.Target.ProviderName, a.Target.Name, a.Target.Model
		e.Retries = a.Attempts - 1
	}
	s.Telemetry.Finish(s.ctx, &e)
}
