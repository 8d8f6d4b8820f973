package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	claude "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// speaker is an SDK: a whole answer, a streamed one, the status of an error, and a tool's call after whose result
// the model was asked again.
type speaker struct {
	name   string
	text   func(model string) (string, error)
	stream func(model string) (string, error)
	call   func(model string) (name, arguments string, err error)
	see    func(model string) error // with an image
	form   func(model string) error // with a schema for the answer
	status func(error) int
}

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

var schema = map[string]any{
	"type": "object", "properties": map[string]any{"animal": map[string]any{"type": "string"}, "legs": map[string]any{"type": "integer"}},
	"required": []string{"animal"}, "additionalProperties": false,
}

// checkAcross runs the SDKs against models of every dialect.
func checkAcross(ctx context.Context) {
	for _, s := range []speaker{openAISpeaker(ctx), anthropicSpeaker(ctx)} {
		for _, up := range []string{"openai", "responses", "anthropic", "gemini"} {
			check(s.name+" to "+up+": whole, streamed, an image, a schema", func() error {
				text, err := s.text(up + "-mock")
				if err == nil && !strings.HasPrefix(text, "The quick brown fox") {
					err = errors.New(text)
				}
				if err != nil {
					return err
				}
				text, err = s.stream(up + "-mock")
				if err == nil && (!strings.HasPrefix(text, "token000 token001 ") || !strings.HasSuffix(text, "token049 ")) {
					err = errors.New(text)
				}
				if err == nil {
					err = s.see(up + "-mock")
				}
				if err == nil {
					err = arrived(pixel)
				}
				if err == nil {
					err = s.form(up + "-mock")
				}
				if err == nil {
					err = arrived("legs")
				}
				return err
			})
			if up == "anthropic" || up == "responses" { // the mock calls tools in these
				check(s.name+" to "+up+": a tool, and its result", func() error {
					name, arguments, err := s.call(up + "-mock")
					var got struct {
						Animal string
						Legs   int
					}
					if err == nil {
						err = json.Unmarshal([]byte(arguments), &got)
					}
					if err == nil {
						err = arrived("four", "fox")
					}
					if err == nil && (name != "lookup" || got.Animal != "fox" || got.Legs != 4) {
						err = fmt.Errorf("%s(%s)", name, arguments)
					}
					return err
				})
			}
			check(s.name+" to "+up+": what fails is an error", func() error { return s.fails(up) })
		}
		check(s.name+": a stream that falls silent is an error", func() error {
			if text, err := s.stream("silent-mock"); err == nil {
				return fmt.Errorf("no error, but %q", text)
			}
			return nil
		})
	}
}

// arrived reports what of some words the last call did not bring to the mock upstream.
func arrived(words ...string) error {
	resp, err := http.Get(os.Getenv("MOCK_URL") + "/__last")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var last struct{ Body string }
	if err := json.NewDecoder(resp.Body).Decode(&last); err != nil {
		return err
	}
	for _, word := range words {
		if !strings.Contains(last.Body, word) {
			return fmt.Errorf("%q did not arrive: %s", word, last.Body)
		}
	}
	return nil
}

// fails holds an SDK to an error for whatever goes wrong.
func (s speaker) fails(up string) error {
	for fault, status := range map[string]int{"401": 502, "429": 429, "500": 500, "529": 529, "html500": 500, "badjson": 502, "empty": 502, "reset": 503, "cut": 502, "": 404} {
		model := up + "-mock+fault=" + fault
		if fault == "" {
			model = "none"
		}
		for _, way := range []func(string) (string, error){s.text, s.stream} {
			if _, err := way(model); err == nil || s.status(err) != status {
				return fmt.Errorf("%s: %v, want %d", model, err, status)
			}
		}
	}
	for _, cut := range []string{"sse-cut", "sse-reset", "sse-error", "sse-bad"} {
		if text, err := s.stream(up + "-mock+fault=" + cut); err == nil {
			return fmt.Errorf("%s: no error, but %q", cut, text)
		}
	}
	return nil
}

