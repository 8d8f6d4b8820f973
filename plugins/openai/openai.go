// Package openai is the provider plugin for OpenAI and for every server that speaks its dialects: those
// of presets.json by their names, others by the provider block's base_url. It relays: it hands the
// gateway the paths and the credentials, and sees no request.
//
// It has no client of its own; what a vendor does otherwise is a line of presets.json, and the dialect's
// deviations are package sdk/dialect/openai's.
package openai

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "openai"
	version = "0.2.0"

	noReasoning = "none" // of a server that takes no thoughts back
)

// templates are the operations of both dialects.
var templates = []provider.Template{
	{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: "/chat/completions"},
	{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Method: "POST", Path: "/embeddings"},
	{Op: llm.OpRerank, Dialect: llm.OpenAI, Method: "POST", Path: "/rerank"},
	{Op: llm.OpModels, Dialect: llm.OpenAI, Method: "GET", Path: "/models"},
	{Op: llm.OpCompletions, Dialect: llm.OpenAI, Method: "POST", Path: "/completions"},
	{Op: llm.OpModerations, Dialect: llm.OpenAI, Method: "POST", Path: "/moderations"},
	{Op: llm.OpImages, Dialect: llm.OpenAI, Method: "POST", Path: "/images/generations"},
	{Op: llm.OpSpeech, Dialect: llm.OpenAI, Method: "POST", Path: "/audio/speech"},
	{Op: llm.OpTranscriptions, Dialect: llm.OpenAI, Method: "POST", Path: "/audio/transcriptions"},
	{Op: llm.OpTranslations, Dialect: llm.OpenAI, Method: "POST", Path: "/audio/translations"},
	{Op: llm.OpImageEdits, Dialect: llm.OpenAI, Method: "POST", Path: "/images/edits"},
	{Op: llm.OpImageVariations, Dialect: llm.OpenAI, Method: "POST", Path: "/images/variations"},
	{Op: llm.OpFiles, Dialect: llm.OpenAI, Method: "GET", Path: "/files"},
	{Op: llm.OpBatches, Dialect: llm.OpenAI, Method: "GET", Path: "/batches"},
	{Op: llm.OpRealtime, Dialect: llm.OpenAI, Method: "GET", Path: "/realtime?model={model}"},
	{Op: llm.OpChat, Dialect: llm.Responses, Method: "POST", Path: "/responses"},
	{Op: llm.OpCountTokens, Dialect: llm.Responses, Method: "POST", Path: "/responses/input_tokens"},
	{Op: llm.OpCompact, Dialect: llm.Responses, Method: "POST", Path: "/responses/compact"},
	{Op: llm.OpResponses, Dialect: llm.Responses, Method: "GET", Path: "/responses"},
	{Op: llm.OpConversations, Dialect: llm.Responses, Method: "GET", Path: "/conversations"},
	{Op: llm.OpContainers, Dialect: llm.Responses, Method: "GET", Path: "/containers"},
}

// config is the plugin's config block.
type config struct {
	Preset         string            `json:"preset"`
	APIKey         string            `json:"api_key"`
	Organization   string            `json:"organization"`
	Project        string            `json:"project"`
	Headers        map[string]string `json:"headers"`
	Dialects       []llm.Dialect     `json:"dialects"`
	MaxTokensField string            `json:"max_tokens_field"`
	ReasoningField string            `json:"reasoning_field"`
}

type plugin struct {
	presets []preset

	mu    sync.Mutex // protects lease
	lease *provider.Relay
}

var _ provider.Relayer = (*plugin)(nil)

// New returns the plugin.
func New() provider.Provider { return &plugin{presets: presets()} }

