// Command go drives a gateway with the official SDKs for Go. Environment: BASE_URL, API_KEY, MODEL; with the
// argument "responses" it does so with Responses, a BASE_URL without a path and MOCK_URL; with "across" OpenAI's and
// Anthropic's ask models of every dialect, and with "recorded" they read what vendors were recorded to say, with what is
// expected in the file RECORDED; with "media" OpenAI's sends files and makes images and sound. It prints a line per check and exits with 1 where one fails. It is a
// module of its own, so that no SDK is a dependency of Ginnel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

var failed bool

func check(name string, run func() error) {
	if err := run(); err != nil {
		failed = true
		fmt.Printf("FAIL go: %s: %v\n", name, err)
		return
	}
	fmt.Printf("ok   go: %s\n", name)
}

func main() {
	ctx := context.Background()
	if len(os.Args) > 1 && os.Args[1] == "responses" {
		checkResponses(ctx, openai.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")+"/v1"), option.WithAPIKey(os.Getenv("API_KEY")), option.WithMaxRetries(0)))
		end()
	}
	if len(os.Args) > 1 && os.Args[1] == "across" {
		checkAcross(ctx)
		end()
	}
	if len(os.Args) > 1 && os.Args[1] == "media" {
		checkMedia(ctx, openai.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")+"/v1"), option.WithAPIKey(os.Getenv("API_KEY")), option.WithMaxRetries(0)), os.Getenv("MODEL"))
		end()
	}
	if len(os.Args) > 1 && os.Args[1] == "recorded" {
		checkRecorded(ctx)
		end()
	}
	model := os.Getenv("MODEL")
	client := openai.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")), option.WithAPIKey(os.Getenv("API_KEY")), option.WithMaxRetries(0))
	say := func(text string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
	}
	check("chat, unary", func() error {
		a, err := client.Chat.Completions.New(ctx, say("one two three four"))
		if err != nil {
			return err
		}
		if a.Choices[0].Message.Content != "one two three four" || a.Choices[0].FinishReason != "stop" || a.Usage.TotalTokens == 0 {
			return fmt.Errorf("got %s", a.RawJSON())
		}
		return nil
	})
	check("chat, streaming, with usage", func() error {
		p := say("one two three four")
		p.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := client.Chat.Completions.NewStreaming(ctx, p)
		defer stream.Close()
		var acc openai.ChatCompletionAccumulator
		chunks := 0
		for stream.Next() {
			chunks++
			acc.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil {
			return err
		}
		if acc.Choices[0].Message.Content != "one two three four" || acc.Usage.TotalTokens == 0 || chunks < 4 {
			return fmt.Errorf("got %+v in %d chunks", acc.Choices, chunks)
		}
		return nil
	})
	check("chat, a stream that is left", func() error {
		stream := client.Chat.Completions.NewStreaming(ctx, say(strings.Repeat("a ", 500)))
		stream.Next()
		return stream.Close()
	})
	check("embeddings", func() error {
		a, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}}})
		if err == nil && (len(a.Data) != 2 || len(a.Data[0].Embedding) == 0) {
			err = fmt.Errorf("got %d vectors", len(a.Data))
		}
		return err
	})
	check("models", func() error {
		_, err := client.Models.Get(ctx, model)
		return err
	})
	check("an unknown model is a 404", func() error {
		_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "no-such-model", Messages: say("x").Messages})
		return status(err, 404)
	})
	check("a limit is a 429", func() error {
		_, err := client.Chat.Completions.New(ctx, say("echo:429"))
		return status(err, 429)
	})
	check("a cut stream is an error", func() error {
		stream := client.Chat.Completions.NewStreaming(ctx, say("echo:cut one two three four five six"))
		defer stream.Close()
		for stream.Next() {
		}
		if stream.Err() == nil {
			return errors.New("it ended cleanly")
		}
		return nil
	})
	end()
}

// end says with the exit status whether a check failed.
func end() {
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}

func status(err error, want int) error {
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != want {
		return fmt.Errorf("got %v, want status %d", err, want)
	}
	return nil
}
