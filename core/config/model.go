package config

import (
	"slices"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/schema"
)

// Model is a model block.
type Model struct {
	Name     string
	Aliases  []string
	Targets  []*Target
	Balance  string // weighted or least_latency
	Fallback []*Model
	Retry    Retry
	Breaker  Breaker
}

// Retry is when a failed call is made again.
type Retry struct {
	Attempts int
	On       []string // of RetryCauses
	Budget   float64  // share of the calls
}

// Breaker is when a target is taken out of service.
type Breaker struct {
	Failures int // 0 = never
	Window   time.Duration
	Cooldown time.Duration
}

// RetryCauses are what a call may be made again on.
var RetryCauses = []string{"429", "5xx", "timeout"}

// Target is one place a model's calls may go to.
type Target struct {
	Name     string
	Provider *Provider
	Model    string // the name at the provider
	Weight   int
	Context  int64    // tokens; 0 = not declared
	Output   int64    // tokens; 0 = not declared
	Lacks    []string // of llm.Features
}

func modelShape() *schema.Block {
	return &schema.Block{
		Doc: "What clients ask for by name, and where it may go.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "aliases", Kind: schema.Strings, Optional: true, Doc: "Further names that clients may use."},
			{Name: "balance", Kind: schema.String, Default: "weighted", Enum: []string{"weighted", "least_latency"}, Doc: "How the targets share the calls: by chance and `weight`, or each call to the better of two, by the time to the first content that is expected of them, the calls that wait for one, and `weight`."},
			{Name: "fallback", Kind: schema.Refs, RefTo: "model", Optional: true, Doc: "The models that take a call, in turn, where this one fails for another reason than the request itself, before the first event of the answer: `[model.NAME]`. A key that may use this model may use them so; the route need not list them. Their own fallbacks do not count."},
			{Name: "retry", Kind: schema.Object, Optional: true, Doc: "When a failed call is made again, before the first event of its answer: at another target, or at the same after a pause.", Fields: []schema.Attr{
				{Name: "attempts", Kind: schema.Int, Default: "2", Doc: "Calls at most, the first included. A Retry-After of up to two seconds is waited for; a longer one goes to the client."},
				{Name: "on", Kind: schema.Strings, Default: "429,5xx", Doc: "After which failures: `429`; `5xx`, or no connection, or an answer that breaks off; `timeout`."},
				{Name: "budget", Kind: schema.Ratio, Default: "20%", Doc: "The share of the model's calls that may be made again, besides ten that are saved up. `0` is none."},
			}},
			{Name: "breaker", Kind: schema.Object, Optional: true, Doc: "When a target is taken out of service for this model. Where no other and no fallback is in service, a call fails at once.", Fields: []schema.Attr{
				{Name: "failures", Kind: schema.Int, Default: "0", Doc: "After how many failures within `window`, if no fewer calls failed than succeeded. `0` is never."},
				{Name: "window", Kind: schema.Duration, Default: "30s", Doc: "How far it looks back."},
				{Name: "cooldown", Kind: schema.Duration, Default: "15s", Doc: "How long it waits before one call probes whether the target is well again."},
			}},
		},
		Blocks: map[string]*schema.Block{"target": {
			Doc: "One place the calls may go to.", Labels: []string{"name"}, Min: 1,
			Attrs: []schema.Attr{
				{Name: "provider", Kind: schema.Ref, RefTo: "provider", Doc: "The provider: `provider.NAME`."},
				{Name: "model", Kind: schema.String, Doc: "The model's name at the provider."},
				{Name: "weight", Kind: schema.Int, Default: "1", Doc: "Its share of the calls, beside the other targets' weights."},
				{Name: "context", Kind: schema.Int, Optional: true, Doc: "The model's context window in tokens, the request and its answer together. A request that is clearly longer, or that another target found too long, goes to a target or fallback with a larger one."},
				{Name: "output", Kind: schema.Int, Optional: true, Doc: "The longest answer that the model gives, in tokens. A request of another dialect that sets no limit gets this one where the provider's wants one (Anthropic's Messages, and thinking models of Anthropic's at Bedrock)."},
				{Name: "lacks", Kind: schema.Strings, Optional: true, Doc: "What the model cannot do: `tools`, `images`, `audio`, `video`, `files`, `schema` (an answer that fits a JSON schema). A request that asks for it goes to another target or to a fallback, and is refused where there is none."},
			},
		}},
	}
}

