package gateway

import (
	"slices"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// A vendor reads the files that a request names, and the responses that it goes on from, with the gateway's one account,
// in which every tenant's are. So each must be the caller's own, at the provider that is called.

// named finds out which providers of the model keep all that the request names, for the caller.
func (s *serving) named() *exchange.Reply {
	if !s.names() {
		return nil
	}
	var refused error
	var seen []string
	for t := range s.model.Reach {
		if slices.Contains(seen, t.ProviderName) {
			continue
		}
		seen = append(seen, t.ProviderName)
		if err := s.ownsNamed(t); err == nil {
			s.keepers = append(s.keepers, t.ProviderName)
		} else if refused == nil {
			refused = err
		}
	}
	if len(s.keepers) > 0 {
		return nil
	}
	return s.notOwned(refused)
}

// names reports whether the request names something that vendors keep.
func (s *serving) names() bool { return len(s.request.Files)+len(s.request.Items) > 0 }

// ownsNamed returns an error where something that the request names is not the caller's at a target's provider. Of items
// that it repeats a provider that speaks another dialect is told what they say, and not their ids.
func (s *serving) ownsNamed(t *upstream.Target) error {
	ids := s.request.Files
	if len(s.request.Items) > 0 && !t.SharedFiles {
		if p, err := t.Provider.Plan(s.ctx, s.x.Op, s.x.Dialect, t.Model); err != nil || p.Dialect == s.x.Dialect {
			ids = slices.Concat(ids, s.request.Items)
		}
	}
	return s.owns(t, ids)
}

func (s *serving) notOwned(err error) *exchange.Reply {
	e := publicOf(err, "the files of the request cannot be read")
	end := exchange.ClientError
	if e == errState {
		end = exchange.Internal
	}
	return s.fail(end, e, nil)
}

// Keeps implements upstream.Demand.
func (s *serving) Keeps(t *upstream.Target) bool {
	return !s.names() || slices.Contains(s.keepers, t.ProviderName)
}

// owns returns an error where one of the ids is not the caller's at a target's provider.
func (s *serving) owns(t *upstream.Target, ids []string) error {
	if t.SharedFiles {
		return nil
	}
	owner := uploads.Owner{Tenant: s.x.Tenant, Provider: t.ProviderName}
	for _, id := range once(ids) {
		if found, err := s.Uploads.Has(owner, id); err != nil {
			return errState
		} else if !found && id == s.request.Previous {
			return &llm.Error{Code: llm.CodeNoPrevious, Message: unknownItem(id).Message, Param: "previous_response_id"}
		} else if !found {
			return unknownItem(id)
		}
	}
	return nil
}

// once returns ids without those that are there again: a body has room for millions, and each costs a look at the state.
func once(ids []string) []string {
	if len(ids) < 2 {
		return ids
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}
