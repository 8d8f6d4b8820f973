package upstream

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Do makes the call, and makes it again where that may help, until the first event of an answer. A
// failed answer of the upstream (status 400 and above) is an Answer when it cannot be cured; an error
// is an *llm.Error, with the attempts and the last target in the Answer beside it.
func (m *Model) Do(ctx context.Context, c *Call) (*Answer, error) {
	r := routing{call: c}
	r.measure(m)
	r.through(ctx, m, false)
	for _, f := range m.Fallback {
		if !r.open(ctx) {
			break
		}
		r.through(ctx, f, false)
	}
	if len(r.skipped) > 0 && r.open(ctx) {
		r.lastResort(ctx)
	}
	if r.answer == nil {
		if r.answer = new(Answer); r.err == nil && ctx.Err() == nil {
			r.err = r.misfit(m)
		}
		if r.err == nil { // the call ended before it was made
			r.err = Error(cmp.Or(context.Cause(ctx), errNoTarget))
		}
	}
	r.answer.Attempts, r.answer.Tries = len(r.tries)-r.noted, r.tries
	return r.answer, r.err
}

var errNoTarget = errors.New("the model has no target")

// routing is one call on its way.
type routing struct {
	call    *Call
	fit     fit
	tries   []Try
	noted   int       // tries without an attempt, at targets that the call was not put to
	passed  int       // of which do not fit
	sent    int       // tries that an upstream was asked in
	skipped []*Model  // that had no target to call
	until   time.Time // the soonest that one is tried again
	answer  *Answer   // of the last try that counts
	err     error
	cause   Cause // of its failure
	after   time.Duration
}

// note notes a target that the call was not put to, once for each cause, and reports whether it was new.
func (r *routing) note(m *Model, t *Target, c Cause) bool {
	if slices.ContainsFunc(r.tries, func(o Try) bool { return o.Model == m.Name && o.Target == t.Name && o.Cause == c }) {
		return false
	}
	r.tries = append(r.tries, Try{Model: m.Name, Target: t.Name, Cause: c, Began: time.Now()})
	r.noted++
	return true
}

// open reports whether another model may still help.
func (r *routing) open(ctx context.Context) bool {
	return ctx.Err() == nil && (r.cause != "" || r.sent == 0 && len(r.skipped)+r.passed > 0)
}

// lastResort makes the call where targets only cool down, or says that nothing is in service.
func (r *routing) lastResort(ctx context.Context) {
	for _, m := range slices.Clone(r.skipped) {
		tried := len(r.tries) - r.noted
		if r.through(ctx, m, true); !r.open(ctx) || r.sent == 0 && len(r.tries)-r.noted > tried {
			return // somebody has answered, or the call cannot be put to who cools down
		}
	}
	if r.sent == 0 {
		wait := max(time.Until(r.until), time.Second)
		r.answer, r.err = nil, &llm.Error{Code: llm.CodeUnavailable, Message: "the upstream fails and is not called for a while", RetryAfter: wait}
	}
}

// through makes the call at a model's targets; with cooling, at those too that cool down.
func (r *routing) through(ctx context.Context, m *Model, cooling bool) {
	var tried []*Target
	var cause Cause
	attempts := m.Attempts
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	counted := false // in what the budget is a share of
	for n := 0; n < attempts; {
		tried = r.pass(m, tried)
		t, wait := r.pick(m, time.Now(), tried, cooling), time.Duration(0)
		if t == nil && n > 0 && cause != unfit && cause != refused && cause != overlong {
			t, wait = tried[len(tried)-1], max(backoff(n), r.after)
			if ready, _ := t.State.ready(time.Now(), m.Breaker); !ready || r.after > MaxRetryAfter {
				return
			}
		}
		if t == nil {
			if n == 0 && cause == "" && !r.none(m) {
				r.skip(m)
			}
			return
		}
		paid := n > 0 && cause != unfit && cause != refused // by whom no target is asked twice
		if paid && (cause != overlong && !m.on(cause) || !m.Budget.take(m.Share)) {
			return
		}
		if wait > 0 {
			if err := sleep(ctx, wait); err != nil {
				r.settle(&Answer{Model: m, Target: t}, err, "", 0)
				return
			}
		}
		probe, ok := t.State.begin(time.Now(), m.Breaker)
		if tried = append(tried, t); !ok { // another call probes it
			if paid {
				m.Budget.give()
			}
			if wait > 0 {
				return
			}
			continue
		}
		cause = r.try(ctx, m, t, probe)
		if cause != unfit && !counted {
			counted = true
			m.Budget.call(m.Share)
		}
		if cause == "" {
			return
		}
		if cause != unfit && cause != refused {
			n++
		}
	}
}

// skip notes that a model has no target to call, and when it will.
func (r *routing) skip(m *Model) {
	r.skipped = append(r.skipped, m)
	for _, t := range m.Targets {
		if !r.fit.takes(t) {
			continue
		}
		if ready, at := t.State.ready(time.Now(), m.Breaker); !ready && (r.until.IsZero() || at.Before(r.until)) {
			r.until = at
		}
	}
}

