package upstream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// TestWhatFits: a model of a small target without images and a large one, with a fallback that has everything.
func TestWhatFits(t *testing.T) {
	images, none := []llm.Feature{llm.FeatureImages}, []llm.Feature(nil)
	long := map[string][]string{"m/small": {"long"}, "m/large": {"long"}}
	for name, c := range map[string]struct {
		tokens   int64
		features []llm.Feature
		plays    map[string][]string
		set      func(m *Model)
		want     []string // the calls, one of these
		said     string
		tries    string // some of them
	}{
		"anything fits":                {10, none, nil, nil, []string{"m/small", "m/large"}, "200", ""},
		"an image":                     {10, images, nil, nil, []string{"m/large"}, "200", "m/small unsuited"},
		"too long for one":             {5000, none, nil, nil, []string{"m/large"}, "200", "m/small unsuited"},
		"too long for both":            {50_000, none, nil, nil, []string{"f/huge"}, "200", "m/large unsuited"},
		"too long for all":             {5_000_000, none, nil, nil, []string{"f/huge"}, "200", ""},
		"the rest is out of service":   {5000, none, map[string][]string{"m/large": {"500"}}, nil, []string{"m/large m/large f/huge"}, "200", ""},
		"an upstream finds it long":    {10, none, long, func(m *Model) { m.Targets[1].Weight = 1; m.Targets[0].Weight = 1000_000 }, []string{"m/small m/large f/huge"}, "200", "m/small overlong, m/large overlong"},
		"no other is large enough":     {5000, none, long, func(m *Model) { m.Fallback = nil }, []string{"m/large"}, "400", "m/large overlong"},
		"nor one nobody declared":      {5000, none, long, func(m *Model) { m.Fallback[0].Targets[0].Context = 0 }, []string{"m/large"}, "400", "f/huge unsuited"},
		"nobody declared anything":     {1 << 40, images, nil, func(m *Model) { m.Targets = m.Fallback[0].Targets; m.Targets[0].Context = 0 }, []string{"f/huge"}, "200", ""},
		"nobody takes images":          {10, images, nil, func(m *Model) { m.Targets[1].Lacks = images; m.Fallback[0].Targets[0].Lacks = images }, []string{""}, "invalid_request", "f/huge unsuited"},
		"the one that would fit fails": {10, images, map[string][]string{"m/large": {"500"}, "f/huge": {"500"}}, nil, []string{"m/large m/large f/huge f/huge"}, "500", "m/small unsuited"},
		"no budget for a longer one":   {10, none, long, func(m *Model) { m.Share = 0; m.Targets = m.Targets[:1] }, []string{"m/small f/huge"}, "200", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{plays: c.plays}
			m, f := s.model("m", "small", "large"), s.model("f", "huge")
			m.Share, m.Fallback = 1, []*Model{f}
			m.Targets[0].Context, m.Targets[0].Lacks = 4096, images
			m.Targets[1].Context, f.Targets[0].Context = 32768, 1_000_000
			call := func(_ context.Context, t *Target, _ *Call) (*Answer, error) {
				if word := s.next(t.Model); word != "long" {
					return answer(word)
				}
				return &Answer{Status: 400, First: []byte("long")}, nil
			}
			m.call, f.call = call, call
			if c.set != nil {
				c.set(m)
			}
			a, err := m.Do(t.Context(), &Call{Demand: demand{c.tokens, c.features}, Judge: lengths{}})
			calls := s.made()
			if got := said(a, err); got != c.said || !slices.Contains(c.want, calls) || a.Attempts != len(strings.Fields(calls)) {
				t.Errorf("%s: %s by %q in %d attempts", name, got, calls, a.Attempts)
			}
			var tries []string
			for _, try := range a.Tries {
				tries = append(tries, try.Model+"/"+try.Target+" "+string(try.Cause))
			}
			if all := strings.Join(tries, ", "); !strings.Contains(all, c.tries) || slices.Contains(tries, "") {
				t.Errorf("%s: %s", name, all)
			}
		})
	}
}

// demand is what a call asks for.
type demand struct {
	tokens   int64
	features []llm.Feature
}

func (d demand) Tokens() int64           { return d.tokens }
func (d demand) Features() []llm.Feature { return d.features }
func (demand) Keeps(*Target) bool        { return true }

// lengths finds that an answer with the word for it says that the request is too long.
type lengths struct{}

func (lengths) Begun(*Answer) (Look, error) { return Seen, nil }
func (lengths) Wait(*Answer) time.Duration  { return 0 }
func (lengths) Refuses(a *Answer) bool      { return a.Status == 403 && string(a.First) != "flagged" }
func (lengths) Overlong(a *Answer) bool     { return string(a.First) == "long" }

// TestWhatNothingFitsIsToldSo: by the feature, or where the targets lack different ones, by all together. An
// outage of what would fit is an outage.
func TestWhatNothingFitsIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(script)
		m := s.model("m", "a", "b")
		m.Targets[0].Lacks, m.Targets[1].Lacks = []llm.Feature{llm.FeatureImages}, []llm.Feature{llm.FeatureTools}
		ask := func(f ...llm.Feature) error {
			_, err := m.Do(t.Context(), &Call{Demand: demand{features: f}})
			return err
		}
		var e *llm.Error
		if err := ask(llm.FeatureTools, llm.FeatureImages); !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(e.Message, "no target") {
			t.Error(err)
		}
		m.Breaker = breaker
		s.plays = map[string][]string{"m/b": {"500"}}
		for range breaker.Failures {
			ask(llm.FeatureImages)
		}
		if err := ask(llm.FeatureImages); !errors.As(err, &e) || e.Code != llm.CodeUnavailable {
			t.Error(err)
		}
		m.Targets = m.Targets[:1]
		if err := ask(llm.FeatureImages); !errors.As(err, &e) || e.Message != "the model takes no images" {
			t.Error(err)
		}
		if s.made(); ask(llm.FeatureTools) != nil || s.made() != "m/a" {
			t.Error("what it can do is not asked of it")
		}
	})
}
