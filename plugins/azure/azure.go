// Package azure is the provider plugin for OpenAI's models on Azure, and for the other models of an Azure
// AI Foundry resource. It relays: it hands the gateway the paths and the credentials of one resource, and
// sees no request.
//
// It asks nobody for a token: one of Entra ID is the operator's to renew.
package azure

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "azure"
	version = "0.1.0"
)

// The surfaces of a resource.
const (
	surfaceV1          = "v1"          // /openai/v1: OpenAI's own paths
	surfaceDeployments = "deployments" // /openai/deployments/{model}: the older one, of dated versions
	surfaceModels      = "models"      // /models: what others than OpenAI made
)

// The versions of a surface where the operator names none; v1 needs none.
const (
	versionDeployments = "2024-10-21"
	versionModels      = "2024-05-01-preview"
)

// knowsCompletion is the first month whose deployments know max_completion_tokens.
const knowsCompletion = "2024-09"

// config is the plugin's config block.
type config struct {
	APIKey     string            `json:"api_key"`
	AuthToken  string            `json:"auth_token"`
	Surface    string            `json:"surface"`
	APIVersion string            `json:"api_version"`
	Headers    map[string]string `json:"headers"`
}

type plugin struct {
	mu    sync.Mutex // protects lease
	lease *provider.Relay
}

var _ provider.Relayer = (*plugin)(nil)

// New returns the plugin.
func New() provider.Provider { return &plugin{} }

// Describe says what the plugin is. It has no origin: each resource has an address of its own, which is
// the provider block's base_url.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpCompact, llm.OpEmbeddings, llm.OpModels, llm.OpCompletions, llm.OpImages, llm.OpSpeech, llm.OpTranscriptions, llm.OpTranslations, llm.OpImageEdits, llm.OpFiles, llm.OpBatches, llm.OpResponses, llm.OpConversations, llm.OpRealtime},
		Dialects: []llm.Dialect{llm.OpenAI, llm.Responses},
		Config: &schema.Block{
			Doc: "Credentials for a resource of Azure OpenAI or Azure AI Foundry. Its address, such as https://NAME.openai.azure.com, is the provider block's base_url; a target's model is the name of a deployment.",
			Attrs: []schema.Attr{
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "sent as api-key; without it, none is sent"},
				{Name: "auth_token", Kind: schema.String, Optional: true, Sensitive: true, Doc: "a token of Entra ID, sent as a bearer token; it is not renewed"},
				{Name: "surface", Kind: schema.String, Default: surfaceV1, Enum: []string{surfaceV1, surfaceDeployments, surfaceModels}, Doc: "the paths: `v1` are OpenAI's under /openai/v1, `deployments` those under /openai/deployments/NAME, `models` those of models that others than OpenAI made"},
				{Name: "api_version", Kind: schema.String, Optional: true, Doc: "sent as api-version; without it none is for `v1`, " + versionDeployments + " for `deployments` and " + versionModels + " for `models`"},
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
		{Field: "api-key", Value: c.APIKey}, {Field: "Authorization", Scheme: "Bearer", Value: c.AuthToken},
	}, c.Headers)
	if err != nil {
		return err
	}
	ops, err := templates(c.Surface, c.APIVersion)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// A bad key is 401, and so is a token that has expired. 403 is about what the caller may do.
	p.lease = &provider.Relay{Ops: ops, Header: header, RefreshOn: []provider.Match{{Status: 401}}}
	return nil
}

// templates returns the operations of a surface.
func templates(surface, apiVersion string) ([]provider.Template, error) {
	query := func(path, standard string) string {
		v := apiVersion
		if v == "" {
			v = standard
		}
		if v == "" {
			return path
		}
		return path + "?api-version=" + url.QueryEscape(v)
	}
	switch surface {
	case surfaceV1, "":
		return []provider.Template{
			{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/chat/completions", "")},
			{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/embeddings", "")},
			{Op: llm.OpModels, Dialect: llm.OpenAI, Method: "GET", Path: query("/openai/v1/models", "")},
			{Op: llm.OpChat, Dialect: llm.Responses, Method: "POST", Path: query("/openai/v1/responses", "")},
			{Op: llm.OpCompact, Dialect: llm.Responses, Method: "POST", Path: query("/openai/v1/responses/compact", "")},
			{Op: llm.OpResponses, Dialect: llm.Responses, Method: "GET", Path: query("/openai/v1/responses", "")},
			{Op: llm.OpConversations, Dialect: llm.Responses, Method: "GET", Path: query("/openai/v1/conversations", "")},
			{Op: llm.OpCompletions, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/completions", "")},
			{Op: llm.OpImages, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/images/generations", "")},
			{Op: llm.OpSpeech, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/audio/speech", "")},
			{Op: llm.OpTranscriptions, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/audio/transcriptions", "")},
			{Op: llm.OpTranslations, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/audio/translations", "")},
			{Op: llm.OpImageEdits, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/v1/images/edits", "")},
			{Op: llm.OpFiles, Dialect: llm.OpenAI, Method: "GET", Path: query("/openai/v1/files", "")},
			{Op: llm.OpBatches, Dialect: llm.OpenAI, Method: "GET", Path: query("/openai/v1/batches", "")},
			{Op: llm.OpRealtime, Dialect: llm.OpenAI, Method: "GET", Path: "/openai/v1/realtime?model={model}"},
		}, nil
	case surfaceDeployments:
		field := ""
		if apiVersion != "" && apiVersion < knowsCompletion {
			field = "max_tokens"
		}
		return []provider.Template{
			{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/chat/completions", versionDeployments), MaxTokensField: field},
			{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/embeddings", versionDeployments)},
			{Op: llm.OpModels, Dialect: llm.OpenAI, Method: "GET", Path: query("/openai/models", versionDeployments)},
			{Op: llm.OpCompletions, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/completions", versionDeployments)},
			{Op: llm.OpImages, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/images/generations", versionDeployments)},
			{Op: llm.OpSpeech, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/audio/speech", versionDeployments)},
			{Op: llm.OpTranscriptions, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/audio/transcriptions", versionDeployments)},
			{Op: llm.OpTranslations, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/audio/translations", versionDeployments)},
			{Op: llm.OpImageEdits, Dialect: llm.OpenAI, Method: "POST", Path: query("/openai/deployments/{model}/images/edits", versionDeployments)},
		}, nil
	case surfaceModels:
		return []provider.Template{
			{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: query("/models/chat/completions", versionModels), MaxTokensField: "max_tokens"},
			{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Method: "POST", Path: query("/models/embeddings", versionModels)},
		}, nil
	}
	return nil, &llm.Error{Code: llm.CodeInvalid, Message: "config: surface: there is none of that name"}
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
