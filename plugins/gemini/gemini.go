// Package gemini is the provider plugin for Google's Gemini API (AI Studio), and for whatever speaks it
// at the provider block's base_url. It relays: it hands the gateway the paths and the key, and sees no
// request.
//
// Vertex AI has the same bodies under other paths and with credentials that expire: it is another
// plugin's.
package gemini

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "gemini"
	version = "0.1.0"
	origin  = "https://generativelanguage.googleapis.com/v1beta"
)

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
		Ops:      []llm.Op{llm.OpChat, llm.OpCountTokens, llm.OpEmbeddings, llm.OpBatchEmbeddings, llm.OpModels},
		Dialects: []llm.Dialect{llm.Gemini},
		Origins:  []string{origin},
		Config: &schema.Block{
			Doc: "Credentials for Google's Gemini API; base_url stands in the provider block and ends with the API's version.",
			Attrs: []schema.Attr{
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as x-goog-api-key; without it, none is sent"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request"},
			},
		},
	}, nil
}

// Configure builds the one lease there is. Google answers a bad key with 400, a leaked or missing one
// with 403, and with 403 also what the client may not do.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the config is not what its schema says"}
	}
	header, err := provider.LeaseHeader([]provider.Credential{{Field: "x-goog-api-key", Value: c.APIKey}}, c.Headers)
	if err != nil {
		return err
	}
	const model = "/models/{model}"
	lease := &provider.Relay{
		Header: header,
		Ops: []provider.Template{
			{Op: llm.OpChat, Dialect: llm.Gemini, Method: "POST", Path: model + ":generateContent", StreamPath: model + ":streamGenerateContent"},
			{Op: llm.OpCountTokens, Dialect: llm.Gemini, Method: "POST", Path: model + ":countTokens", Within: "generateContentRequest"},
			{Op: llm.OpEmbeddings, Dialect: llm.Gemini, Method: "POST", Path: model + ":embedContent"},
			{Op: llm.OpBatchEmbeddings, Dialect: llm.Gemini, Method: "POST", Path: model + ":batchEmbedContents"},
			{Op: llm.OpModels, Dialect: llm.Gemini, Method: "GET", Path: "/models"},
		},
		RefreshOn: []provider.Match{{Status: 400, Contains: `"API_KEY_INVALID"`}, {Status: 401}, {Status: 403, Contains: "API key"}, {Status: 403, Contains: "unregistered callers"}},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease = lease
	return nil
}

// Relay returns the lease. An API key does not expire; where Google calls it stale, the operator has a
// new one, which arrives with a reload.
func (p *plugin) Relay(context.Context) (*provider.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	}
	return p.lease, nil
}
