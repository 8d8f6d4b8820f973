package gateway

import (
	"strconv"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// underWay counts, for each tenant or address, what lasts: sessions, or long bodies that are coming in. It is safe for concurrent use.
type underWay struct {
	mu sync.Mutex // protects n
	n  map[string]int64
}

// enter counts something of somebody that takes so many places, unless that is more than there may be; 0 = there may be
// any. What is more by itself is let in alone.
func (u *underWay) enter(whose string, places, most int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.n[whose]; most > 0 && n > 0 && n+places > most {
		return false
	}
	if u.n == nil {
		u.n = make(map[string]int64)
	}
	u.n[whose] += places
	return true
}

// leave gives the places back.
func (u *underWay) leave(whose string, places int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[whose] -= places; u.n[whose] == 0 {
		delete(u.n, whose)
	}
}

// AtOnce is what a tenant, or an address, may have under way; 0 = any number. An upload counts once for each MaxBody in it.
type AtOnce struct{ Sessions, Uploads int64 }

// atOnce returns what the caller may have: what its team says, or what holds for all.
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

// whose returns who has what is under way: the caller's tenant or, where nobody is asked for a key, its address. Of IPv6
// that is the network, of which a client has all addresses.
func (s *serving) whose() string {
	if s.key != nil {
		return s.x.Tenant
	}
	a, bits := s.x.Remote.Addr(), 32
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // where it has no address, it shares a place with others who have none
	return "address/" + network.String()
}

// enterSession counts a session, until it has ended or is refused.
func (s *serving) enterSession() *exchange.Reply {
	most := s.atOnce().Sessions
	if !s.sessions.enter(s.whose(), 1, most) {
		return s.tooMany("realtime sessions", most)
	}
	s.session.counted = true
	return nil
}

// leaveSession gives the place back.
func (s *serving) leaveSession() {
	if s.session != nil && s.session.counted {
		s.session.counted = false
		s.sessions.leave(s.whose(), 1)
	}
}

// incoming has a body come in, of which a long one counts as long as it does.
func (s *serving) incoming(receive func() error) *exchange.Reply {
	if long := s.x.Long; long > 0 {
		most, places, whose := s.atOnce().Uploads, 1+(long-1)/max(s.generation.MaxBody, 1), s.whose()
		if !s.bodies.enter(whose, places, most) {
			return s.tooMany("uploads", most)
		}
		defer s.bodies.leave(whose, places)
	}
	if err := receive(); err != nil {
		return s.notReceived(err)
	}
	return nil
}

func (s *serving) tooMany(what string, most int64) *exchange.Reply {
	who := "this API key"
	switch {
	case s.key == nil:
		who = "this address"
	case s.team != nil:
		who = "the team of this API key"
	}
	return s.fail(exchange.Denied, &llm.Error{
		Code: llm.CodeRateLimited, Message: who + " has as many " + what + " under way as it may (" + strconv.FormatInt(most, 10) + ")", RetryAfter: time.Second,
	}, nil)
}
