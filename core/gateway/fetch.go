package gateway

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// responses serves a request for a response that a vendor keeps: to the tenant whose it is, and to nobody else. Filters
// see the answer as they see one that is just made.
func (s *serving) responses() *exchange.Reply {
	x, e := s.x, &s.endpoint
	if reply := s.locate(); reply != nil {
		return reply
	}
	x.Stream, x.Unseen = e.Stream, e.Unseen
	if reply := s.filterRequest(); reply != nil {
		return reply
	}
	if e.Act == "input_items" && s.flow.SeesAnswers() {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "what a response was asked is not served here: a filter of this route looks at what models say, and cannot see it in there"}, nil)
	}
	if s.flow.SeesAnswers() && strings.Contains(e.Query, startingAfter+"=") {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "a response is not served from its middle on here: a filter of this route looks at what models say, and would see the half of a word"}, nil)
	}
	if reply := s.closing(); reply != nil {
		return reply
	}
	reply := s.call()
	if x.Method != "DELETE" || reply.Status >= 300 || s.end != "" {
		return reply
	}
	if err := s.Uploads.Forget(s.holder(), e.Item); err != nil {
		return s.fail(exchange.Internal, errState, err)
	}
	return reply
}

// startingAfter has a stream begin in the middle.
const startingAfter = "starting_after"

// locate makes the target whose provider has the response the one that is called, as a model of its own: what becomes of
// the call says nothing of how the target answers others. Where a provider shares what it keeps and nothing is remembered
// of the response, the first such one is asked.
func (s *serving) locate() *exchange.Reply {
	id := s.endpoint.Item
	var asked []string
	var left uploads.Left
	provider, shared := "", ""
	for t := range s.route.reach {
		if slices.Contains(asked, t.ProviderName) {
			continue
		}
		asked = append(asked, t.ProviderName)
		owner, v, err := s.recall(t, id)
		if err != nil {
			return s.fail(exchange.Internal, errState, err)
		}
		if owner.Provider != "" {
			provider, left, s.owner = t.ProviderName, v, owner
			break
		}
		if shared == "" && t.SharedFiles {
			shared = t.ProviderName
		}
	}
	s.untallied = left.Open
	m, t := s.route.at(cmp.Or(provider, shared), left.Model)
	if t == nil {
		return s.unknownItem(id)
	}
	own := *t
	own.State = nil
	s.model = &Model{Model: &upstream.Model{Name: m.Name, Attempts: 1, Targets: []*upstream.Target{&own}}}
	s.x.Model = m.Name
	return nil
}

// recall returns what is remembered of a response at a target's provider, and under whom: the caller or, where all is
// shared, everybody. The owner has no provider where it is nothing.
func (s *serving) recall(t *upstream.Target, id string) (uploads.Owner, uploads.Left, error) {
	owners := []uploads.Owner{{Tenant: s.x.Tenant, Provider: t.ProviderName}, {Provider: t.ProviderName}}
	if !t.SharedFiles {
		owners = owners[:1]
	}
	for _, o := range owners {
		if v, found, err := s.Uploads.Left(o, id); err != nil || found {
			return o, v, err
		}
	}
	return uploads.Owner{}, uploads.Left{}, nil
}

// reach yields the targets that the route's calls may come to.
func (r *Route) reach(yield func(*upstream.Target) bool) {
	for i := range r.Models {
		for t := range r.Models[i].Reach {
			if !yield(t) {
				return
			}
		}
	}
}

// at returns a model and a target of it at a provider: the model that a client calls so, or the first one that comes there.
func (r *Route) at(provider, name string) (*Model, *upstream.Target) {
	var first *Model
	var there *upstream.Target
	for i := range r.Models {
		m := &r.Models[i]
		for t := range m.Reach {
			if t.ProviderName == provider && (there == nil || m == r.model(name)) {
				first, there = m, t
				break
			}
		}
	}
	return first, there
}

// below returns what stands behind an operation's path where the request is about one of what a vendor keeps.
func below(e *dialect.Endpoint) (rest string) {
	for _, part := range []string{e.Item, e.Act} {
		if part != "" {
			rest += "/" + part
		}
	}
	return rest
}
