package gateway

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// A response that is made in the background goes on where its client leaves the stream, and is paid for whether anybody
// fetches it or not. So the vendor is asked how it ended: at once, since the client may have all words, and then again and
// again. What is not known by then is counted when somebody fetches it.

// lookAgain is how long a vendor may take to say how a response ended whose stream was left: less than a daemon that ends
// gives its connections.
const lookAgain = 3 * time.Second

// mostWatched bounds how many responses are watched at a time, mostOfTenant how many of them are one tenant's.
const (
	mostWatched  = 1000
	mostOfTenant = mostWatched / 4
)

// pauses are those before each further look: each is twice the one before, up to the longest, and all together take a time.
type pauses struct{ first, longest, all time.Duration }

// untilEnded makes nineteen looks in an hour, which is more than a long research takes.
var untilEnded = pauses{first: 2 * time.Second, longest: 5 * time.Minute, all: time.Hour}

func (p pauses) each(yield func(time.Duration) bool) {
	for pause, left := p.first, p.all; left > 0; pause = min(2*pause, p.longest) {
		pause = min(pause, left)
		if left -= pause; !yield(pause) {
			return
		}
	}
}

// watches are the responses that are watched. A reload does not end them, and each look is one of the configuration that
// runs then. It is safe for concurrent use.
type watches struct {
	mu    sync.Mutex         // protects of, and closing over
	of    map[subject]string // by the tenant who left it: where all is shared it is everybody's
	over  chan struct{}
	going sync.WaitGroup
}

// subject is what is watched once at a time, however often its stream is fetched and left.
type subject struct {
	owner uploads.Owner
	id    string
}

// The reasons why a response is not watched, or no longer.
var (
	errStillMade = errors.New("it is still being made")
	errUntold    = errors.New("the vendor does not say it")
	errNoTarget  = errors.New("no route leads to it any more")
	errManyMade  = errors.New("as many others as may be are looked at already")
	errEnding    = errors.New("the gateway ends")
	errPanic     = errors.New("to look at it ends in a panic")
)

// begin has a goroutine watch what a tenant left, unless it is watched or that is more than there may be.
func (w *watches) begin(of subject, tenant string, watch func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed() {
		return errEnding
	}
	if _, known := w.of[of]; known {
		return nil
	}
	same := 0
	for _, whose := range w.of {
		if whose == tenant {
			same++
		}
	}
	if len(w.of) >= mostWatched || same >= mostOfTenant {
		return errManyMade
	}
	w.of[of] = tenant
	w.going.Go(func() {
		watch()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.of, of)
	})
	return nil
}

// pause waits, and reports whether it was to the end.
func (w *watches) pause(d time.Duration) bool {
	enough := time.NewTimer(d)
	defer enough.Stop()
	select {
	case <-enough.C:
		return true
	case <-w.over:
		return false
	}
}

// closed reports whether no more is begun.
func (w *watches) closed() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// close ends all, and waits for a look that is under way.
func (w *watches) close() {
	w.mu.Lock()
	if !w.closed() {
		close(w.over)
	}
	w.mu.Unlock()
	w.going.Wait()
}

// abandoned learns what a response used whose stream ended before its last event, as where a client leaves when it has all
// words.
func (s *serving) abandoned() {
	id := s.unended()
	if id == "" || s.answer == nil || s.answer.Status != 200 {
		return
	}
	g := s.Gateway // which the watch holds for an hour, and the exchange not
	w := &watch{subject{s.holder(), id}, apart(context.Background(), s.x), s.codec}
	w.of.Op, w.of.Request.Header = llm.OpResponses, s.forward()
	over, err := w.look(g, s.generation)
	if !over {
		if full := g.watches.begin(w.subject, s.x.Tenant, func() { w.watch(g, err) }); full != nil {
			over, err = true, full
		}
	}
	if over {
		w.ended(g, err)
	}
}

// unended returns the id of a response whose stream is served and has not come to its end, if what it used is not told yet.
func (s *serving) unended() string {
	switch {
	case !s.x.Stream || s.x.Finish != "":
		return ""
	case s.untallied:
		return s.endpoint.Item
	case s.left != nil && s.request.Background && s.later():
		return s.left.response
	}
	return ""
}

// watch is a response whose end nobody has seen yet.
type watch struct {
	subject
	of    *exchange.Exchange // says who left it
	codec dialect.Codec
}

// watch looks until there is nothing more to learn; err is why the last look was not enough.
func (w *watch) watch(g *Gateway, err error) {
	for pause := range g.looks.each {
		if !g.watches.pause(pause) {
			err = errEnding
			break
		}
		gen := g.pin()
		if gen == nil {
			continue
		}
		var over bool
		over, err = w.look(g, gen)
		if gen.release(); over {
			break
		}
	}
	w.ended(g, err)
}

// ended says what is not known.
func (w *watch) ended(g *Gateway, err error) {
	if err != nil {
		g.Logger.Warn("what a response used whose stream was left is not known: it is counted when it is fetched", "request_id", w.of.ID, "response", w.id, "error", err)
	}
}

// look asks the vendor how the response ended, and has counted what it used. It reports whether to look again is of no use;
// the error says what is not known. Nobody else would recover from what a vendor's answer does to it.
func (w *watch) look(g *Gateway, gen *Generation) (over bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Logger.Error("panic while looking at a response", "request_id", w.of.ID, "response", w.id, "panic", p, "stack", string(debug.Stack()))
			over, err = true, errPanic
		}
	}()
	x := apart(context.Background(), w.of)
	defer x.Cancel(nil)
	x.Request.Header = w.of.Request.Header
	s := &serving{Gateway: g, generation: gen, x: x, codec: w.codec, endpoint: dialect.Endpoint{Op: x.Op, Item: w.id}}
	s.route, _ = gen.match(x.Listener, x.Path, x.Method)
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(x.Context(), g.lookAgain)
	defer cancel()
	if s.route == nil || s.locate() != nil || !s.untallied {
		return w.closed(g)
	}
	defer s.letGo()
	if err := s.demandOf(s.model.Model, "", "GET", ""); err != nil {
		return false, err
	}
	if s.answer.Status != 200 {
		return false, errors.New("upstream answered " + strconv.Itoa(s.answer.Status))
	}
	found, err := s.described()
	switch {
	case err != nil || found.Finish == "":
		return false, cmp.Or(err, errStillMade)
	case found.Usage == nil:
		return true, errUntold
	}
	err = s.countApart(&found)
	return err == nil, err
}

// closed is look where the vendor is not asked: somebody else has seen the end, or has deleted the response, unless the record says
// that it is not told.
func (w *watch) closed(g *Gateway) (over bool, err error) {
	left, _, err := g.Uploads.Left(w.owner, w.id)
	if err == nil && left.Open {
		return true, errNoTarget
	}
	return err == nil, err
}
