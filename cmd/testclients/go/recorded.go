package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	claude "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// recording is what a vendor was recorded to say.
type recording struct {
	Model, Name, Provider, Dialect, Text string
	Stream, Fails                        bool
	Calls                                [][2]string // names and arguments
	Clients                              []string    // whose dialect has room for it
}

// reader asks a model at an origin and returns the text and the calls of its answer.
type reader func(ctx context.Context, base, model string, stream bool) (text string, calls [][2]string, err error)

// checkRecorded has the SDKs read recorded answers through the gateway; at MOCK_URL they are without one.
func checkRecorded(ctx context.Context) {
	file, err := os.ReadFile(os.Getenv("RECORDED"))
	var all []recording
	if err == nil {
		err = json.Unmarshal(file, &all)
	}
	if err != nil {
		check("recordings", func() error { return err })
		return
	}
	var providers []string
	for _, r := range all {
		if !slices.Contains(providers, r.Provider) {
			providers = append(providers, r.Provider)
		}
	}
	for _, sdk := range []struct {
		name, dialect string
		read          reader
	}{{"openai", "openai", readOpenAI}, {"anthropic", "anthropic", readAnthropic}} {
		for _, provider := range providers {
			told, same, wrong := 0, 0, ""
			for _, r := range all {
				if r.Provider != provider || !slices.Contains(r.Clients, sdk.dialect) {
					continue
				}
				told++
				switch what := r.differs(ctx, sdk.read, os.Getenv("BASE_URL")); {
				case what == "":
				case r.Dialect == sdk.dialect && r.differs(ctx, sdk.read, os.Getenv("MOCK_URL")) == what:
					same++ // the SDK reads it like that from the vendor
				default:
					wrong += "\n  " + r.Name + ": " + what
				}
			}
			if told == 0 {
				continue
			}
			name := fmt.Sprintf("%s reads %d answers of %s", sdk.name, told, provider)
			if same > 0 {
				name += fmt.Sprintf(", %d of them as without a gateway", same)
			}
			check(name, func() error {
				if wrong != "" {
					return errors.New(wrong)
				}
				return nil
			})
		}
	}
}

// differs says what is wrong with what an SDK reads of a recording; "" is nothing.
func (r *recording) differs(ctx context.Context, read reader, base string) string {
	text, calls, err := read(ctx, base, r.Model, r.Stream)
	switch {
	case err != nil && r.Fails:
		return ""
	case err != nil:
		return err.Error()
	case r.Fails:
		return "no error, but " + text
	}
	same := func(a, b [2]string) bool { return a[0] == b[0] && reflect.DeepEqual(value(a[1]), value(b[1])) }
	if strings.TrimSpace(text) != strings.TrimSpace(r.Text) || !slices.EqualFunc(calls, r.Calls, same) {
		return fmt.Sprintf("%q %q, want %q %q", text, calls, r.Text, r.Calls)
	}
	return ""
}

func value(arguments string) any {
	var v any
	if strings.TrimSpace(arguments) == "" {
		return map[string]any{}
	}
	if json.Unmarshal([]byte(arguments), &v) != nil {
		return strings.TrimSpace(arguments)
	}
	return v
}

func readOpenAI(ctx context.Context, base, model string, stream bool) (string, [][2]string, error) {
	client := openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(os.Getenv("API_KEY")), option.WithMaxRetries(0))
	ask := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
	var acc openai.ChatCompletionAccumulator
	if stream {
		chunks := client.Chat.Completions.NewStreaming(ctx, ask)
		defer chunks.Close()
		for chunks.Next() {
			if !acc.AddChunk(chunks.Current()) {
				return "", nil, errors.New("a chunk is of another answer: " + chunks.Current().RawJSON())
			}
		}
		if err := chunks.Err(); err != nil {
			return "", nil, err
		}
	} else {
		a, err := client.Chat.Completions.New(ctx, ask)
		if err != nil {
			return "", nil, err
		}
		acc.ChatCompletion = *a
	}
	if len(acc.Choices) == 0 {
		return "", nil, errors.New("no choices")
	}
	m := acc.Choices[0].Message
	var calls [][2]string
	for _, c := range m.ToolCalls {
		if c.Type == "custom" {
			calls = append(calls, [2]string{c.Custom.Name, c.Custom.Input})
			continue
		}
		calls = append(calls, [2]string{c.Function.Name, c.Function.Arguments})
	}
	return m.Content + m.Refusal, calls, nil
}

func readAnthropic(ctx context.Context, base, model string, stream bool) (text string, calls [][2]string, err error) {
	client := anthropic.NewClient(claude.WithBaseURL(base), claude.WithAPIKey(os.Getenv("API_KEY")), claude.WithMaxRetries(0))
	ask := anthropic.MessageNewParams{Model: anthropic.Model(model), MaxTokens: 99, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
	var a anthropic.Message
	if stream {
		events := client.Messages.NewStreaming(ctx, ask)
		defer events.Close()
		for events.Next() {
			if err := a.Accumulate(events.Current()); err != nil {
				return "", nil, err
			}
		}
		err = events.Err()
	} else {
		var whole *anthropic.Message
		if whole, err = client.Messages.New(ctx, ask); err == nil {
			a = *whole
		}
	}
	for _, b := range a.Content {
		switch b.Type {
		case "text":
			text += b.Text
		case "tool_use":
			calls = append(calls, [2]string{b.Name, string(b.Input)})
		}
	}
	return text, calls, err
}
