// Package vertex is the provider plugin for Google's Vertex AI: Gemini, Anthropic's models, and those that
// Google serves in OpenAI's dialect. It relays: it hands the gateway the paths of one project and a token
// that expires, and sees no request.
//
// It asks for tokens itself, with a service account's key; the credentials that Google's own machines hand
// out are not for it.
package vertex

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "vertex"
	version = "0.1.0"
)

// The publishers: whose models a provider block is for. Each is spoken to in another dialect.
const (
	publisherGoogle    = "google"
	publisherAnthropic = "anthropic"
	publisherOpenAPI   = "openapi"
)

// anthropicVersion is what a body for an Anthropic model has where Anthropic's own has the model.
const anthropicVersion = `"anthropic_version":"vertex-2023-10-16"`

// config is the plugin's config block.
type config struct {
	Project     string            `json:"project"`
	Location    string            `json:"location"`
	Publisher   string            `json:"publisher"`
	Credentials string            `json:"credentials"`
	AuthToken   string            `json:"auth_token"`
	Headers     map[string]string `json:"headers"`
}

type plugin struct {
	mu     sync.Mutex // protects what follows
	lease  *provider.Relay
	tokens *account // nil = the lease has the token that there is
	config config
}

var (
	_ provider.Relayer = (*plugin)(nil)
	_ provider.Locator = (*plugin)(nil)
)

// New returns the plugin.
func New() provider.Provider { return &plugin{} }

// Describe says what the plugin is. Its origins are those of all locations.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpCountTokens, llm.OpEmbeddings},
		Dialects: []llm.Dialect{llm.Gemini, llm.Anthropic, llm.OpenAI},
		Origins:  origins(),
		Config: &schema.Block{
			Doc: "A project of Vertex AI. Without a base_url in the provider block, calls go to the location's own address; with one, to it, and the paths begin with the API's version.",
			Attrs: []schema.Attr{
				{Name: "credentials", Kind: schema.String, Optional: true, Sensitive: true, Doc: "the JSON key of a service account; tokens are asked for with it, and renewed"},
				{Name: "auth_token", Kind: schema.String, Optional: true, Sensitive: true, Doc: "an access token instead of a key; it is not renewed"},
				{Name: "project", Kind: schema.String, Optional: true, Doc: "the project's id; without it, that of the key"},
				{Name: "location", Kind: schema.String, Default: locationGlobal, Doc: "a region such as `europe-west4`, or `global`, `us` or `eu`"},
				{Name: "publisher", Kind: schema.String, Default: publisherGoogle, Enum: []string{publisherGoogle, publisherAnthropic, publisherOpenAPI}, Doc: "whose models: `google` is Gemini, `anthropic` Claude, `openapi` those that are served in OpenAI's dialect, by names such as `meta/llama-3.3-70b-instruct-maas`"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request"},
			},
		},
	}, nil
}

// Configure builds the lease but for its token.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return invalid("the config is not what its schema says")
	}
	if (c.Credentials == "") == (c.AuthToken == "") {
		return invalid("config: one of credentials and auth_token is needed")
	}
	var tokens *account
	if c.Credentials != "" {
		var err error
		if tokens, err = newAccount(c.Credentials); err != nil {
			return err
		}
		if c.Project == "" {
			c.Project = tokens.project
		}
	}
	if c.Project == "" {
		return invalid("config: project is needed: the credentials name none")
	}
	if c.Location == "" {
		c.Location = locationGlobal
	}
	if originOf(c.Location) == "" {
		return invalid("config: location: there is none of that name that this plugin knows")
	}
	ops, err := templates(&c)
	if err != nil {
		return err
	}
	header, err := provider.LeaseHeader([]provider.Credential{{Field: "Authorization", Scheme: "Bearer", Value: c.AuthToken}}, c.Headers)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config, p.tokens = c, tokens
	// 403 is about what the account may do; a token that has expired is 401.
	p.lease = &provider.Relay{Ops: ops, Header: header, Origin: originOf(c.Location), RefreshOn: []provider.Match{{Status: 401}}}
	return nil
}

// templates returns the operations of a publisher.
func templates(c *config) ([]provider.Template, error) {
	place := "/projects/" + url.PathEscape(c.Project) + "/locations/" + url.PathEscape(c.Location)
	model := place + "/publishers/" + c.Publisher + "/models/{model}"
	switch c.Publisher {
	case publisherGoogle, "":
		model = "/v1beta1" + place + "/publishers/" + publisherGoogle + "/models/{model}"
		return []provider.Template{
			{Op: llm.OpChat, Dialect: llm.Gemini, Method: "POST", Path: model + ":generateContent", StreamPath: model + ":streamGenerateContent"},
			{Op: llm.OpCountTokens, Dialect: llm.Gemini, Method: "POST", Path: model + ":countTokens"},
			{Op: llm.OpEmbeddings, Dialect: llm.Gemini, Method: "POST", Path: model + ":embedContent"},
		}, nil
	case publisherAnthropic:
		return []provider.Template{{
			Op: llm.OpChat, Dialect: llm.Anthropic, Method: "POST", Path: "/v1" + model + ":rawPredict", StreamPath: "/v1" + model + ":streamRawPredict",
			InsteadOfModel: anthropicVersion,
		}, {
			Op: llm.OpCountTokens, Dialect: llm.Anthropic, Method: "POST", Path: "/v1" + place + "/publishers/" + publisherAnthropic + "/models/count-tokens:rawPredict",
		}}, nil
	case publisherOpenAPI:
		return []provider.Template{
			{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: "/v1" + place + "/endpoints/openapi/chat/completions", MaxTokensField: "max_tokens", ReasoningField: conversation.ReasoningExtra},
		}, nil
	}
	return nil, invalid("config: publisher: there is none of that name")
}

// Origin returns the address of the location.
func (p *plugin) Origin() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return ""
	}
	return p.lease.Origin
}

// Relay returns a lease with a new token, which it asks for.
func (p *plugin) Relay(ctx context.Context) (*provider.Relay, error) {
	p.mu.Lock()
	lease, tokens, more := p.lease, p.tokens, p.config.Headers
	p.mu.Unlock()
	if lease == nil {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	}
	if tokens == nil {
		return lease, nil
	}
	token, expires, err := tokens.token(ctx)
	if err != nil {
		return nil, err
	}
	next := *lease
	next.Expires = expires
	next.Header, err = provider.LeaseHeader([]provider.Credential{{Field: "Authorization", Scheme: "Bearer", Value: token}}, more)
	return &next, err
}

func invalid(message string) error { return &llm.Error{Code: llm.CodeInvalid, Message: message} }
