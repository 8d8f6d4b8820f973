package config

import (
	"github.com/ginnel/ginnel/sdk/schema"
)

// Model is a model block.
type Model struct {
	Name     string
	Aliases  []string
	Targets  []*Target
	Attempts int
}

// Target is one place a model's calls may go to.
type Target struct {
	Name     string
	Provider *Provider
	Model    string // the name at the provider
	Weight   int
}

func modelShape() *schema.Block {
	return &schema.Block{
		Doc: "What clients ask for by name, and where it may go.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "aliases", Kind: schema.Strings, Optional: true, Doc: "Further names that clients may use."},
			{Name: "retry", Kind: schema.Object, Optional: true, Doc: "When a failed call is made again, before its first byte.", Fields: []schema.Attr{
				{Name: "attempts", Kind: schema.Int, Default: "2", Doc: "Calls at most, the first included. Retry-After is honoured."},
			}},
		},
		Blocks: map[string]*schema.Block{"target": {
			Doc: "One place the calls may go to.", Labels: []string{"name"}, Min: 1,
			Attrs: []schema.Attr{
				{Name: "provider", Kind: schema.Ref, RefTo: "provider", Doc: "The provider: `provider.NAME`."},
				{Name: "model", Kind: schema.String, Doc: "The model's name at the provider."},
				{Name: "weight", Kind: schema.Int, Default: "1", Doc: "Its share of the calls, beside the other targets' weights."},
			},
		}},
	}
}

func (b *builder) model(n *node) {
	m := &Model{Name: n.label(), Aliases: get[[]string](n, "aliases"), Attempts: int(get[int64](n, "retry.attempts"))}
	if at := n.at("retry.attempts"); at != nil && at.v != nil && (m.Attempts < 1 || m.Attempts > 10) {
		b.errorf(at.rng, "Invalid value", "attempts: from 1 to 10.")
	}
	for _, tn := range n.all("target") {
		t := &Target{Name: tn.label(), Model: get[string](tn, "model"), Weight: int(get[int64](tn, "weight"))}
		if t.Weight < 1 || t.Weight > 1000 {
			if at := tn.attrs["weight"]; at.v != nil {
				b.errorf(at.rng, "Invalid value", "weight: from 1 to 1000.")
			}
		}
		later(b, tn, "provider", func(p *Provider) { t.Provider = p })
		m.Targets = append(m.Targets, t)
	}
	b.define(n, m)
	b.cfg.Models = append(b.cfg.Models, m)
}