// Describe says what the plugin is.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpEmbeddings, llm.OpRerank, llm.OpCountTokens, llm.OpCompact, llm.OpModels, llm.OpCompletions, llm.OpModerations, llm.OpImages, llm.OpSpeech, llm.OpTranscriptions, llm.OpTranslations, llm.OpImageEdits, llm.OpImageVariations, llm.OpFiles, llm.OpBatches, llm.OpResponses, llm.OpConversations, llm.OpContainers, llm.OpRealtime},
		Dialects: []llm.Dialect{llm.OpenAI, llm.Responses},
		Origins:  origins(p.presets),
		Config: &schema.Block{
			Doc: "Credentials for OpenAI or a server that speaks its dialects, Chat Completions and Responses; a base_url in the provider block takes the place of the preset's.",
			Attrs: []schema.Attr{
				{Name: "preset", Kind: schema.String, Default: name, Enum: names(p.presets), Doc: "the vendor or the kind of server: where it is, what it has, and what it calls things"},
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as a bearer token; without it, none is sent"},
				{Name: "organization", Kind: schema.String, Optional: true, Doc: "sent as OpenAI-Organization"},
				{Name: "project", Kind: schema.String, Optional: true, Doc: "sent as OpenAI-Project"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request"},
				{Name: "dialects", Kind: schema.Strings, Optional: true, Doc: "what the server has: `openai` (Chat Completions, Embeddings), `responses`; those of the preset, where it is left out. Clients of other dialects are translated to the first"},
				{Name: "max_tokens_field", Kind: schema.String, Optional: true, Enum: []string{"max_completion_tokens", "max_tokens"}, Doc: "what the server calls the limit of an answer, for requests that are translated; the preset's, where it is left out"},
				{Name: "reasoning_field", Kind: schema.String, Optional: true, Enum: []string{conversation.ReasoningContent, conversation.ReasoningWords, conversation.ReasoningDetails, conversation.ReasoningExtra, noReasoning}, Doc: "where in a message the server takes the model's thoughts back, for requests that are translated; `none` where it takes none; the preset's, where it is left out"},
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
		{Field: "Authorization", Scheme: "Bearer", Value: c.APIKey}, {Field: "OpenAI-Organization", Value: c.Organization}, {Field: "OpenAI-Project", Value: c.Project},
	}, c.Headers)
	if err != nil {
		return err
	}
	for _, d := range c.Dialects {
		if d != llm.OpenAI && d != llm.Responses {
			return &llm.Error{Code: llm.CodeInvalid, Message: "config: dialects: " + string(d) + " is neither openai nor responses"}
		}
	}
	lease, err := p.leaseOf(&c)
	if err != nil {
		return err
	}
	lease.Header = header
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lease = lease
	return nil
}

// leaseOf returns the lease that the config asks for, without a header.
func (p *plugin) leaseOf(c *config) (*provider.Relay, error) {
	if c.Preset == "" {
		c.Preset = name
	}
	at := slices.IndexFunc(p.presets, func(o preset) bool { return o.Name == c.Preset })
	if at < 0 {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "config: preset: there is none of that name"}
	}
	from := &p.presets[at]
	field := from.MaxTokensField
	if c.MaxTokensField != "" {
		field = c.MaxTokensField
	}
	reasoning := from.ReasoningField
	switch c.ReasoningField {
	case "":
	case noReasoning:
		reasoning = ""
	default:
		reasoning = c.ReasoningField
	}
	lease := &provider.Relay{Origin: from.BaseURL, RefreshOn: append([]provider.Match{{Status: 401}}, from.RefreshOn...)}
	for _, t := range templates {
		has := slices.Contains(from.Ops[t.Dialect], t.Op)
		if len(c.Dialects) > 0 { // the operator knows the server better
			has = slices.Contains(c.Dialects, t.Dialect) && (has || from.Ops[t.Dialect] == nil)
		}
		if !has {
			continue
		}
		if t.Op == llm.OpChat && t.Dialect == llm.OpenAI {
			t.MaxTokensField, t.ReasoningField = field, reasoning
			t.ReasoningAlways = from.ReasoningAlways && reasoning == from.ReasoningField
		}
		lease.Ops = append(lease.Ops, t)
	}
	return lease, nil
}

// Relay returns the lease. An API key does not expire; where the vendor calls it stale, the operator
// has a new one, which arrives with a reload.
func (p *plugin) Relay(context.Context) (*provider.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	}
	return p.lease, nil
}
