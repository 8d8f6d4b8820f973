package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

// expected is what an SDK has to make of a recording.
type expected struct {
	Model    string        `json:"model"`
	Name     string        `json:"name"` // of the recording
	Provider string        `json:"provider"`
	Dialect  llm.Dialect   `json:"dialect"`
	Stream   bool          `json:"stream"`
	Fails    bool          `json:"fails"`
	Media    bool          `json:"media"` // there is some in it
	Text     string        `json:"text"`
	Calls    [][2]string   `json:"calls"`   // names and arguments
	Clients  []llm.Dialect `json:"clients"` // whose dialect has room for it
}

// startRecorded returns what starts a daemon before recorded traffic, with what is expected in a file beside its own.
func startRecorded(all []*recorded.Exchange) func(context.Context, string) (*daemon, error) {
	all = replay.Conversations(all)
	return func(ctx context.Context, binary string) (*daemon, error) {
		dir, err := os.MkdirTemp("", "ginnel-recorded-")
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(expectations(all))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "recorded.json"), text, 0o600)
		}
		if err != nil {
			os.RemoveAll(dir)
			return nil, err
		}
		d, err := startBefore(replay.Handler(all), relayConfiguration, func(upstream string) (providers, models string, names []string) {
			blocks, names := replay.Declare(all, upstream, "secret.up")
			return blocks, "", names
		})(ctx, binary)
		if err != nil {
			os.RemoveAll(dir)
			return nil, err
		}
		d.Recorded = filepath.Join(dir, "recorded.json")
		clean := d.clean
		d.clean = func() { clean(); os.RemoveAll(dir) }
		return d, nil
	}
}

// expectations leaves out what cannot be read as one answer or error, and what has several answers at once.
func expectations(all []*recorded.Exchange) (out []expected) {
	for i, x := range all {
		a, failure, err := replay.Said(x)
		if err != nil || a != nil && len(a.Choices) != 1 {
			continue
		}
		e := expected{Model: replay.Name(i), Name: x.Name, Provider: x.Provider, Dialect: x.Dialect(), Stream: replay.Streamed(x), Fails: failure != nil}
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini} {
			if a == nil || client == x.Dialect() || fidelity.Fits(a, client) {
				e.Clients = append(e.Clients, client)
			}
		}
		if a != nil {
			e.Text = fidelity.Said(a)[fidelity.Text]
			for _, p := range a.Choices[0].Parts {
				switch p.Kind {
				case conversation.ToolCall:
					e.Calls = append(e.Calls, [2]string{p.Call.Name, p.Call.Arguments})
				case conversation.Media:
					e.Media = true
				}
			}
		}
		out = append(out, e)
	}
	return out
}
