// Package echo is a provider plugin without a vendor: it answers a chat with the last message of the
// user, word by word when it streams, and is invoked in its own process. It serves `ginnel dev`,
// tests and benchmarks; it understands nothing.
//
// Its answer can be bent by words of the last message, or by the model's name, that begin with echo:
// and hold settings with commas between them, as in "hello echo:latency=50ms,pace=5ms":
//
//	echo:slow            latency=2s
//	echo:latency=50ms    waits before the answer; at most 60s
//	echo:pace=5ms        waits between the words of a stream; at most 10s
//	echo:size=4KiB       repeats the message up to so many bytes; at most 4MiB
//	echo:429             is refused, Retry-After 1s; echo:429=30s says another time
//	echo:500, echo:503   fails with that status
//	echo:cut             breaks off in the middle: a stream after half of its words
//	echo:stall           never goes on after half of its words
//
// Usage is an estimate that is always the same for the same text: a token for each four bytes.
package echo

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	name    = "echo"
	version = "0.1.0"
)

// config is the plugin's config block.
type config struct {
	Latency time.Duration `json:"latency"`
	Pace    time.Duration `json:"pace"`
	Knobs   *bool         `json:"knobs"`
}

type plugin struct{ config config }

var (
	_ provider.Invoker = (*plugin)(nil)
	_ provider.Prober  = (*plugin)(nil)
)

// New returns the plugin.
func New() provider.Provider { return &plugin{} }

// Describe says what the plugin is.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name:     name,
		Version:  version,
		Ops:      []llm.Op{llm.OpChat, llm.OpEmbeddings, llm.OpModels},
		Dialects: []llm.Dialect{llm.OpenAI},
		Config: &schema.Block{
			Doc: "Answers with the last user message; needs no key and no network.",
			Attrs: []schema.Attr{
				{Name: "latency", Kind: schema.Duration, Default: "0s", Doc: "wait before an answer"},
				{Name: "pace", Kind: schema.Duration, Default: "0s", Doc: "wait between the words of a stream"},
				{Name: "knobs", Kind: schema.Bool, Default: "true", Doc: "whether words that begin with echo: bend the answer"},
			},
		},
	}, nil
}

// Configure takes the defaults of the settings.
func (p *plugin) Configure(_ context.Context, raw []byte) error {
	if err := json.Unmarshal(raw, &p.config); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the config is not what its schema says"}
	}
	if p.config.Latency < 0 || p.config.Latency > maxLatency || p.config.Pace < 0 || p.config.Pace > maxPace {
		return &llm.Error{Code: llm.CodeInvalid, Message: "config: latency is at most 60s, pace at most 10s"}
	}
	return nil
}

// Probe always succeeds.
func (p *plugin) Probe(context.Context) error { return nil }

// Invoke answers a call.
func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	switch call.Op {
	case llm.OpModels:
		return whole([]byte(`{"object":"list","data":[{"id":"echo","object":"model","created":0,"owned_by":"ginnel"}]}`)), nil
	case llm.OpEmbeddings:
		return p.embeddings(call)
	case llm.OpChat:
		return p.chat(ctx, call)
	}
	return nil, &llm.Error{Code: llm.CodeNotFound, Message: "the echo provider has no " + string(call.Op)}
}

// knobs returns what bends the answer to a text.
func (p *plugin) knobs(model, text string) knobs {
	k := knobs{latency: p.config.Latency, pace: p.config.Pace}
	if p.config.Knobs == nil || *p.config.Knobs {
		k.read(model)
		k.read(text)
	}
	return k
}

// wait sleeps, or returns an error when the call is over.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tokens estimates the tokens of a text.
func tokens(text string) int { return (len(text) + 3) / 4 }
