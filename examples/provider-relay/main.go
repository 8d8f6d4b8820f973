// Command provider-relay is an example of a third party's provider plugin: it leads to a vendor that
// speaks OpenAI's Chat Completions at an address of its own. README.md says how it is built and declared.
package main

import (
	"context"
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

func main() { provider.Serve(&plugin{}) }

// plugin says where the calls go and with what; the daemon makes them. It sees no request.
type plugin struct{ lease *provider.Relay }

var _ provider.Relayer = (*plugin)(nil)

// Describe says what the plugin can do, where it leads to, and what its config block looks like.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name: "acme", Version: "1.0.0", Ops: []llm.Op{llm.OpChat, llm.OpEmbeddings}, Dialects: []llm.Dialect{llm.OpenAI},
		Origins: []string{"https://api.acme.example/v1"}, // calls go there, or to the block's base_url
		Config: &schema.Block{
			Doc:   "Credentials for Acme.",
			Attrs: []schema.Attr{{Name: "api_key", Kind: schema.String, Sensitive: true, Doc: "sent as a bearer token"}},
		},
	}, nil
}

// Configure builds the lease from the config block.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	var config struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return err
	}
	header, err := provider.LeaseHeader([]provider.Credential{{Field: "Authorization", Scheme: "Bearer", Value: config.APIKey}}, nil)
	p.lease = &provider.Relay{
		Header: header,
		Ops: []provider.Template{
			{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: "/chat/completions"},
			{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Method: "POST", Path: "/embeddings"},
		},
		RefreshOn: []provider.Match{{Status: 401}}, // then the daemon asks for another lease
	}
	return err
}

// Relay returns the lease. One with a token that ends would have an expiry, and be made anew.
func (p *plugin) Relay(context.Context) (*provider.Relay, error) { return p.lease, nil }
