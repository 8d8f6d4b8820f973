package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// done ends the exchange: the server has written the last byte, or could not. It settles on one
// terminal state, tells the filters and telemetry, and gives back what the exchange held.
func (s *serving) done(server exchange.Terminal) {
	x := s.x
	s.written()
	if s.left != nil && s.left.due { // the client has seen ids of an answer that broke off
		s.write()
		s.written()
	}
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
	if s.session != nil && s.session.upstream != nil {
		s.session.upstream.Cut()
	}
	s.leaveSession()
	if s.answer != nil && s.broke() {
		s.answer.Broke()
	}
	if x.Finish == "" && s.itself() != "" {
		x.Usage = nil // of a stream that broke off: it is told with its end
	}
	if s.flow != nil && s.route.Pipeline.Phases()&exchange.PhaseDone != 0 {
		s.flow.Done(context.WithoutCancel(s.ctx))
	}
	x.Timings.Total = time.Since(x.Start)
	s.report()
	s.abandoned()
	if s.generation != nil {
		s.generation.leave(s)
	}
}

// broke reports whether the upstream's answer failed behind its first event.
func (s *serving) broke() bool {
	if s.session != nil {
		return false // a client that stalls can have the upstream hang up; who is down refuses the next handshake
	}
	if s.answer.Status == 0 || s.answer.Status >= 400 || s.answer.Failure != nil {
		return false // it is counted already
	}
	if s.end == exchange.UpstreamError && credentials(s.err) {
		return false // which no breaker hears of, as it does not before the answer begins
	}
	stalled := s.end == exchange.TimedOut && s.ctx.Err() == nil && timedOut(s.err)
	return stalled || s.end == exchange.UpstreamCut || s.end == exchange.UpstreamError
}

func timedOut(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && e.Code == llm.CodeTimeout
}

// tries returns the attempts of a call, where there was not just the one.
func tries(a *upstream.Answer) (out []telemetry.Try) {
	if len(a.Tries) == 1 && a.Attempts == 1 {
		return nil
	}
	for _, t := range a.Tries {
		out = append(out, telemetry.Try{Model: t.Model, Target: t.Target, Cause: string(t.Cause), Began: t.Began, Took: t.Took})
	}
	return out
}

// report tells telemetry what happened.
func (s *serving) report() {
	e := telemetry.NewEvent(s.x)
	e.Status, e.Class, e.Err, e.Out = s.status, s.class, s.err, s.out
	e.Dropped = dropped(s.allLost())
	if s.session != nil {
		e.In = s.session.out.In
	}
	if s.flow != nil {
		e.Filter = s.flow.By()
		if s.flow.SeesAnswers() {
			e.Err, e.Finish = unquoted(e.Err), finishWord(e.Finish)
		}
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
		if a.Model != nil && s.model != nil && a.Model.Name != s.model.Name {
			e.Fallback = a.Model.Name
		}
	}
	if s.answer != nil {
		e.Tries = tries(s.answer)
	}
	s.Telemetry.Finish(s.ctx, &e)
}

// unquoted returns an error without an upstream's own words: a filter that looks at answers has not seen
// these, and a log keeps them.
func unquoted(err error) error {
	if err == nil {
		return nil
	}
	var e *llm.Error
	if !errors.As(err, &e) || !e.Quoted {
		return err
	}
	return &llm.Error{Code: e.Code, Status: e.Status, Message: "the upstream reported an error; its words are not kept, because a filter looks at answers"}
}

// finishWord returns an answer's reason to end if it has the form of one: letters and underscores.
func finishWord(s string) string {
	const longest = 32
	if len(s) > longest || strings.ContainsFunc(s, func(c rune) bool { return c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') }) {
		return "other"
	}
	return s
}
