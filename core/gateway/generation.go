package gateway

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/upstream"
)

// Generation is everything one version of the configuration declares for the data plane. It is
// immutable; a reload makes another. It counts who uses it: its owner until Retire, each exchange
// from its beginning to its end.
type Generation struct {
	MaxSession time.Duration // how long a session may last; 0 = no limit
	MaxBody    int64         // bytes of a body that is taken into memory, where form data is longer
	AtOnce     AtOnce        // of each tenant

	routes []*Route
	teams  map[string]*Team

	refs atomic.Int64
	idle chan struct{}

	mu   sync.Mutex
	live map[*serving]struct{} // those to tell when the generation may wait no longer
}

// Route says what happens to the requests that match it.
type Route struct {
	Name     string
	Listener string
	Path     string   // exact, or a prefix when it ends in "/*"
	Methods  []string // empty = all
	Open     bool     // auth = "none"
	Pipeline *exchange.Pipeline
	Models   []Model
	Files    *upstream.Model // where files and batches are; nil = nowhere
}

// Model is a model under the names a client may call it by.
type Model struct {
	*upstream.Model
	Aliases []string
	Created int64 // for the list of models: seconds since the epoch
}

// Team is what the keys of a team share.
type Team struct {
	Name   string
	Models []string // empty = all of the route
	Rate   *limit.Rate
	AtOnce AtOnce // where it has its own

	BatchRate *limit.Rate // of calls in batches; nil = each is a request
}

// NewGeneration returns a generation with one use, its owner's.
func NewGeneration(routes []*Route, teams []*Team) *Generation {
	g := &Generation{routes: routes, teams: make(map[string]*Team, len(teams)), idle: make(chan struct{}), live: make(map[*serving]struct{})}
	for _, t := range teams {
		g.teams[t.Name] = t
	}
	g.refs.Store(1)
	return g
}

// Idle is closed when the generation is retired and its last exchange has ended.
func (g *Generation) Idle() <-chan struct{} { return g.idle }

// InFlight returns the number of exchanges that use the generation.
func (g *Generation) InFlight() int64 { return max(g.refs.Load()-1, 0) }

// acquire takes a use unless the generation has come to its end.
func (g *Generation) acquire() bool {
	for {
		n := g.refs.Load()
		if n == 0 {
			return false
		}
		if g.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// enter notes an exchange that has acquired the generation, leave ends its use.
func (g *Generation) enter(s *serving) {
	g.mu.Lock()
	g.live[s] = struct{}{}
	g.mu.Unlock()
}

func (g *Generation) leave(s *serving) {
	g.mu.Lock()
	delete(g.live, s)
	g.mu.Unlock()
	g.release()
}

// Expel ends the exchanges that are still in the generation: each client is told in its dialect.
func (g *Generation) Expel() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.live {
		s.x.Cancel(exchange.ErrDraining)
	}
}

// release gives a use back.
func (g *Generation) release() {
	if g.refs.Add(-1) == 0 {
		close(g.idle)
	}
}

// match returns the route of a request: an exact path before a prefix, a longer prefix before a
// shorter one. Where a path matches but no method does, found is false and path is true.
func (g *Generation) match(listener, path, method string) (best *Route, pathKnown bool) {
	rank := -1
	for _, r := range g.routes {
		if r.Listener != listener {
			continue
		}
		n := r.rank(path)
		if n < 0 {
			continue
		}
		pathKnown = true
		if n > rank && r.allows(method) {
			best, rank = r, n
		}
	}
	return best, pathKnown
}

// rank says how well a path fits: -1 not at all, higher is better.
func (r *Route) rank(path string) int {
	if prefix, ok := strings.CutSuffix(r.Path, "/*"); ok {
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			return len(prefix)
		}
		return -1
	}
	if path == r.Path {
		return 1 << 20
	}
	return -1
}

func (r *Route) allows(method string) bool {
	if len(r.Methods) == 0 {
		return true
	}
	for _, m := range r.Methods {
		if m == method {
			return true
		}
	}
	return false
}

// model returns the model that a client calls by name.
func (r *Route) model(name string) *Model {
	for i := range r.Models {
		m := &r.Models[i]
		if m.Name == name {
			return m
		}
		for _, alias := range m.Aliases {
			if alias == name {
				return m
			}
		}
	}
	return nil
}

// allows reports whether the team may use the model.
func (t *Team) allows(model string) bool {
	if t == nil || len(t.Models) == 0 {
		return true
	}
	for _, m := range t.Models {
		if m == model {
			return true
		}
	}
	return false
}