func (b *builder) model(n *node) {
	m := &Model{
		Name: n.label(), Aliases: get[[]string](n, "aliases"), Balance: get[string](n, "balance"),
		Retry:   Retry{Attempts: int(get[int64](n, "retry.attempts")), On: get[[]string](n, "retry.on"), Budget: get[float64](n, "retry.budget")},
		Breaker: Breaker{Failures: int(get[int64](n, "breaker.failures")), Window: get[time.Duration](n, "breaker.window"), Cooldown: get[time.Duration](n, "breaker.cooldown")},
	}
	b.routing(n, m)
	for _, tn := range n.all("target") {
		t := &Target{Name: tn.label(), Model: get[string](tn, "model"), Weight: int(get[int64](tn, "weight"))}
		if t.Weight < 1 || t.Weight > 1000 {
			if at := tn.attrs["weight"]; at.v != nil {
				b.errorf(at.rng, "Invalid value", "weight: from 1 to 1000.")
			}
		}
		if at := tn.attrs["model"]; t.Model == "" && at != nil && at.v != nil {
			b.errorf(at.rng, "Invalid value", "model: it is the model's name at the provider, and not empty.")
		}
		b.abilities(tn, t)
		later(b, tn, "provider", func(p *Provider) { t.Provider = p })
		m.Targets = append(m.Targets, t)
	}
	laterAll(b, n, "fallback", func(f *Model) {
		if f == m {
			b.errorf(n.attrs["fallback"].rng, "Invalid value", "fallback: model %q is no fallback of itself.", m.Name)
			return
		}
		m.Fallback = append(m.Fallback, f)
	})
	b.define(n, m)
	b.cfg.Models = append(b.cfg.Models, m)
}

// abilities reads what is declared of a target's model.
func (b *builder) abilities(n *node, t *Target) {
	t.Lacks = get[[]string](n, "lacks")
	known := make([]string, 0, 8)
	for _, f := range llm.Features() {
		known = append(known, string(f))
	}
	b.words(n, "lacks", t.Lacks, known)
	t.Context = b.tokens(n, "context", 256)
	t.Output = b.tokens(n, "output", 1)
}

// tokens reads a number of tokens that may be declared, 0 where it is not.
func (b *builder) tokens(n *node, name string, least int64) int64 {
	at := n.attrs[name]
	if at.v == nil {
		return 0
	}
	v := get[int64](n, name)
	if v < least || v > 1<<30 {
		b.errorf(at.rng, "Invalid value", "%s: the number of tokens, from %d.", name, least)
	}
	return v
}

// words checks a list of words at a path, each of which is one of known and there once.
func (b *builder) words(n *node, path string, list, known []string) {
	at := n.at(path)
	if at == nil {
		return
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	for i, word := range list {
		switch {
		case !slices.Contains(known, word):
			b.errorf(at.rng, "Invalid value", "%s: %q is none of %s.%s", name, word, strings.Join(known, ", "), suggestion(word, known))
		case slices.Contains(list[:i], word):
			b.errorf(at.rng, "Invalid value", "%s: %q stands twice.", name, word)
		}
	}
}

// routing checks how a model's calls are made again and when its targets are out of service.
func (b *builder) routing(n *node, m *Model) {
	invalid := func(path, format string, args ...any) {
		if at := n.at(path); at != nil && at.v != nil {
			b.errorf(at.rng, "Invalid value", format, args...)
		}
	}
	if m.Retry.Attempts < 1 || m.Retry.Attempts > 10 {
		invalid("retry.attempts", "attempts: from 1 to 10.")
	}
	b.words(n, "retry.on", m.Retry.On, RetryCauses)
	if m.Breaker.Failures < 0 || m.Breaker.Failures > 10_000 {
		invalid("breaker.failures", "failures: from 0 to 10000.")
	}
	for path, d := range map[string]time.Duration{"window": m.Breaker.Window, "cooldown": m.Breaker.Cooldown} {
		if d < 10*time.Millisecond || d > time.Hour {
			invalid("breaker."+path, "%s: from \"10ms\" to \"1h\".", path)
		}
	}
}
