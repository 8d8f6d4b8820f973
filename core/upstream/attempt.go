package upstream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
)

// attempt calls one target, once more where its credentials were stale.
func attempt(ctx context.Context, t *Target, c *Call) (*Answer, error) {
	a, plan, err := once(ctx, t, c)
	if err != nil || a.Status < 400 || plan.Stale == nil || !plan.Stale(a.Status, a.First) {
		return a, err
	}
	changed, err := t.Provider.Refresh(ctx, plan.Version)
	if err != nil || !changed {
		a.Refused = true
		return a, nil // the upstream's own answer says more
	}
	if a.Body != nil {
		a.Body.Close()
	}
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
	one := new(trip)
	request, out := &one.request, &one.out
	if err := c.Source.Request(t, plan, request); err != nil {
		return nil, plan, err
	}
	path := plan.Path
	if c.Stream {
		path = plan.StreamPath
	}
	path = withQuery(withRest(path, request.Rest), request.Query)
	*out = egress.Request{Method: cmp.Or(request.Method, plan.Method), Path: path, Header: merged(plan.Header, request.Header), Body: request.Body, Held: request.Held, Once: c.Once}
	if plan.Invoked && c.Once {
		out.Header.Add(sdkprovider.OnceHeader, "1")
	}
	if c.Open != nil {
		a, err := c.Open(ctx, plan, out)
		if err != nil {
			return nil, plan, Error(err)
		}
		a.Dialect, a.Ended = plan.Dialect, true
		return a, plan, nil
	}
	resp, err := plan.Origin.Do(ctx, out)
	if err != nil {
		return nil, plan, Error(err)
	}
	a := &one.answer
	*a = Answer{Status: resp.Status, Header: resp.Header, Came: time.Now(), Dialect: plan.Dialect, Body: resp.Body}
	if resp.Status >= 400 {
		if plan.Invoked {
			a.Fault = llm.Code(resp.Header.Get(sdkprovider.ErrorHeader))
		}
		a.First, err = resp.Body.All(nil, maxErrorBody)
		a.Ended = true
		if err != nil {
			resp.Body.Close()
			return nil, plan, Error(err)
		}
		return a, plan, nil
	}
	if err := begin(a, c); err != nil {
		resp.Body.Close()
		return nil, plan, underway{err}
	}
	return a, plan, nil
}

// underway is the failure of a call that an upstream took on.
type underway struct{ error }

func (u underway) Unwrap() error { return u.error }

// goesOn reports whether an upstream may be at work on a call that failed.
func goesOn(a *Answer, err error) bool {
	if err == nil {
		return a.Status < 400 || a.Fault != "" // of which nobody knows what its plugin had sent
	}
	var took underway
	var e *egress.Error
	return errors.As(err, &took) || errors.As(err, &e) && e.Sent
}

// trip is all that one request takes, in one piece of memory.
type trip struct {
	request Request
	out     egress.Request
	answer  Answer
}

// merged returns a provider's own fields and, of the client's, those that do not overrule them. It is in the memory of
// the client's where that has the room.
func merged(own, clients llm.Header) llm.Header {
	n := 0
	for _, f := range clients {
		if own.Count(f.Name) == 0 {
			clients[n] = f
			n++
		}
	}
	return append(clients[:n], own...)
}

// The bounds of the beginning of an answer that is looked at. What is longer passes unseen, and what opens an answer is
// held back for so long behind its head: a client that waits is to hear of it.
const (
	maxFirst = 64 << 10
	heldFor  = 10 * time.Second
)

// begin reads the first bytes of an answer's body: of a stream, up to the first event with content.
func begin(a *Answer, c *Call) error {
	for look := Awaited; look != Seen && !a.Ended && len(a.First) < maxFirst; {
		by, before := time.Time{}, len(a.First)
		if look == Held {
			by = a.Came.Add(heldFor)
		}
		var err error
		a.First, err = a.Body.NextBy(a.First, by)
		if errors.Is(err, io.EOF) {
			a.Ended, err = true, nil
		}
		if err != nil {
			return Error(err)
		}
		if !a.Ended && len(a.First) == before {
			return nil // it was held back for long enough
		}
		if look = Seen; c.Judge != nil {
			look, a.Failure = c.Judge.Begun(a)
		}
	}
	if a.Ended && len(a.First) == 0 && !c.Empty {
		return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"}
	}
	return nil
}

// withRest puts more behind a path, before the query that it may have.
func withRest(path, rest string) string {
	path, query, _ := strings.Cut(path, "?")
	return withQuery(path+rest, query)
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
