// Command gated is a provider for the test of swapping: it says which build it is, and ends a stream when
// a file is there.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

// build is set by the linker.
var build string

func main() { provider.Serve(&plugin{}) }

type plugin struct {
	config struct {
		Gate string `json:"gate"`
	}
}

func (p *plugin) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name: "gated", Version: build, Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI},
		Config: &schema.Block{Attrs: []schema.Attr{{Name: "gate", Kind: schema.String, Doc: "the file"}}},
	}, nil
}

func (p *plugin) Configure(_ context.Context, config []byte) error {
	return json.Unmarshal(config, &p.config)
}

func (p *plugin) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	chunk := func(delta, finish string) string {
		return fmt.Sprintf("data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}\n\n", delta, finish)
	}
	if !call.Stream {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "streams only"}
	}
	n := 0
	return &llm.Response{
		Status: 200, Header: llm.Header{{Name: "Content-Type", Value: "text/event-stream"}},
		Recv: func(c *llm.Chunk) error {
			switch n++; n {
			case 1:
				c.Data = append(c.Data[:0], chunk(`"content":"build `+build+`, "`, "null")...)
			case 2:
				for {
					if _, err := os.Stat(p.config.Gate); err == nil {
						break
					}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(5 * time.Millisecond):
					}
				}
				c.Data = append(c.Data[:0], chunk(`"content":"whole"`, `"stop"`)+"data: [DONE]\n\n"...)
			default:
				return io.EOF
			}
			return nil
		},
	}, nil
}
