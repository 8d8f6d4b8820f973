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

// enter counts something of a tenant that has so many places, unless that is more than there may be; 0 = there may be
// any. What is more by itself is let in alone.
func (u *underWay) enter(tenant string, places, most int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.n[tenant]; most > 0 && n > 0 && n+places > most {
		return false
	}
	if u.n == nil {
		u.n = make(map[string]int64)
	}
	u.n[tenant] += places
	return true
}

// leave gives the places back.
func (u *underWay) leave(tenant string, places int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[tenant] -= places; u.n[tenant] == 0 {
		delete(u.n, tenant)
	}
}

// AtOnce is what a tenant may have under way; 0 = any number. An upload counts once for each MaxBody in it.
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
	if !s.sessions.enter(s.x.Tenant, 1, most) {
		return s.tooMany("realtime sessions", most)
	}
	s.session.counted = true
	return nil
}

// leaveSession gives the place back.
func (s *serving) leaveSession() {
	if s.session != nil && s.session.counted {
		s.session.counted = false
		s.sessions.leave(s.x.Tenant, 1)
	}
}

// incoming has a body come in, of which a long one counts as long as it does.
func (s *serving) incoming(receive func() error) *exchange.Reply {
	if long := s.x.Long; s.key != nil && long > 0 {
		most, places := s.atOnce().Uploads, 1+(long-1)/max(s.generation.MaxBody, 1)
		if !s.bodies.enter(s.x.Tenant, places, most) {
			return s.tooMany("uploads", most)
		}
		defer s.bodies.leave(s.x.Tenant, places)
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
	return s.fail(exchange.Denied, &llm.Error{
		Code: llm.CodeRateLimited, Message: who + " has as many " + what + " under way as it may (" + strconv.FormatInt(most, 10) + ")", RetryAfter: time.Second,
	}, nil)
}
