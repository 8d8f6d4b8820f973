package main

import (
	"context"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
)

// plugin is a provider that makes its calls itself, with the SDK's transport: what a third party would write whose
// vendor cannot be relayed to.
type plugin struct {
	place  provider.Place
	origin *egress.Origin
	prefix string
}

var (
	_ provider.Invoker = (*plugin)(nil)
	_ provider.Placer  = (*plugin)(nil)
)

func (*plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{Name: "bench", Version: "1.0.0", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI}}, nil
}

func (p *plugin) Place(place provider.Place) error {
	p.place = place
	return nil
}

func (p *plugin) Configure(context.Context, []byte) (err error) {
	var at egress.Config
	if at, p.prefix, err = p.place.Config(""); err != nil {
		return err
	}
	at.Name = "bench"
	p.origin, err = egress.New(egress.Needs{}).Origin(at)
	return err
}

func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	r, err := p.origin.Do(ctx, &egress.Request{
		Method: "POST", Path: p.prefix + "/chat/completions", Body: call.Body, Once: call.Once,
		Header: llm.Header{{Name: "Content-Type", Value: "application/json"}},
	})
	if err != nil {
		return nil, err
	}
	return provider.Answer(r), nil
}
