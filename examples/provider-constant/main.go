// Command provider is an example of a third party's provider plugin: it answers every chat with the
// same words. README.md says how it is built and declared.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

func main() { provider.Serve(&plugin{}) }

// plugin answers by itself: it is an Invoker. One whose vendor speaks HTTP in a known dialect would
// be a Relayer instead, and see no request at all.
type plugin struct {
	config struct {
		Words string `json:"words"`
	}
}

var (
	_ provider.Provider = (*plugin)(nil)
	_ provider.Invoker  = (*plugin)(nil)
)

// Describe says what the plugin can do and what its config block looks like.
func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name: "constant", Version: "1.0.0", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI},
		Config: &schema.Block{
			Doc:   "Answers every chat with the same words.",
			Attrs: []schema.Attr{{Name: "words", Kind: schema.String, Default: "forty-two", Doc: "what it answers"}},
		},
	}, nil
}

// Configure takes the config block, with defaults filled in.
func (p *plugin) Configure(_ context.Context, config []byte) error {
	return json.Unmarshal(config, &p.config)
}

// Invoke answers one call, in the dialect it came in.
func (p *plugin) Invoke(_ context.Context, call *llm.Call) (*llm.Response, error) {
	words, err := json.Marshal(p.config.Words)
	if err != nil {
		return nil, err
	}
	if call.Stream {
		return respond("text/event-stream",
			fmt.Sprintf("data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":%s},\"finish_reason\":\"stop\"}]}\n\n", words),
			"data: [DONE]\n\n"), nil
	}
	return respond("application/json",
		fmt.Sprintf(`{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}]}`, words)), nil
}

func respond(kind string, pieces ...string) *llm.Response {
	return &llm.Response{
		Status: 200, Header: llm.Header{{Name: "Content-Type", Value: kind}},
		Recv: func(c *llm.Chunk) error {
			if len(pieces) == 0 {
				return io.EOF
			}
			c.Data = append(c.Data[:0], pieces[0]...)
			pieces = pieces[1:]
			return nil
		},
	}
}
