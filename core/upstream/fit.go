package upstream

import (
	"fmt"
	"slices"

	"github.com/ginnel/ginnel/sdk/llm"
)

// fit is what a call asks of a target. A feature that a target lacks rules it out. The tokens are an estimate,
// so they only steer: where no target has so large a window, the largest will do, and what an upstream
// itself says of the call's length counts from then on.
type fit struct {
	demand   Demand // nil = none
	features []llm.Feature
	tokens   int64
	over     bool  // a target found it too long,
	floor    int64 // and of those that did this is the largest window
}

// measure finds out what the call asks of the targets that it may come to.
func (r *routing) measure(m *Model) {
	demand := r.call.Demand
	if demand == nil {
		return
	}
	r.fit.demand = demand
	windows, lacking := false, false
	for t := range m.Reach {
		windows, lacking = windows || t.Context > 0, lacking || len(t.Lacks) > 0
	}
	if lacking {
		r.fit.features = demand.Features()
	}
	if !windows {
		return
	}
	largest, known := int64(0), true
	for t := range m.Reach {
		if !r.fit.lacks(t) {
			largest, known = max(largest, t.Context), known && t.Context > 0
		}
	}
	if r.fit.tokens = demand.Tokens(); known {
		r.fit.tokens = min(r.fit.tokens, largest)
	}
}

// Reach yields the targets of the model and of its fallbacks.
func (m *Model) Reach(yield func(*Target) bool) {
	for _, t := range m.Targets {
		if !yield(t) {
			return
		}
	}
	for _, f := range m.Fallback {
		for _, t := range f.Targets {
			if !yield(t) {
				return
			}
		}
	}
}

func (f *fit) lacks(t *Target) bool {
	return slices.ContainsFunc(f.features, func(a llm.Feature) bool { return slices.Contains(t.Lacks, a) })
}

// takes reports whether a target fits. One whose window nobody has declared may be as large as need be until
// another target found the call too long.
func (f *fit) takes(t *Target) bool {
	switch {
	case f.lacks(t), f.demand != nil && !f.demand.Keeps(t):
		return false
	case f.over:
		return t.Context > f.floor
	}
	return t.Context == 0 || f.tokens <= t.Context
}

// pass appends the targets of a model that do not fit to those that were tried, and notes them.
func (r *routing) pass(m *Model, tried []*Target) []*Target {
	for _, t := range m.Targets {
		if r.fit.takes(t) || slices.Contains(tried, t) {
			continue
		}
		tried = append(tried, t)
		if r.note(m, t, unsuited) {
			r.passed++
		}
	}
	return tried
}

// none reports whether no target of a model fits.
func (r *routing) none(m *Model) bool {
	return len(m.Targets) > 0 && !slices.ContainsFunc(m.Targets, r.fit.takes)
}

// overlong notes that a target found the call longer than its window.
func (r *routing) overlong(t *Target) {
	r.fit.over, r.fit.floor = true, max(r.fit.floor, t.Context)
}

// misfit is the error of a call that no target could take, or nil.
func (r *routing) misfit(m *Model) error {
	if r.passed == 0 {
		return nil
	}
	for _, f := range r.fit.features {
		all := true
		for t := range m.Reach {
			all = all && slices.Contains(t.Lacks, f)
		}
		if all {
			return &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("the model takes no %s", f)}
		}
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: "no target of the model takes all that the request asks for"}
}
