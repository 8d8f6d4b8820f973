package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// askResponse is a request for a response.
func askResponse(model string) responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: shared.ResponsesModel(model), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello")}}
}

// checkResponses runs the checks of Responses, against a mock of OpenAI behind a gateway.
func checkResponses(ctx context.Context, client openai.Client) {
	read := func(model string) (events []responses.ResponseStreamEventUnion, err error) {
		stream := client.Responses.NewStreaming(ctx, askResponse(model))
		defer stream.Close()
		for stream.Next() {
			events = append(events, stream.Current())
		}
		return events, stream.Err()
	}
	check("responses: unary", func() error {
		a, err := client.Responses.New(ctx, askResponse("mock"))
		if err == nil && (!strings.HasPrefix(a.OutputText(), "The quick brown fox") || a.Usage.TotalTokens == 0 || a.Status != "completed") {
			err = fmt.Errorf("got %s", a.RawJSON())
		}
		return err
	})
	check("responses: streaming", func() error {
		for _, model := range []string{"mock", "mock+fault=sse-noise", "mock+fault=sse-split+chunks=3"} {
			events, err := read(model)
			if err != nil {
				return fmt.Errorf("%s: %w", model, err)
			}
			text := ""
			for _, e := range events {
				if e.Type == "response.output_text.delta" {
					text += e.Delta
				}
			}
			last := events[len(events)-1]
			if last.Type != "response.completed" || last.Response.OutputText() != text || !strings.HasPrefix(text, "token000 token001 ") {
				return fmt.Errorf("%s: %q, then %s", model, text, last.RawJSON())
			}
		}
		return nil
	})
	check("responses: an unknown model is a 404", func() error {
		_, err := client.Responses.New(ctx, askResponse("none"))
		return status(err, 404)
	})
	check("responses: what is not stored: 404", func() error {
		_, err := client.Responses.Get(ctx, "resp_1", responses.ResponseGetParams{})
		return status(err, 404)
	})
	check("responses: a limit is a 429", func() error {
		_, err := client.Responses.New(ctx, askResponse("mock+fault=429"))
		return status(err, 429)
	})
	check("responses: a stream that breaks off is an error", func() error {
		for _, model := range []string{"mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-bad"} {
			if _, err := read(model); err == nil {
				return errors.New(model + " ended cleanly")
			}
		}
		return nil
	})
	check("responses: an error that the upstream sends in a stream comes as it is", func() error {
		events, err := read("mock+fault=sse-error")
		if err != nil {
			return err
		}
		if last := events[len(events)-1]; last.Type != "error" || last.Message != "mock mid-stream" {
			return fmt.Errorf("got %s", last.RawJSON())
		}
		return nil
	})
	check("responses: a stream that is left ends at the upstream", func() error {
		before, err := cancelled()
		if err != nil {
			return err
		}
		stream := client.Responses.NewStreaming(ctx, askResponse("mock+gap=50ms+chunks=1000"))
		stream.Next()
		if err := stream.Close(); err != nil {
			return err
		}
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if n, err := cancelled(); err != nil || n > before {
				return err
			}
		}
		return errors.New("it goes on")
	})
}

// cancelled asks the mock how many clients have left it.
func cancelled() (int, error) {
	resp, err := http.Get(os.Getenv("MOCK_URL") + "/__stats")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var stats struct{ Cancelled int }
	err = json.NewDecoder(resp.Body).Decode(&stats)
	return stats.Cancelled, err
}
