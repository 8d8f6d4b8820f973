// Package bedrock is the provider plugin for Amazon Bedrock, by Converse and ConverseStream. It is invoked: each
// call is signed, and streams come in binary frames, of which it makes server-sent events that say the
// same.
//
// It knows no model's own format (InvokeModel) and looks for no credentials: those it uses
// stand in its config.
package bedrock

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "bedrock"
	version = "0.1.0"
)

// The limits of a call.
const (
	maxAnswer = 64 << 20
	maxIdle   = 128
)

var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)

// config is the plugin's config block.
type config struct {
	Region          string            `json:"region"`
	APIKey          string            `json:"api_key"`
	AccessKeyID     string            `json:"access_key_id"`
	SecretAccessKey string            `json:"secret_access_key"`
	SessionToken    string            `json:"session_token"`
	Headers         map[string]string `json:"headers"`
}

type plugin struct {
	mu     sync.Mutex // protects what follows
	place  provider.Place
	client *client
}

var (
	_ provider.Invoker = (*plugin)(nil)
	_ provider.Placer  = (*plugin)(nil)
)

// New returns the plugin.
func New() provider.Provider { return &plugin{} }

// Describe says what the plugin is.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpCountTokens},
		Dialects: []llm.Dialect{llm.Bedrock},
		Config: &schema.Block{
			Doc: "Amazon Bedrock in one region. The plugin makes the calls itself, to https://bedrock-runtime.REGION.amazonaws.com or to the provider block's base_url. A target's model is a model's id, an inference profile's, or an ARN.",
			Attrs: []schema.Attr{
				{Name: "region", Kind: schema.String, Doc: "such as `eu-central-1`; calls are signed for it"},
				{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "a Bedrock API key, sent as a bearer token"},
				{Name: "access_key_id", Kind: schema.String, Optional: true, Doc: "of the account that signs, instead of an API key"},
				{Name: "secret_access_key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "what it signs with"},
				{Name: "session_token", Kind: schema.String, Optional: true, Sensitive: true, Doc: "of temporary credentials; it is not renewed"},
				{Name: "headers", Kind: schema.Map, Optional: true, Sensitive: true, Doc: "further header fields of every request, which are not signed"},
			},
		},
	}, nil
}

// Place makes the plugin call another address than the region's, or by another way.
func (p *plugin) Place(place provider.Place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.place = place
	return nil
}

// Configure takes the config.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return invalid("the config is not what its schema says")
	}
	keys := c.AccessKeyID != "" && c.SecretAccessKey != ""
	switch {
	case !region.MatchString(c.Region):
		return invalid("config: region: not the name of one")
	case (c.AccessKeyID != "") != (c.SecretAccessKey != "") || c.SessionToken != "" && !keys:
		return invalid("config: access_key_id and secret_access_key are needed together, and for a session_token")
	case keys == (c.APIKey != ""):
		return invalid("config: one of api_key and access_key_id is needed")
	}
	for field, value := range map[string]string{"access_key_id": c.AccessKeyID, "secret_access_key": c.SecretAccessKey, "session_token": c.SessionToken} {
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return invalid("config: " + field + " has a space or a control character in it")
		}
	}
	header, err := provider.LeaseHeader([]provider.Credential{{Field: "Authorization", Scheme: "Bearer", Value: c.APIKey}}, c.Headers)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	base := "https://bedrock-runtime." + c.Region + ".amazonaws.com"
	if strings.HasPrefix(c.Region, "cn-") {
		base += ".cn"
	}
	at, prefix, err := p.place.Config(base)
	if err != nil {
		return invalid(err.Error())
	}
	at.Name, at.MaxIdle = name, maxIdle
	at.Timeouts.FirstByte, at.Timeouts.Idle, at.Timeouts.Total = -1, -1, -1 // the gateway's limits are those of the call: it hangs up
	origin, err := egress.New(egress.Needs{Logger: slog.Default()}).Origin(at)
	if err != nil {
		return invalid(err.Error())
	}
	p.client = &client{origin: origin, prefix: prefix, header: header}
	if keys {
		p.client.signer = &signer{region: c.Region, id: c.AccessKeyID, secret: c.SecretAccessKey, session: c.SessionToken}
	}
	return nil
}

// Invoke answers a call.
func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	p.mu.Lock()
	c := p.client
	p.mu.Unlock()
	switch {
	case c == nil:
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin is not configured"}
	case call.Op != llm.OpChat && call.Op != llm.OpCountTokens || call.Dialect != llm.Bedrock:
		return nil, invalid("the plugin answers chats and counts tokens, in the dialect " + string(llm.Bedrock) + " only")
	}
	return c.call(ctx, call)
}

func invalid(message string) error { return &llm.Error{Code: llm.CodeInvalid, Message: message} }
