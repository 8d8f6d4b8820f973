package gateway

import (
	"errors"
	"slices"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// admit authenticates the caller and counts it against its team's limit.
func (s *serving) admit() *exchange.Reply {
	if s.route.Open {
		s.admitted()
		return nil
	}
	key, err := s.Keys.Authenticate(s.x.Request.Header, s.x.Query)
	if err != nil {
		message := "the API key is not valid"
		if errors.Is(err, access.ErrMissing) {
			message = "no API key was given: send it as a bearer token in the Authorization header"
		}
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeAuth, Message: message}, err)
	}
	s.admitted()
	s.key = key
	s.x.KeyID, s.x.Tenant = key.ID, key.Tenant()
	if key.Team == "" {
		return nil
	}
	if s.team = s.generation.teams[key.Team]; s.team == nil {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodePermission, Message: "the team of this API key does not exist any more"}, nil)
	}
	if s.team.Rate == nil {
		return nil
	}
	d := s.Limiter.Take(*s.team.Rate, "team/"+s.team.Name, 1, time.Now())
	if !d.OK {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeRateLimited, Message: "the team's request limit is reached", RetryAfter: d.RetryAfter}, nil)
	}
	return nil
}

// admitted tells the server that the caller is let in.
func (s *serving) admitted() {
	if s.x.Admitted != nil {
		s.x.Admitted()
	}
}

// further refuses a request that has the vendor run models besides its own, in its place or as a tool, unless
// the caller may use each of them. The vendor takes their names as they stand, so a model that only a client
// knows by such a name is none of them.
func (s *serving) further() *exchange.Reply {
	for _, name := range s.request.Further {
		if !s.vendors(name) {
			return s.unknownModel(name)
		}
	}
	return nil
}

// vendors reports whether the caller may use a model by its vendor's name.
func (s *serving) vendors(name string) bool {
	m := s.find(name)
	return m != nil && slices.ContainsFunc(m.Targets, func(t *upstream.Target) bool { return t.Model == name })
}

// find returns the model if the caller may use it. What it may not use does not exist for it.
func (s *serving) find(name string) *Model {
	m := s.route.model(name)
	if m == nil || s.key != nil && !s.key.Allows(m.Name) || !s.team.allows(m.Name) {
		return nil
	}
	return m
}

func (s *serving) unknownModel(name string) *exchange.Reply {
	return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeNotFound, Message: "the model " + quote(name) + " does not exist or this key may not use it"}, nil)
}
