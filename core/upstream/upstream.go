// Package upstream is where a model's calls may go: its targets, which of them a call takes, and
// when a failed call is made again.
//
// It makes no connection itself (package egress does), reads no dialect and knows no plugin: a
// Provider plans a call, the caller supplies the body for each target.
package upstream

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The limits of a retry.
const (
	DefaultAttempts = 2
	MaxRetryAfter   = 2 * time.Second // a longer Retry-After goes to the client instead
	maxErrorBody    = 1 << 20
)

// Plan is how one operation of a provider is reached. It is not changed once it was returned.
type Plan struct {
	Origin  *egress.Origin
	Dialect llm.Dialect // in which the provider is spoken to
	Method  string
	Path    string
	// StreamPath is Path for a call that streams.
	StreamPath string
	Header     llm.Header // the provider's own, credentials included
	Version    uint64     // of the lease it comes from
	// Stale reports whether an answer means that the lease should be refreshed.
	Stale func(status int, body []byte) bool
}

// Provider plans calls. It is safe for concurrent use.
type Provider interface {
	// Plan returns how to reach op for a model in a dialect or, where the provider does not have it in
	// that one, in another that it can be translated to. Errors are *llm.Error. It waits only where the provider's
	// credentials have expired.
	Plan(ctx context.Context, op llm.Op, d llm.Dialect, model string) (*Plan, error)
	// Refresh renews the lease unless it is newer than version already, and reports whether it
	// changed. Concurrent calls are made once.
	Refresh(ctx context.Context, version uint64) (changed bool, err error)
}

// Target is one place a model's calls may go to.
type Target struct {
	Name         string
	ProviderName string
	Provider     Provider
	Model        string // the model's name at the provider
	Weight       int
}

// Model is what clients ask for by name. It is immutable and safe for concurrent use.
type Model struct {
	Name     string
	Targets  []*Target
	Attempts int // 0 = DefaultAttempts
}

// Call is one call to a model. The callback belongs to one goroutine.
type Call struct {
	Op      llm.Op
	Dialect llm.Dialect // the client's
	Stream  bool
	// Request returns what a target is sent, in the dialect in which its provider is spoken to.
	Request func(t *Target, d llm.Dialect) (*Request, error)
}

// Request is what a target is sent, besides the provider's own header.
type Request struct {
	Header llm.Header // already cleaned
	Query  string     // without a question mark; already cleaned
	Body   []byte
}

// Answer is an upstream's answer. Its head has arrived and, where it succeeded, its first bytes too,
// so that what fails before them is tried again and never seen. The caller closes Body.
type Answer struct {
	Status   int
	Header   llm.Header
	Dialect  llm.Dialect
	First    []byte // bytes of the body that were read already
	Ended    bool   // First is the whole body
	Body     *egress.Body
	Refused  bool // the upstream does not accept the provider's credentials
	Target   *Target
	Attempts int
}

// Do makes the call, and makes it again where that may help, until the first byte of an answer. A
// failed answer of the upstream (status 400 and above) is an Answer when it cannot be cured; an error
// is an *llm.Error, with the number of attempts and the last target in the Answer beside it.
func (m *Model) Do(ctx context.Context, c *Call) (*Answer, error) {
	attempts := m.Attempts
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	var tried []*Target
	for n := 1; ; n++ {
		t := m.pick(tried)
		tried = append(tried, t)
		a, err := m.attempt(ctx, t, c)
		if a == nil {
			a = &Answer{}
		}
		a.Target, a.Attempts = t, n
		wait, again := retry(a, err)
		if !again || n == attempts {
			return a, err
		}
		if a.Body != nil {
			a.Body.Close()
		}
		if werr := sleep(ctx, wait); werr != nil {
			return &Answer{Target: t, Attempts: n}, werr
		}
	}
}

// attempt calls one target, once more where its credentials were stale.
func (m *Model) attempt(ctx context.Context, t *Target, c *Call) (*Answer, error) {
	a, plan, err := once(ctx, t, c)
	if err != nil || a.Status < 400 || plan.Stale == nil || !plan.Stale(a.Status, a.First) {
		return a, err
	}
	changed, err := t.Provider.Refresh(ctx, plan.Version)
	if err != nil || !changed {
		a.Refused = true
		return a, nil // the upstream's own answer says more
	}
	a.Body.Close()
	if a, plan, err = once(ctx, t, c); err == nil && a.Status >= 400 {
		a.Refused = plan.Stale != nil && plan.Stale(a.Status, a.First)
	}
	return a, err
}

func once(ctx context.Context, t *Target, c *Call) (*Answer, *Plan, error) {
	plan, err := t.Provider.Plan(ctx, c.Op, c.Dialect, t.Model)
	if err != nil {
		return nil, nil, err
	}
	request, err := c.Request(t, plan.Dialect)
	if err != nil {
		return nil, plan, err
	}
	header := make(llm.Header, 0, len(request.Header)+len(plan.Header))
	header = append(header, plan.Header...)
	for _, f := range request.Header {
		if plan.Header.Count(f.Name) == 0 { // the client does not overrule the provider's own
			header = append(header, f)
		}
	}
	path := plan.Path
	if c.Stream {
		path = plan.StreamPath
	}
	path = withQuery(path, request.Query)
	resp, err := plan.Origin.Do(ctx, &egress.Request{Method: plan.Method, Path: path, Header: header, Body: request.Body})
	if err != nil {
		return nil, plan, Error(err)
	}
	a := &Answer{Status: resp.Status, Header: resp.Header, Dialect: plan.Dialect, Body: resp.Body}
	if resp.Status >= 400 {
		a.First, err = resp.Body.All(nil, maxErrorBody)
		a.Ended = true
		if err != nil {
			resp.Body.Close()
			return nil, plan, Error(err)
		}
		return a, plan, nil
	}
	a.First, err = resp.Body.Next(nil)
	if errors.Is(err, io.EOF) {
		a.Ended, err = true, nil
	}
	if err != nil {
		resp.Body.Close()
		return nil, plan, Error(err)
	}
	return a, plan, nil
}

// withQuery appends a query to a path that may have one.
func withQuery(path, query string) string {
	switch {
	case query == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&" + query
	}
	return path + "?" + query
}

// pick chooses a target by weight, among those not tried yet while there are any.
func (m *Model) pick(tried []*Target) *Target {
	if len(m.Targets) == 1 {
		return m.Targets[0]
	}
	fresh := func(t *Target) bool {
		for _, seen := range tried {
			if seen == t && len(tried) < len(m.Targets) {
				return false
			}
		}
		return true
	}
	sum := 0
	for _, t := range m.Targets {
		if fresh(t) {
			sum += max(t.Weight, 1)
		}
	}
	at := rand.IntN(sum)
	for _, t := range m.Targets {
		if fresh(t) {
			if at -= max(t.Weight, 1); at < 0 {
				return t
			}
		}
	}
	return m.Targets[0]
}

// retry says whether another attempt may help and how long to wait before it.
func retry(a *Answer, err error) (time.Duration, bool) {
	jitter := time.Duration(20+rand.Int64N(80)) * time.Millisecond
	if err != nil {
		var e *llm.Error
		if !errors.As(err, &e) || !e.Code.Retryable() || e.Code == llm.CodeTimeout {
			return 0, false // what timed out once has cost the client enough
		}
		return max(jitter, e.RetryAfter), e.RetryAfter <= MaxRetryAfter
	}
	switch a.Status {
	case 429, 500, 502, 503, 504, 529:
		after := RetryAfter(a.Header)
		return max(jitter, after), after <= MaxRetryAfter
	}
	return 0, false
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
