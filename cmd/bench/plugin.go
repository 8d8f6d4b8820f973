package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

// plugin is a provider that makes its calls itself, with the standard library's client: what a third party
// would write whose vendor cannot be relayed to.
type plugin struct {
	base   string
	client http.Client
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
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	p.client.Transport = &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	return nil
}

func (p *plugin) Place(base string) error {
	p.base = base
	return nil
}

func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", p.base+"/chat/completions", bytes.NewReader(call.Body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	out := &llm.Response{Status: resp.StatusCode, Header: llm.Header{{Name: "Content-Type", Value: resp.Header.Get("Content-Type")}}}
	out.Recv = func(c *llm.Chunk) error {
		if cap(c.Data) == 0 {
			c.Data = make([]byte, 4<<10)
		}
		n, err := resp.Body.Read(c.Data[:cap(c.Data)])
		if c.Data = c.Data[:n]; n > 0 {
			return nil
		}
		resp.Body.Close()
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return err
	}
	return out, nil
}