func openAISpeaker(ctx context.Context) speaker {
	client := openai.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")+"/v1"), option.WithAPIKey(os.Getenv("API_KEY")), option.WithMaxRetries(0))
	ask := func(model string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}}
	}
	return speaker{
		name: "openai",
		text: func(model string) (string, error) {
			a, err := client.Chat.Completions.New(ctx, ask(model))
			if err != nil {
				return "", err
			}
			return a.Choices[0].Message.Content, nil
		},
		stream: func(model string) (text string, err error) {
			stream := client.Chat.Completions.NewStreaming(ctx, ask(model))
			defer stream.Close()
			for stream.Next() {
				for _, c := range stream.Current().Choices {
					text += c.Delta.Content
				}
			}
			return text, stream.Err()
		},
		call: func(model string) (string, string, error) {
			p := ask(model)
			p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "lookup", Parameters: openai.FunctionParameters{"type": "object"}})}
			a, err := client.Chat.Completions.New(ctx, p)
			if err != nil {
				return "", "", err
			}
			m := a.Choices[0].Message
			if len(m.ToolCalls) != 1 {
				return "", "", errors.New(a.RawJSON())
			}
			p.Messages = append(p.Messages, m.ToParam(), openai.ToolMessage("four", m.ToolCalls[0].ID))
			_, err = client.Chat.Completions.New(ctx, p)
			return m.ToolCalls[0].Function.Name, m.ToolCalls[0].Function.Arguments, err
		},
		see: func(model string) error {
			p := ask(model)
			image := openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + pixel})
			p.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("what?"), image})}
			_, err := client.Chat.Completions.New(ctx, p)
			return err
		},
		form: func(model string) error {
			p := ask(model)
			p.ResponseFormat.OfJSONSchema = &openai.ResponseFormatJSONSchemaParam{JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{Name: "animal", Schema: schema}}
			_, err := client.Chat.Completions.New(ctx, p)
			return err
		},
		status: func(err error) int {
			var e *openai.Error
			if errors.As(err, &e) {
				return e.StatusCode
			}
			return 0
		},
	}
}

func anthropicSpeaker(ctx context.Context) speaker {
	client := anthropic.NewClient(claude.WithBaseURL(os.Getenv("BASE_URL")), claude.WithAPIKey(os.Getenv("API_KEY")), claude.WithMaxRetries(0))
	ask := func(model string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{Model: anthropic.Model(model), MaxTokens: 99, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))}}
	}
	return speaker{
		name: "anthropic",
		text: func(model string) (string, error) {
			a, err := client.Messages.New(ctx, ask(model))
			if err != nil {
				return "", err
			}
			return a.Content[0].Text, nil
		},
		stream: func(model string) (string, error) {
			stream := client.Messages.NewStreaming(ctx, ask(model))
			defer stream.Close()
			var a anthropic.Message
			for stream.Next() {
				if err := a.Accumulate(stream.Current()); err != nil {
					return "", err
				}
			}
			if err := stream.Err(); err != nil {
				return "", err
			}
			return a.Content[0].Text, nil
		},
		call: func(model string) (string, string, error) {
			p := ask(model)
			p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "lookup"}}}
			a, err := client.Messages.New(ctx, p)
			if err != nil {
				return "", "", err
			}
			i := slices.IndexFunc(a.Content, func(b anthropic.ContentBlockUnion) bool { return b.Type == "tool_use" })
			if i < 0 || a.StopReason != "tool_use" {
				return "", "", errors.New(a.RawJSON())
			}
			use := a.Content[i].AsToolUse()
			p.Messages = append(p.Messages, a.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, "four", false)))
			_, err = client.Messages.New(ctx, p)
			return use.Name, string(use.Input), err
		},
		see: func(model string) error {
			p := ask(model)
			p.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewImageBlockBase64("image/png", pixel))}
			_, err := client.Messages.New(ctx, p)
			return err
		},
		form: func(model string) error {
			p := ask(model)
			p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: schema}
			_, err := client.Messages.New(ctx, p)
			return err
		},
		status: func(err error) int {
			var e *anthropic.Error
			if errors.As(err, &e) {
				return e.StatusCode
			}
			return 0
		},
	}
}
