package scan

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"runtime"
	"strings"
	"sync"

	"github.com/ginnel/ginnel/core/scan/automaton"
	"github.com/ginnel/ginnel/core/scan/literal"
)

// maxCompiled bounds the rules that a Compiler remembers.
const maxCompiled = 4096

// Compiler compiles rules files that have rules in common, each rule once. The zero value is ready;
// it is safe for concurrent use.
type Compiler struct {
	mu    sync.Mutex // protects rules
	rules map[shape]*compiled
}

// shape is what makes two rules match alike.
type shape struct{ pattern, after, keywords, trigger, back, tail, until, check string }

// compiled is a rule that belongs to no set yet. It is immutable.
type compiled struct {
	rule    rule
	trigger string
	wakers  []literal.Key
}

func (r *Rule) shape() shape {
	return shape{r.Pattern, r.After, strings.Join(r.Keywords, "\x00"), r.Trigger, fmt.Sprint(r.BackMax, r.Back), r.Tail, r.Until, r.Check}
}

// Compile is the function Compile.
func (c *Compiler) Compile(rules []byte) (*Set, error) {
	parsed, err := Parse(rules)
	if err != nil {
		return nil, err
	}
	done, err := c.all(parsed)
	if err != nil {
		return nil, err
	}
	return build(parsed, done)
}

// all compiles rules on as many processors as there are.
func (c *Compiler) all(rules []Rule) ([]*compiled, error) {
	var (
		out  = make([]*compiled, len(rules))
		errs = make([]error, len(rules))
		next = make(chan int)
		wait sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), len(rules)) {
		wait.Go(func() {
			for i := range next {
				out[i], errs[i] = c.one(&rules[i])
			}
		})
	}
	for i := range rules {
		next <- i
	}
	close(next)
	wait.Wait()
	return out, errors.Join(errs...)
}

func (c *Compiler) one(r *Rule) (*compiled, error) {
	if r.Detect != "" {
		if detectors[r.Detect] == nil {
			return nil, &LineError{r.Line, fmt.Errorf("rule %s: unknown detector %q", r.ID, r.Detect)}
		}
		return nil, nil
	}
	key := r.shape()
	c.mu.Lock()
	known := c.rules[key]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	made, err := compileRule(r)
	if err != nil {
		return nil, &LineError{r.Line, fmt.Errorf("rule %s: %w", r.ID, err)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rules == nil || len(c.rules) >= maxCompiled {
		c.rules = map[shape]*compiled{}
	}
	c.rules[key] = made
	return made, nil
}

// compileRule builds the automata of a rule and finds what wakes it.
func compileRule(r *Rule) (*compiled, error) {
	c := rule{backMax: r.BackMax}
	re, err := automaton.Parse(r.Pattern)
	if err != nil {
		return nil, err
	}
	if lo, _ := automaton.Width(re); lo == 0 {
		return nil, ErrEmpty
	}
	whole := re
	if r.After != "" {
		after, err := automaton.Parse(r.After)
		if err != nil {
			return nil, fmt.Errorf("after: %w", err)
		}
		if c.parts, err = split(after); err != nil {
			return nil, fmt.Errorf("after: %w", err)
		}
		c.before = len(c.parts)
		whole = &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{after, re}}
	}
	if _, hi := automaton.Width(whole); hi > MaxWindow {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLong, hi, MaxWindow)
	}
	if err := c.extras(r); err != nil {
		return nil, err
	}
	wakers, err := wakers(r, whole)
	if err != nil {
		return nil, err
	}
	parts, err := split(re)
	if err != nil {
		return nil, err
	}
	c.parts = append(c.parts, parts...)
	return &compiled{c, r.Trigger, wakers}, nil
}
