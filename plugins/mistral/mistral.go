// Package mistral is the provider plugin for Mistral's API. It relays: it hands the gateway the paths and the key, and
// sees no request.
//
// The dialect is package sdk/dialect/mistral's. Moderations pass as OpenAI's; transcriptions, OCR, agents and
// fill-in-the-middle are not offered.
package mistral

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "mistral"
	version = "0.1.0"
	origin  = "https://api.mistral.ai/v1"
)

// templates are the operations.
var templates = []provider.Template{
	{Op: llm.OpChat, Dialect: llm.Mistral, Method: "POST", Path: "/chat/completions"},
	{Op: llm.OpEmbeddings, Dialect: llm.Mistral, Method: "POST", Path: "/embeddings"},
	{Op: llm.OpModerations, Dialect: llm.OpenAI, Method: "POST", Path: "/moderations"},
	{Op: llm.OpModels, Dialect: llm.OpenAI, Method: "GET", Path: "/models"},
}

// config is the plugin's config block.
type config struct {
	APIKey  string            `json:"api_key"`
	Headers map[string]string `json:"headers"`
}

type plugin struct {
	mu    sync.Mutex // protects lease
	lease *provider.Relay
}

var _ provider.Relayer = (*plugin)(nil)

// New returns the plugin.
func New() provider.Provider { return &plugin{} }

// Describe says what the plugin is.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpEmbeddings, llm.OpModerations, llm.OpModels},
		Dialects: []llm.Dialect{llm.Mistral, llm.OpenAI},
		Origins:  []string{origin},
		Config: &schema.Block{
			Doc: "Credentials for Mistral's API; base_url stands in the provider block and ends with the API's version.",
			Attrs: []schema.Attr{
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as a bearer token; without it, none is sent"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request"},
			},
		},
	}, nil
}

// Configure builds the one lease there is.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the config is not what its schema says"}
	}
	header, err := provider.LeaseHeader([]provider.Credential{{Field: "Authorization", Scheme: "Bearer", Value: c.APIKey}}, c.Headers)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease = &provider.Relay{Header: header, Ops: templates, RefreshOn: []provider.Match{{Status: 401}}}
	return nil
}

// Relay returns the lease. A key does not expire; where the vendor calls it stale, the operator has a
// new one, which arrives with a reload.
func (p *plugin) Relay(context.Context) (*provider.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	}
	return p.lease, nil
}
