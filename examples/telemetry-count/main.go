// Command telemetry-count is an example of a third party's telemetry sink: it says in the gateway's log how much it was
// sent. README.md says how it is built and declared.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/schema"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

func main() { telemetry.Serve(&sink{}) }

// sink takes every signal. One that keeps what it is sent would do so before Export returns.
type sink struct {
	config struct {
		Label string `json:"label"`
	}
	payloads, bytes int
}

var _ telemetry.Sink = (*sink)(nil)

var shape = &schema.Block{
	Doc:   "Counts what it is sent.",
	Attrs: []schema.Attr{{Name: "label", Kind: schema.String, Default: "sent", Doc: "what its lines begin with"}},
}

// Describe says what the sink is and what its config block looks like.
func (s *sink) Describe(context.Context) (*telemetry.Info, error) {
	return &telemetry.Info{Name: "count", Version: "1.0.0", Config: shape}, nil
}

// Configure takes the config block, with defaults filled in.
func (s *sink) Configure(_ context.Context, config []byte) error {
	if err := plugin.CheckConfig(shape, config); err != nil {
		return err
	}
	return json.Unmarshal(config, &s.config)
}

// Export says of each payload whether it is kept. What is no message never will be, and is not to be sent again.
func (s *sink) Export(_ context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	result := &telemetry.Result{Outcomes: make([]telemetry.Outcome, len(b.Payloads))}
	for i, p := range b.Payloads {
		if n, _, size := protowire.ConsumeField(p.OTLP); len(p.OTLP) > 0 && (n != 1 || size < 0) {
			result.Outcomes[i] = telemetry.Outcome{Status: telemetry.Permanent, Message: "it is no message of OpenTelemetry's"}
			continue
		}
		s.payloads, s.bytes = s.payloads+1, s.bytes+len(p.OTLP)
	}
	fmt.Fprintf(os.Stderr, "%s %d payloads, %d bytes\n", s.config.Label, s.payloads, s.bytes)
	return result, nil
}
