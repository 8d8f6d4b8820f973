// Package jsonl is a telemetry sink that appends to a file, one JSON object a line, in the JSON of
// OTLP that OpenTelemetry's file exporter writes. The file is rotated by size: traces.jsonl becomes
// traces.jsonl.1, that traces.jsonl.2, and so on.
//
// A batch is acknowledged when the system has it, so that it outlives the process; Flush and a
// rotation wait for the disk too. A batch whose acknowledgement was lost is written again when it is
// sent again: readers may see it twice, never not at all. It neither compresses nor samples.
package jsonl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/schema"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

const (
	name        = "jsonl"
	version     = "0.1.0"
	defaultSize = 64 << 20
	defaultKeep = 5
	minSize     = 4 << 10
	maxKeep     = 1000
)

// config is the sink's config block.
type config struct {
	Path    string `json:"path"`
	MaxSize int64  `json:"max_size"`
	Keep    *int   `json:"keep"`
}

type sink struct {
	mu  sync.Mutex // protects what follows
	out *file
}

var (
	_ telemetry.Sink    = (*sink)(nil)
	_ telemetry.Flusher = (*sink)(nil)
)

// New returns the sink.
func New() telemetry.Sink { return &sink{} }

// Describe says what the sink is.
func (s *sink) Describe(context.Context) (*telemetry.Info, error) {
	return &telemetry.Info{
		Name:    name,
		Version: version,
		Signals: []telemetry.Signal{telemetry.Traces, telemetry.Metrics, telemetry.Logs},
		Config: &schema.Block{
			Doc: "Appends OTLP JSON lines to a file.",
			Attrs: []schema.Attr{
				{Name: "path", Kind: schema.String, Doc: "the file; its directory must exist"},
				{Name: "max_size", Kind: schema.Size, Default: "64MiB", Doc: "the file is rotated before it is larger; at least 4KiB"},
				{Name: "keep", Kind: schema.Int, Default: "5", Doc: "how many rotated files are kept; 0 = none"},
			},
		},
	}, nil
}

// Configure opens the file.
func (s *sink) Configure(_ context.Context, raw []byte) error {
	c := config{MaxSize: defaultSize}
	if err := json.Unmarshal(raw, &c); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the config is not what its schema says"}
	}
	keep := defaultKeep
	if c.Keep != nil {
		keep = *c.Keep
	}
	if c.Path == "" || c.MaxSize < minSize || keep < 0 || keep > maxKeep {
		return &llm.Error{Code: llm.CodeInvalid, Message: "config: path is needed, max_size is at least 4KiB, keep is between 0 and 1000"}
	}
	out, err := open(c.Path, c.MaxSize, keep)
	if err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "config: path: " + err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != nil {
		out.close()
		return &llm.Error{Code: llm.CodeInternal, Message: "the sink is configured already"}
	}
	s.out = out
	return nil
}

// Export appends a line for each payload. What cannot be read will never be; what cannot be written
// may be later.
func (s *sink) Export(_ context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return nil, errors.New("the sink is not configured")
	}
	result := &telemetry.Result{Outcomes: make([]telemetry.Outcome, len(b.Payloads))}
	for i, p := range b.Payloads {
		line, err := encode(p)
		if err != nil {
			result.Outcomes[i] = telemetry.Outcome{Status: telemetry.Permanent, Message: err.Error()}
			continue
		}
		if err := s.out.append(line); err != nil {
			result.Outcomes[i] = telemetry.Outcome{Status: telemetry.Retry, Message: err.Error()}
		}
	}
	return result, nil
}

// Flush waits for the disk.
func (s *sink) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return nil
	}
	if err := s.out.f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}
