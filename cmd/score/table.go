package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tally counts hits per category.
type tally struct {
	mu sync.Mutex // protects by
	by map[string][2]int
}

func (t *tally) add(category string, hit bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string][2]int{}
	}
	v := t.by[category]
	v[1]++
	if hit {
		v[0]++
	}
	t.by[category] = v
}

// of sums the categories that are named, or all.
func (t *tally) of(only ...string) (hits, all int) {
	for c, v := range t.by {
		if len(only) == 0 || slices.Contains(only, c) {
			hits, all = hits+v[0], all+v[1]
		}
	}
	return hits, all
}

// goal is a bound of a rate in percent: at least, or with most at most.
type goal struct {
	percent float64
	most    bool
}

func atLeast(percent float64) *goal { return &goal{percent, false} }
func atMost(percent float64) *goal  { return &goal{percent, true} }

func (g *goal) String() string {
	switch {
	case g == nil:
		return ""
	case g.most:
		return fmt.Sprintf("<= %g %%", g.percent)
	}
	return fmt.Sprintf(">= %g %%", g.percent)
}

func (g *goal) met(rate float64) string {
	switch {
	case g == nil:
		return ""
	case g.most && rate <= g.percent, !g.most && rate >= g.percent:
		return "yes"
	}
	return "no"
}

// row is one line of the table.
type row struct {
	name      string
	hits, all int
	goal      *goal
	detail    string
}

// table is what is printed.
type table struct{ rows []row }

// add adds a tally's total, and beside it the categories that are neither all hits nor, where few
// shall be, none.
func (t *table) add(name string, from *tally, g *goal, only ...string) {
	hits, all := from.of(only...)
	var detail []string
	whole := 0
	for _, c := range slices.Sorted(maps.Keys(from.by)) {
		v := from.by[c]
		switch few := g == nil || g.most; {
		case len(only) > 0 && !slices.Contains(only, c):
		case few && v[0] == 0, !few && v[0] == v[1]:
			whole++
		default:
			detail = append(detail, fmt.Sprintf("%s %d/%d", c, v[0], v[1]))
		}
	}
	switch {
	case len(detail) == 0 || len(detail) == 1 && whole == 0:
		detail = nil
	case whole > 0 && (g == nil || g.most):
		detail = append(detail, fmt.Sprintf("none in %d others", whole))
	case whole > 0:
		detail = append(detail, fmt.Sprintf("all in %d others", whole))
	}
	t.rows = append(t.rows, row{name, hits, all, g, strings.Join(detail, ", ")})
}

// worst adds the category with the highest rate.
func (t *table) worst(name string, from *tally, g *goal) {
	var hits, all int
	category := ""
	for _, c := range slices.Sorted(maps.Keys(from.by)) {
		if v := from.by[c]; category == "" || v[0]*all > hits*v[1] {
			category, hits, all = c, v[0], v[1]
		}
	}
	t.rows = append(t.rows, row{name, hits, all, g, category})
}

// print writes the table as Markdown.
func (t *table) print(w io.Writer) {
	fmt.Fprintln(w, "| what | hits | of | rate | goal | met | by category |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for _, r := range t.rows {
		rate := 100 * float64(r.hits) / float64(max(r.all, 1))
		fmt.Fprintf(w, "| %s | %d | %d | %.2f %% | %s | %s | %s |\n", r.name, r.hits, r.all, rate, r.goal, r.goal.met(rate), r.detail)
	}
}
