// Package ollama is the provider plugin for Ollama's native API, /api/chat and /api/embed, on a machine of one's own
// or in its cloud. It relays: it hands the gateway the paths, the key if there is one, and how long a model is to
// stay loaded, and sees no request.
//
// The dialect is package sdk/dialect/ollama's. The server's API like OpenAI's is plugin openai's, with the preset
// of this name: there, requests of OpenAI's clients pass as they are.
package ollama

import (
	"context"
	"encoding/json"
	"regexp"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "ollama"
	version = "0.1.0"
	origin  = "http://127.0.0.1:11434/api"
)

// config is the plugin's config block.
type config struct {
	APIKey    string            `json:"api_key"`
	KeepAlive string            `json:"keep_alive"`
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
		Ops:      []llm.Op{llm.OpChat, llm.OpEmbeddings},
		Dialects: []llm.Dialect{llm.Ollama},
		Origins:  []string{origin},
		Config: &schema.Block{
			Doc: "A server of Ollama's native API; base_url stands in the provider block and ends with /api.",
			Attrs: []schema.Attr{
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as a bearer token, as Ollama's cloud wants it; without it, none is sent"},
				{Name: "keep_alive", Kind: schema.String, Optional: true, Doc: "how long the server keeps a model loaded after a call: a duration (`10m`), `0` = not at all, `-1` = for ever; the server's own, where it is left out"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request"},
			},
		},
	}, nil
}

// keepAlive is what the server takes: seconds, below zero for ever, or a duration of Go's.
var keepAlive = regexp.MustCompile(`^(-?(0|[1-9][0-9]{0,8})|-?([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h))+)$`)

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
	members := ""
	if c.KeepAlive != "" {
		if !keepAlive.MatchString(c.KeepAlive) {
			return &llm.Error{Code: llm.CodeInvalid, Message: "config: keep_alive: it is neither a duration nor a number of seconds"}
		}
		members = member(c.KeepAlive)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease = &provider.Relay{
		Header: header,
		Ops: []provider.Template{
			{Op: llm.OpChat, Dialect: llm.Ollama, Method: "POST", Path: "/chat", Members: members},
			{Op: llm.OpEmbeddings, Dialect: llm.Ollama, Method: "POST", Path: "/embed", Members: members},
		},
		RefreshOn: []provider.Match{{Status: 401}},
	}
	return nil
}

// member returns the member of a body that says how long to keep a model: a number of seconds stands without quotes.
func member(keep string) string {
	if last := keep[len(keep)-1]; '0' <= last && last <= '9' {
		return `"keep_alive":` + keep
	}
	return `"keep_alive":"` + keep + `"`
}

// Relay returns the lease. A key does not expire; where the server calls it stale, the operator has a new one, which
// arrives with a reload.
func (p *plugin) Relay(context.Context) (*provider.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	}
	return p.lease, nil
}
