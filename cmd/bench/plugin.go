package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

// plugin is a provider that makes its calls itself, with the SDK's transport: what a third party would write whose
// vendor cannot be relayed to.
type plugin struct {
	base   *url.URL
	origin *egress.Origin
}

var (
	_ provider.Invoker = (*plugin)(nil)
	_ provider.Placer  = (*plugin)(nil)
)

func (*plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{Name: "bench", Version: "1.0.0", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI}, Config: &schema.Block{
		Attrs: []schema.Attr{{Name: "ca", Kind: schema.String, Doc: "The upstream's certificate, in PEM."}},
	}}, nil
}

func (p *plugin) Configure(_ context.Context, config []byte) error {
	var c struct{ CA string }
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	if p.base == nil {
		return errors.New("it needs a base_url")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	var err error
	p.origin, err = egress.New(egress.Needs{}).Origin(egress.Config{Name: "bench", URL: p.base.Scheme + "://" + p.base.Host, TLS: &tls.Config{RootCAs: roots}})
	return err
}

func (p *plugin) Place(base string) (err error) {
	p.base, err = url.Parse(base)
	return err
}

func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	r, err := p.origin.Do(ctx, &egress.Request{
		Method: "POST", Path: p.base.Path + "/chat/completions", Body: call.Body,
		Header: llm.Header{{Name: "Content-Type", Value: "application/json"}},
	})
	if err != nil {
		return nil, err
	}
	return provider.Answer(r), nil
}
