package gateway

import (
	"cmp"
	"context"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// A vendor says what a response used as often as that is fetched. It is counted once, for who made it: when its end is first
// seen or, where it is deleted before, then.

// tell has what a response used counted, or not, where the answer at hand says it.
func (s *serving) tell(id string) error {
	if s.x.Finish == "" { // there may be more to come
		s.x.Usage = nil
		return nil
	}
	left, first, err := s.Uploads.Tell(s.holder(), id)
	if !first {
		s.x.Usage = nil
		return err
	}
	if s.madeBy(&left); left.Key != s.x.KeyID {
		s.countFor(&left, s.x.Usage, s.x.Finish)
		s.x.Usage = nil
	}
	return nil
}

// madeBy completes a record: one of a version that did not say yet who made the response is taken for the asker's.
func (s *serving) madeBy(left *uploads.Left) {
	if left.Tenant == "" && left.Key == "" {
		left.Tenant, left.Key = s.x.Tenant, s.x.KeyID
	}
}

// countFor has a usage counted for who made the response, where the exchange at hand cannot say it: another has asked, or
// only deletes it. It is an exchange of its own, which the filters that count see the end of.
func (s *serving) countFor(made *uploads.Left, used *llm.Usage, finish string) {
	x := apart(context.WithoutCancel(s.ctx), s.x)
	defer x.Cancel(nil)
	x.ID += "-made"
	x.Tenant, x.KeyID = cmp.Or(made.Tenant, s.holder().Tenant), made.Key
	x.Usage, x.Finish, x.End, x.Response.Status = used, finish, exchange.Completed, s.answer.Status
	of := &serving{Gateway: s.Gateway, x: x, route: s.route, codec: s.codec, model: s.model, status: s.answer.Status, end: x.End}
	of.answer = s.answer
	of.team = s.generation.teams[access.TeamOf(x.Tenant)]
	of.ctx = s.Telemetry.Start(x.Context(), x)
	x.SetContext(of.ctx)
	of.way = s.route.Pipeline.Flow(x)
	of.flow = &of.way
	of.flow.Late(of.ctx)
	of.flow.Done(of.ctx)
	of.report()
}

// apart returns an exchange of its own that says, or asks for, something of another one, which may have ended.
func apart(ctx context.Context, of *exchange.Exchange) *exchange.Exchange {
	x := exchange.New(ctx)
	x.ID, x.Listener, x.Method, x.Path, x.Route = of.ID, of.Listener, of.Method, of.Path, of.Route
	x.Host, x.Remote, x.TLS = of.Host, of.Remote, of.TLS
	x.Op, x.Dialect, x.Model = of.Op, of.Dialect, of.Model
	x.Tenant, x.KeyID = of.Tenant, of.KeyID
	return x
}

// ends are the ways to learn of a response how it ended, in their order: one that is still being made is cancelled, since
// nobody will have it, and may have ended before.
var ends = [...]struct{ method, rest string }{{"GET", ""}, {"POST", "/cancel"}, {"GET", ""}}

// closing learns what a response used that is to be deleted and whose end nobody has seen, and has it counted: behind that
// the vendor tells it to nobody, and whoever deletes it may be gone before. Where it cannot be learned now the response is
// not deleted.
func (s *serving) closing() *exchange.Reply {
	if s.x.Method != "DELETE" || !s.untallied {
		return nil
	}
	defer s.letGo()
	var found dialect.Answer
	for _, way := range ends {
		if err := s.demandOf(s.model.Model, way.rest, way.method, ""); err != nil {
			return s.upstreamFailed(err)
		}
		switch status := s.answer.Status; {
		case status == 404: // as the vendor says itself when it is asked to delete it
			return nil
		case status >= 400 && way.method == "POST":
			continue
		case status >= 400:
			s.x.Response.Status, s.x.Response.Header = status, s.backward(s.answer)
			return s.upstreamRefused()
		case status >= 300:
			return s.upstreamFailed(errRedirects)
		}
		var err error
		if found, err = s.described(); err != nil {
			return s.upstreamFailed(err)
		}
		if found.Finish != "" && (found.Usage != nil || way.method == "GET") {
			break
		}
	}
	if found.Usage == nil {
		s.Logger.Warn("what a response used that is deleted is not known: the vendor did not say it", "request_id", s.x.ID, "response", s.endpoint.Item)
		return nil
	}
	if err := s.countApart(&found); err != nil {
		return s.fail(exchange.Internal, errState, err)
	}
	return nil
}

// described reads what the vendor says of a response.
func (s *serving) described() (found dialect.Answer, err error) {
	raw, err := s.rest()
	if err == nil && s.codec.Answer(s.x.Op, raw, &found) != nil {
		err = conversation.Unreadable()
	}
	return found, err
}

// countApart has counted what a vendor says that the response used that is asked for, if nobody has seen it before.
func (s *serving) countApart(found *dialect.Answer) error {
	left, first, err := s.Uploads.Tell(s.holder(), s.endpoint.Item)
	if first {
		s.madeBy(&left)
		s.countFor(&left, found.Usage, found.Finish)
	}
	return err
}
