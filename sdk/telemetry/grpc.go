package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
	"github.com/ginnel/ginnel/sdk/schema"
)

// Plugin carries a sink over go-plugin. The host leaves Sink nil and gets a *Client.
type Plugin struct {
	goplugin.NetRPCUnsupportedPlugin
	Sink Sink
}

var _ goplugin.GRPCPlugin = (*Plugin)(nil)

// GRPCServer registers the plugin's side.
func (p *Plugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterSinkServer(s, &grpcServer{s: p.Sink})
	return nil
}

// GRPCClient returns a *Client.
func (p *Plugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewClient(c), nil
}

// Client is the host's side of a sink's protocol. Its errors are *llm.Error.
type Client struct{ rpc pluginv1.SinkClient }

var (
	_ Sink    = (*Client)(nil)
	_ Flusher = (*Client)(nil)
)

// NewClient returns a client of the plugin at the other end of a connection.
func NewClient(c grpc.ClientConnInterface) *Client { return &Client{pluginv1.NewSinkClient(c)} }

// Describe asks what the sink is.
func (c *Client) Describe(ctx context.Context) (*Info, error) {
	r, err := c.rpc.Describe(ctx, &pluginv1.SinkDescribeRequest{})
	if plugin.Unimplemented(err) {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the plugin is not a telemetry sink"}
	}
	if err != nil {
		return nil, plugin.FromStatus(err)
	}
	info := &Info{Name: plugin.Said(r.GetName()), Version: plugin.Said(r.GetVersion()), Flushes: r.GetFlushes()}
	for _, s := range r.GetSignals() {
		info.Signals = append(info.Signals, Signal(s))
	}
	if len(r.GetConfigSchema()) > 0 {
		if info.Config, err = schema.Parse(r.GetConfigSchema()); err != nil {
			return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin's schema cannot be read: " + err.Error()}
		}
	}
	return info, nil
}

// Configure hands over the configuration.
func (c *Client) Configure(ctx context.Context, config []byte) error {
	_, err := c.rpc.Configure(ctx, &pluginv1.ConfigureRequest{Config: config})
	return plugin.FromStatus(err)
}

// Export sends a batch. A result that does not have an outcome for each payload is an error.
func (c *Client) Export(ctx context.Context, b *Batch) (*Result, error) {
	m := &pluginv1.ExportRequest{Id: b.ID, Seq: b.Seq, Payloads: make([]*pluginv1.Payload, len(b.Payloads))}
	for i, p := range b.Payloads {
		m.Payloads[i] = &pluginv1.Payload{Signal: pluginv1.Signal(p.Signal), Otlp: p.OTLP}
	}
	r, err := c.rpc.Export(ctx, m)
	if err != nil {
		return nil, plugin.FromStatus(err)
	}
	outcomes := r.GetOutcomes()
	if len(outcomes) == 0 {
		return nil, nil
	}
	if len(outcomes) != len(b.Payloads) {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the sink gave the outcome of another number of payloads"}
	}
	result := &Result{Outcomes: make([]Outcome, len(outcomes))}
	for i, o := range outcomes {
		result.Outcomes[i] = Outcome{
			Status: Status(o.GetStatus()), After: time.Duration(o.GetRetryAfterMs()) * time.Millisecond, Message: plugin.Said(o.GetMessage()),
		}
	}
	return result, nil
}

// Flush waits until what was exported is where it belongs.
func (c *Client) Flush(ctx context.Context) error {
	_, err := c.rpc.Flush(ctx, &pluginv1.FlushRequest{})
	if plugin.Unimplemented(err) {
		return nil
	}
	return plugin.FromStatus(err)
}

// grpcServer is the sink's side.
type grpcServer struct {
	pluginv1.UnimplementedSinkServer
	s Sink
}

func (s *grpcServer) Describe(ctx context.Context, _ *pluginv1.SinkDescribeRequest) (*pluginv1.SinkDescribeResponse, error) {
	info, err := s.s.Describe(ctx)
	if err != nil {
		return nil, plugin.Status(err)
	}
	r := &pluginv1.SinkDescribeResponse{Name: info.Name, Version: info.Version}
	for _, signal := range info.Signals {
		r.Signals = append(r.Signals, pluginv1.Signal(signal))
	}
	if info.Config != nil {
		if r.ConfigSchema, err = json.Marshal(info.Config); err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
	}
	_, r.Flushes = s.s.(Flusher)
	return r, nil
}

func (s *grpcServer) Configure(ctx context.Context, m *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	info, err := s.s.Describe(ctx)
	if err == nil {
		err = plugin.CheckConfig(info.Config, m.GetConfig())
	}
	if err == nil {
		err = s.s.Configure(ctx, m.GetConfig())
	}
	return &pluginv1.ConfigureResponse{}, plugin.Status(err)
}

func (s *grpcServer) Export(ctx context.Context, m *pluginv1.ExportRequest) (*pluginv1.ExportResponse, error) {
	b := &Batch{ID: m.GetId(), Seq: m.GetSeq(), Payloads: make([]Payload, len(m.GetPayloads()))}
	for i, p := range m.GetPayloads() {
		b.Payloads[i] = Payload{Signal: Signal(p.GetSignal()), OTLP: p.GetOtlp()}
	}
	result, err := s.s.Export(ctx, b)
	if err != nil {
		return nil, plugin.Status(err)
	}
	r := &pluginv1.ExportResponse{}
	if result == nil {
		return r, nil
	}
	if len(result.Outcomes) != len(b.Payloads) {
		return nil, plugin.Status(fmt.Errorf("the sink gave %d outcomes for %d payloads", len(result.Outcomes), len(b.Payloads)))
	}
	for _, o := range result.Outcomes {
		r.Outcomes = append(r.Outcomes, &pluginv1.Outcome{
			Status: pluginv1.Status(o.Status), RetryAfterMs: o.After.Milliseconds(), Message: o.Message,
		})
	}
	return r, nil
}

func (s *grpcServer) Flush(ctx context.Context, _ *pluginv1.FlushRequest) (*pluginv1.FlushResponse, error) {
	f, ok := s.s.(Flusher)
	if !ok {
		return nil, plugin.ErrUnimplemented()
	}
	return &pluginv1.FlushResponse{}, plugin.Status(f.Flush(ctx))
}
