package filtertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Result is what came of one case.
type Result struct {
	Case  string
	Line  int // of the case in its file
	Diffs []Diff
	Logs  string // what the filter logged, one line each
}

// OK reports whether everything came as expected.
func (r *Result) OK() bool { return len(r.Diffs) == 0 }

// Diff is an expectation that was not met.
type Diff struct {
	Section string // "expect answer (streamed)"
	Line    int    // of the expectation, or the case
	Text    string // lines that begin with "-" were expected, with "+" came, with " " are both
}

// Test runs all cases. An error means that the transcript itself is wrong or the filter cannot be
// made; what comes otherwise than expected is in the results.
func (r *Runner) Test(ctx context.Context, t *Transcript) ([]Result, error) {
	var all []Result
	for _, c := range t.Cases {
		runs, err := r.runs(ctx, c)
		if err != nil {
			return all, err
		}
		all = append(all, c.judge(runs))
	}
	return all, nil
}

// judge compares a case's runs with what it expects.
func (c *Case) judge(runs []*outcome) Result {
	out := Result{Case: c.Name, Line: c.Line}
	if !c.expects() {
		out.Diffs = append(out.Diffs, Diff{Section: "expect", Line: c.Line, Text: "  nothing is expected: `ginnel filter test --update` writes what came\n"})
	}
	for _, o := range runs {
		name := func(kind string) string {
			if len(runs) == 1 {
				return "expect " + kind
			}
			return "expect " + kind + " (" + o.way.String() + ")"
		}
		for _, kind := range expected {
			got, ran := o.shown[kind]
			want, ok := c.expectation(kind, o.way)
			if ok && ran && want.text != strings.TrimRight(got, blank) {
				out.Diffs = append(out.Diffs, Diff{name(kind), want.line, lineDiff(want.text, got)})
			}
		}
		if _, ok := c.expectation(expRecord, o.way); !ok && o.failed {
			out.Diffs = append(out.Diffs, Diff{name(expRecord), c.Line, lineDiff("", o.shown[expRecord])})
		}
		out.Logs += o.logs
	}
	return out
}

// Update rewrites the expectations to what comes now: those that a case has, or, where it has none,
// those that fit it. It reports whether the transcript changed.
func (r *Runner) Update(ctx context.Context, t *Transcript) (bool, error) {
	before := string(t.Format())
	for _, c := range t.Cases {
		runs, err := r.runs(ctx, c)
		if err != nil {
			return false, err
		}
		c.rewrite(runs)
	}
	return string(t.Format()) != before, nil
}

func (c *Case) rewrite(runs []*outcome) {
	kinds := c.kinds(runs)
	first := slices.IndexFunc(c.sections, func(s section) bool { return strings.HasPrefix(s.name, "expect ") })
	if first < 0 {
		first = len(c.sections)
	}
	keep := slices.DeleteFunc(slices.Clone(c.sections[first:]), func(s section) bool { return strings.HasPrefix(s.name, "expect ") })
	c.sections = append(c.sections[:first:first], keep...)
	for _, kind := range kinds {
		var came []*outcome
		for _, o := range runs {
			if _, ok := o.shown[kind]; ok {
				came = append(came, o)
			}
		}
		if len(came) == 2 && came[0].shown[kind] != came[1].shown[kind] {
			for _, o := range came {
				c.sections = append(c.sections, section{name: fmt.Sprintf("expect %s %s", kind, o.way), text: trimBlank([]string{o.shown[kind]})})
			}
		} else if len(came) > 0 {
			c.sections = append(c.sections, section{name: "expect " + kind, text: trimBlank([]string{came[0].shown[kind]})})
		}
	}
}

// kinds returns the expectations that the case has, or those that fit it, in the order of the list.
func (c *Case) kinds(runs []*outcome) []string {
	var have []string
	for _, kind := range expected {
		if slices.ContainsFunc(c.sections, func(s section) bool { return s.name == "expect "+kind || strings.HasPrefix(s.name, "expect "+kind+" ") }) {
			have = append(have, kind)
		}
	}
	if len(have) > 0 {
		return have
	}
	have = append(have, expRequest)
	switch {
	case len(runs) == 2:
		have = append(have, expAnswer)
	case runs[0].way == streamed:
		have = append(have, expStream)
	default:
		have = append(have, expResponse)
	}
	if runs[0].shown[expCall] != "" {
		have = append(have, expCall)
	}
	return append(have, expRecord)
}