// try makes the call at one target and returns why it failed, where another may fare better.
func (r *routing) try(ctx context.Context, m *Model, t *Target, probe bool) Cause {
	do := m.call
	if do == nil {
		do = attempt
	}
	begin := time.Now()
	result := result{probe: probe, void: true, tenant: r.call.Tenant} // as it stays where the call panics
	defer func() { t.State.end(time.Now(), m.Breaker, result) }()
	a, err := do(ctx, t, r.call)
	if a == nil {
		a = new(Answer)
	}
	a.Model, a.Target = m, t
	cause, after := diagnose(a, err)
	judge := r.call.Judge
	if after == 0 && err == nil && cause != "" && a.Status >= 400 && judge != nil {
		after = judge.Wait(a)
	}
	took := time.Since(begin)
	result.took, result.cause, result.cool, result.void = took, cause, after, false
	switch {
	case err != nil || a.Status < 400:
	default:
		result.quick, result.shun = true, a.Status == 404
	}
	if err != nil && (ctx.Err() != nil || cause == "") {
		result.void, cause = true, "" // it says nothing about the target
	}
	if err == nil && cause == "" && (a.Status >= 400 || a.Failure != nil) {
		switch {
		case a.Refused, a.Status == 401, judge == nil && a.Status == 403, judge != nil && judge.Refuses(a):
			cause = refused
			result.void, result.shun = true, true // a request may bring it about by what it names
		case judge != nil && judge.Overlong(a):
			cause = overlong
			r.overlong(t)
		}
	}
	one := Try{Model: m.Name, Target: t.Name, Cause: exactly(cause, a, err), Began: begin, Took: took}
	if r.call.Once && cause != "" && goesOn(a, err) {
		cause = "" // to go on by
	}
	if cause == unfit {
		one.Took = 0
	}
	if r.tries == nil {
		r.tries = a.try[:0]
	}
	r.tries = append(r.tries, one)
	if cause == unfit && (r.sent > 0 || r.cause == unfit) {
		return cause // the failure before says more, and of those that cannot say the call the one that was asked for
	}
	r.settle(a, err, cause, after)
	if cause != unfit {
		r.sent++
	}
	return cause
}

// settle makes an answer the one that the call has by now.
func (r *routing) settle(a *Answer, err error, cause Cause, after time.Duration) {
	if r.answer != nil && r.answer.Body != nil {
		r.answer.Body.Close()
	}
	r.answer, r.err, r.cause, r.after = a, err, cause, after
}

// on reports whether a call that failed so is made again.
func (m *Model) on(c Cause) bool {
	if m.On == nil {
		return slices.Contains(DefaultOn, c)
	}
	return slices.Contains(m.On, c)
}

// diagnose says why a call failed, if in a way that another may not, and what was said about the next.
func diagnose(a *Answer, err error) (Cause, time.Duration) {
	if err == nil && a.Failure != nil {
		cause, after := causeOf(a.Failure)
		if cause == unfit || cause == refused {
			cause = "" // the upstream read it, and what it refuses may be the request's
		}
		return cause, after
	}
	switch {
	case err != nil:
		return causeOf(err)
	case a.Fault == llm.CodeInternal || a.Status == 402: // an account without credit is of as little use as one that is not let in
		return refused, 0
	case a.Fault == llm.CodeTimeout:
		return TimedOut, RetryAfter(a.Header)
	case a.Status == 429:
		return RateLimited, RetryAfter(a.Header)
	case a.Status == 408:
		return TimedOut, RetryAfter(a.Header)
	case a.Status >= 500 && a.Status != 501 && a.Status != 505:
		return Failing, RetryAfter(a.Header)
	}
	return "", 0
}

func causeOf(err error) (Cause, time.Duration) {
	if errors.Is(err, egress.ErrAddress) {
		return refused, 0
	}
	var e *llm.Error
	if !errors.As(err, &e) {
		return "", 0
	}
	switch e.Code {
	case llm.CodeRateLimited:
		return RateLimited, e.RetryAfter
	case llm.CodeOverloaded, llm.CodeUnavailable, llm.CodeUpstream, llm.CodeCut:
		return Failing, e.RetryAfter
	case llm.CodeTimeout:
		return TimedOut, e.RetryAfter
	case llm.CodeInvalid:
		return unfit, 0
	case llm.CodeAuth: // the provider's own credentials cannot be had
		return refused, 0
	}
	return "", 0
}

// exactly returns what a failed try met. One that is Failing had a status of 5xx, or something else that is as bad.
func exactly(c Cause, a *Answer, err error) Cause {
	if err == nil {
		err = a.Failure
	}
	if c != Failing || err == nil {
		return c
	}
	var wire *egress.Error
	if errors.As(err, &wire) && (wire.Kind == egress.Reset || wire.Kind == egress.Cut) {
		return broke
	}
	var e *llm.Error
	errors.As(err, &e) // or it would be no cause
	switch {
	case e.Code == llm.CodeCut:
		return broke
	case e.Code == llm.CodeUnavailable && a.Failure == nil:
		return unreachable
	}
	return erred
}

// backoff is the pause before the n-th repetition: up to twice as long as before, half of it by chance.
func backoff(n int) time.Duration {
	most := min(100*time.Millisecond<<min(n-1, 10), MaxRetryAfter)
	return most/2 + rand.N(most/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return Error(context.Cause(ctx))
	}
}
