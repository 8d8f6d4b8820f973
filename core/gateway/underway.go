package gateway

import (
	"strconv"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// underWay counts, for each tenant, what lasts: sessions, or long bodies that are coming in. It is safe for concurrent use.
type underWay struct {
	mu sync.Mutex // protects n
	n  map[string]int64
}

// enter counts one more of a tenant, unless there are as many as there may be; 0 = there may be any.
func (u *underWay) enter(tenant string, most int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if most > 0 && u.n[tenant] >= most {
		return false
	}
	if u.n == nil {
		u.n = make(map[string]int64)
	}
	u.n[tenant]++
	return true
}

// leave counts one less.
func (u *underWay) leave(tenant string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[tenant]--; u.n[tenant] == 0 {
		delete(u.n, tenant)
	}
}

// AtOnce is what a tenant may have under way; 0 = any number.
type AtOnce struct{ Sessions, Uploads int64 }

// atOnce returns what the caller's tenant may have: what its team says, or what holds for all.
func (s *serving) atOnce() AtOnce {
	most := s.generation.AtOnce
	if s.team != nil && s.team.AtOnce.Sessions > 0 {
		most.Sessions = s.team.AtOnce.Sessions
	}
	if s.team != nil && s.team.AtOnce.Uploads > 0 {
		most.Uploads = s.team.AtOnce.Uploads
	}
	return most
}

// enterSession counts a session, until it has ended or is refused. Where nobody is asked for a key there are no tenants,
// and what holds is what the listener may have.
func (s *serving) enterSession() *exchange.Reply {
	if s.key == nil {
		return nil
	}
	most := s.atOnce().Sessions
	if !s.sessions.enter(s.x.Tenant, most) {
		return s.tooMany("realtime session", most)
	}
	s.session.counted = true
	return nil
}

// leaveSession gives the place back.
func (s *serving) leaveSession() {
	if s.session != nil && s.session.counted {
		s.session.counted = false
		s.sessions.leave(s.x.Tenant)
	}
}

// incoming has a body come in, of which a long one counts as long as it does.
func (s *serving) incoming(receive func() error) *exchange.Reply {
	if s.key != nil && s.x.Long {
		most := s.atOnce().Uploads
		if !s.bodies.enter(s.x.Tenant, most) {
			return s.tooMany("long request", most)
		}
		defer s.bodies.leave(s.x.Tenant)
	}
	if err := receive(); err != nil {
		return s.notReceived(err)
	}
	return nil
}

func (s *serving) tooMany(what string, most int64) *exchange.Reply {
	who := "this API key"
	if s.team != nil {
		who = "the team of this API key"
	}
	if most > 1 {
		what += "s"
	}
	return s.fail(exchange.Denied, &llm.Error{
		Code: llm.CodeRateLimited, Message: who + " has " + strconv.FormatInt(most, 10) + " " + what + " under way, as many as it may at once", RetryAfter: time.Second,
	}, nil)
}
