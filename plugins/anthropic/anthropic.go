// Package anthropic is the provider plugin for Anthropic and for every server that speaks its Messages,
// by the provider block's base_url. It relays: it hands the gateway the paths and the credentials, and
// sees no request. The version and the betas that a client asks for pass as it wrote them.
package anthropic

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "anthropic"
	version = "0.1.0"
	origin  = "https://api.anthropic.com/v1"
)

// config is the plugin's config block.
type config struct {
	APIKey    string            `json:"api_key"`
	AuthToken string            `json:"auth_token"`
	Headers   map[string]string `json:"headers"`
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
		Ops:      []llm.Op{llm.OpChat, llm.OpCountTokens, llm.OpModels},
		Dialects: []llm.Dialect{llm.Anthropic},
		Origins:  []string{origin},
		Config: &schema.Block{
			Doc: "Credentials for Anthropic or a server that speaks its Messages; base_url stands in the provider block.",
			Attrs: []schema.Attr{
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as x-api-key; without it, none is sent"},
				{Name: "auth_token", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as a bearer token, which some servers want instead"},
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
	header, err := provider.LeaseHeader([]provider.Credential{
		{Field: "x-api-key", Value: c.APIKey}, {Field: "Authorization", Scheme: "Bearer", Value: c.AuthToken},
	}, c.Headers)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease = &provider.Relay{
		Ops: []provider.Template{
			{Op: llm.OpChat, Dialect: llm.Anthropic, Method: "POST", Path: "/messages"},
			{Op: llm.OpCountTokens, Dialect: llm.Anthropic, Method: "POST", Path: "/messages/count_tokens"},
			{Op: llm.OpModels, Dialect: llm.Anthropic, Method: "GET", Path: "/models"},
		},
		Header:    header,
		RefreshOn: []provider.Match{{Status: 401}},
	}
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
