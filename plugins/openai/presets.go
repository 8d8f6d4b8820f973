package openai

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
)

// preset is a vendor, or a kind of server, as presets.json has it.
type preset struct {
	Name    string `json:"name"`
	BaseURL string `json:"base_url"`
	// Ops are the operations that it has in each dialect; a dialect that is not there it does not have.
	Ops map[llm.Dialect][]llm.Op `json:"ops"`
	// MaxTokensField is what it calls the limit of an answer; "" = "max_completion_tokens".
	MaxTokensField string `json:"max_tokens_field"`
	// ReasoningField is where in a message it takes the model's thoughts back; "" = it takes none, or nothing is known of
	// it. ReasoningAlways says that it refuses a message with tool calls without.
	ReasoningField  string `json:"reasoning_field"`
	ReasoningAlways bool   `json:"reasoning_always"`
	// RefreshOn are the answers, besides 401, that mean that the key is not accepted.
	RefreshOn []provider.Match `json:"refresh_on"`
}

//go:embed presets.json
var presetsJSON []byte

// presets returns the presets, OpenAI's first. The file is the program's own: a mistake in it is one of
// the programmer.
func presets() (all []preset) {
	d := json.NewDecoder(bytes.NewReader(presetsJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		panic(fmt.Sprintf("presets.json: %v", err))
	}
	return all
}

func names(all []preset) (names []string) {
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}

func origins(all []preset) (origins []string) {
	for _, p := range all {
		origins = append(origins, p.BaseURL)
	}
	return origins
}
