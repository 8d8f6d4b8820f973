package pluginhost

import (
	"context"
	"sync/atomic"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// Sink is a telemetry sink that is kept running. It is safe for concurrent use, but a sink takes its
// batches one at a time.
type Sink struct {
	supervised
	config []byte
	info   atomic.Pointer[telemetry.Info]
}

// Sink launches a sink, describes and configures it. It returns when the sink is ready; the caller
// closes it. The context bounds that and nothing else.
func (h *Host) Sink(ctx context.Context, spec SinkSpec) (*Sink, error) {
	s := &Sink{config: orEmpty(spec.Config)}
	s.supervised = supervised{
		host:   h,
		launch: launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindSink, limits: spec.Limits, secrets: secretsOf(spec.Secrets)},
	}
	s.drain = func(ctx context.Context, p *process) error { return p.sink.Flush(ctx) }
	s.prepare = func(ctx context.Context, p *process) error {
		info, err := p.sink.Describe(ctx)
		if err != nil {
			return err
		}
		s.info.Store(info)
		return p.sink.Configure(ctx, s.config)
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Info returns what the sink says about itself.
func (s *Sink) Info() *telemetry.Info { return s.info.Load() }

// Export hands over a batch. A nil result means that all of it is kept; an error, an *llm.Error,
// that none is known to be: it is CodeUnavailable while the sink restarts.
func (s *Sink) Export(ctx context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	p := s.process()
	if p == nil {
		return nil, &llm.Error{Code: llm.CodeUnavailable, Message: "the sink is restarting"}
	}
	r, err := p.sink.Export(ctx, b)
	return r, s.secrets.hideIn(err)
}

// Flush waits until what the sink has acknowledged is where it belongs.
func (s *Sink) Flush(ctx context.Context) error {
	p := s.process()
	if p == nil {
		return &llm.Error{Code: llm.CodeUnavailable, Message: "the sink is restarting"}
	}
	return s.secrets.hideIn(p.sink.Flush(ctx))
}

// Close has the sink flush, until ctx ends, and ends the process.
func (s *Sink) Close(ctx context.Context) error {
	return s.close(ctx)
}
