// Package gateway serves one exchange: it finds the route, checks access, runs the pipeline, calls
// the model and settles how it ended.
//
// It speaks no HTTP to the client (package server does) and none to the upstream (package egress
// does); it knows filters by their interface only and is told of providers by package upstream.
package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/dialect"
)

// DefaultMaxAnswer bounds the body of a unary answer, in bytes.
const DefaultMaxAnswer = 64 << 20

// patience is more than a disk takes that is well, and less than anybody notices before a model's first word.
const patience = 250 * time.Millisecond

// Needs is what a Gateway works with; all of it outlives every generation.
type Needs struct {
	Keys      *access.Keys
	Uploads   *uploads.Uploads
	Limiter   *limit.Limiter
	Telemetry *telemetry.Telemetry
	Codecs    []dialect.Codec    // asked in order whose a request is; the last one answers what is nobody's
	Upstreams []dialect.Upstream // dialects that providers speak and no client does
	MaxAnswer int                // bytes; 0 = DefaultMaxAnswer
	Logger    *slog.Logger
}

// Gateway serves exchanges through the current generation. It is safe for concurrent use.
type Gateway struct {
	Needs
	current   atomic.Pointer[Generation]
	sessions  underWay
	bodies    underWay      // bodies that are coming in
	patience  time.Duration // for the disk, before the client has the id of what is made in the background
	watches   watches
	looks     pauses        // between looks at what is watched
	lookAgain time.Duration // for the vendor, to answer one
}

var _ exchange.Handler = (*Gateway)(nil)

// New returns a gateway without a generation: Swap in the first one before it serves. Close ends it.
func New(n Needs) *Gateway {
	if n.MaxAnswer == 0 {
		n.MaxAnswer = DefaultMaxAnswer
	}
	return &Gateway{
		Needs: n, patience: patience, looks: untilEnded, lookAgain: lookAgain,
		watches: watches{of: make(map[subject]string), over: make(chan struct{})},
	}
}

// Close ends what the gateway does beside its exchanges, waits for it, and retires the current generation, which it returns.
// It is called when nothing more comes in; exchanges that are still under way end in their generation.
func (g *Gateway) Close() (last *Generation) {
	g.watches.close() // while there are routes: none shall find that there is none any more
	return g.Swap(NewGeneration(nil, nil))
}

// Swap makes next the current generation and retires the one before, which it returns (nil at
// first): exchanges that began in it end in it.
func (g *Gateway) Swap(next *Generation) (last *Generation) {
	last = g.current.Swap(next)
	if last != nil {
		last.release()
	}
	return last
}

// Current returns the current generation, for status.
func (g *Gateway) Current() *Generation { return g.current.Load() }

// pin takes a use of the current generation; nil where there is none any more.
func (g *Gateway) pin() *Generation {
	for {
		gen := g.current.Load()
		if gen == nil || gen.acquire() {
			return gen
		}
	}
}

// Serve serves one exchange. The reply's Done ends it.
func (g *Gateway) Serve(ctx context.Context, x *exchange.Exchange) *exchange.Reply {
	s := &serving{Gateway: g, x: x, generation: g.pin()}
	s.request.Texts = s.texts[:0]
	s.read()
	ctx = g.Telemetry.Start(ctx, x)
	x.SetContext(ctx)
	s.ctx = ctx
	if s.generation != nil {
		s.generation.enter(s)
	}
	whole := false
	defer func() {
		if !whole {
			s.abandon()
		}
	}()
	reply := s.serve()
	whole = true
	return reply
}

// abandon gives back what an exchange holds whose service panicked: it has no reply, and so no end.
func (s *serving) abandon() {
	s.leaveSession()
	if s.generation != nil {
		s.generation.leave(s)
	}
}
