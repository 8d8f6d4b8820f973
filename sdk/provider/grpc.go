package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
	"github.com/ginnel/ginnel/sdk/schema"
)

// The limits of what a host takes from a plugin: each call looks through a lease, and has its header.
const (
	maxNames   = 100       // of operations, and of dialects, every one with every other
	maxOrigins = 1000      // of a description
	maxLease   = 256 << 10 // bytes of the message
)

// Plugin carries a provider over go-plugin. The host leaves both fields nil and gets a *Client.
type Plugin struct {
	goplugin.NetRPCUnsupportedPlugin
	Provider Provider
	Invoke   *Server // nil where the provider is not invoked
}

var _ goplugin.GRPCPlugin = (*Plugin)(nil)

// GRPCServer registers the plugin's side.
func (p *Plugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterProviderServer(s, &grpcServer{p: p.Provider, invoke: p.Invoke})
	return nil
}

// GRPCClient returns a *Client.
func (p *Plugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewClient(c), nil
}

// Client is the host's side of a provider's control protocol. Its errors are *llm.Error.
type Client struct{ rpc pluginv1.ProviderClient }

var (
	_ Provider = (*Client)(nil)
	_ Relayer  = (*Client)(nil)
	_ Prober   = (*Client)(nil)
)

// NewClient returns a client of the plugin at the other end of a connection.
func NewClient(c grpc.ClientConnInterface) *Client { return &Client{pluginv1.NewProviderClient(c)} }

// Describe asks what the plugin is.
func (c *Client) Describe(ctx context.Context) (*Info, error) {
	r, err := c.rpc.Describe(ctx, &pluginv1.ProviderDescribeRequest{})
	if plugin.Unimplemented(err) {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the plugin is not a provider"}
	}
	if err != nil {
		return nil, plugin.FromStatus(err)
	}
	if len(r.GetOps()) > maxNames || len(r.GetDialects()) > maxNames || len(r.GetOrigins()) > maxOrigins {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: "the plugin describes more operations, dialects or origins than there are"}
	}
	info := &Info{
		Name: r.GetName(), Version: r.GetVersion(), Origins: r.GetOrigins(),
		Relays: r.GetRelays(), Invokes: r.GetInvokes(), Probes: r.GetProbes(), Placed: r.GetPlaced(), Connects: r.GetConnects(),
	}
	info.Name, info.Version = plugin.Said(info.Name), plugin.Said(info.Version)
	for _, op := range r.GetOps() {
		info.Ops = append(info.Ops, llm.Op(op))
	}
	for _, d := range r.GetDialects() {
		info.Dialects = append(info.Dialects, llm.Dialect(d))
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

// ConfigureAt is Configure for a provider that is Placed. One that does not Connect hears of the base URL only.
func (c *Client) ConfigureAt(ctx context.Context, config []byte, place Place) error {
	_, err := c.rpc.Configure(ctx, &pluginv1.ConfigureRequest{Config: config, BaseUrl: place.BaseURL, Connect: place.connect()})
	return plugin.FromStatus(err)
}

// Relay asks for a new lease.
func (c *Client) Relay(ctx context.Context) (*Relay, error) {
	m, err := c.rpc.Relay(ctx, &pluginv1.RelayRequest{})
	if err != nil {
		return nil, plugin.FromStatus(err)
	}
	if n := proto.Size(m); n > maxLease {
		return nil, &llm.Error{Code: llm.CodeInternal, Message: fmt.Sprintf("the plugin's lease has %d bytes, at most %d", n, maxLease)}
	}
	r := &Relay{Origin: m.GetOrigin()}
	for _, t := range m.GetOps() {
		r.Ops = append(r.Ops, Template{
			Op: llm.Op(t.GetOp()), Dialect: llm.Dialect(t.GetDialect()), Method: t.GetMethod(),
			Path: t.GetPath(), StreamPath: t.GetStreamPath(), MaxTokensField: t.GetMaxTokensField(), InsteadOfModel: t.GetInsteadOfModel(), Members: t.GetMembers(), Within: t.GetWithin(),
			ReasoningField: t.GetReasoningField(), ReasoningAlways: t.GetReasoningAlways(),
		})
	}
	for _, f := range m.GetHeader() {
		r.Header.Add(f.GetName(), f.GetValue())
	}
	for _, f := range m.GetRefreshOn() {
		r.RefreshOn = append(r.RefreshOn, Match{Status: int(f.GetStatus()), Contains: f.GetContains()})
	}
	if ms := m.GetExpiresUnixMs(); ms != 0 {
		r.Expires = time.UnixMilli(ms)
	}
	return r, nil
}

// Probe asks whether the provider would work; nil where the plugin does not say.
func (c *Client) Probe(ctx context.Context) error {
	_, err := c.rpc.Probe(ctx, &pluginv1.ProbeRequest{})
	if plugin.Unimplemented(err) {
		return nil
	}
	return plugin.FromStatus(err)
}

// Drain waits until the plugin's open calls have ended.
func (c *Client) Drain(ctx context.Context) error {
	_, err := c.rpc.Drain(ctx, &pluginv1.DrainRequest{})
	if plugin.Unimplemented(err) {
		return nil
	}
	return plugin.FromStatus(err)
}

// grpcServer is the plugin's side.
type grpcServer struct {
	pluginv1.UnimplementedProviderServer
	p      Provider
	invoke *Server
}

func (s *grpcServer) Describe(ctx context.Context, _ *pluginv1.ProviderDescribeRequest) (*pluginv1.ProviderDescribeResponse, error) {
	info, err := s.p.Describe(ctx)
	if err != nil {
		return nil, plugin.Status(err)
	}
	r := &pluginv1.ProviderDescribeResponse{Name: info.Name, Version: info.Version, Origins: info.Origins}
	for _, op := range info.Ops {
		r.Ops = append(r.Ops, string(op))
	}
	for _, d := range info.Dialects {
		r.Dialects = append(r.Dialects, string(d))
	}
	if info.Config != nil {
		if r.ConfigSchema, err = json.Marshal(info.Config); err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
	}
	_, r.Relays = s.p.(Relayer)
	_, r.Invokes = s.p.(Invoker)
	_, r.Probes = s.p.(Prober)
	_, r.Placed = s.p.(Placer)
	r.Connects = r.Placed
	return r, nil
}

func (s *grpcServer) Configure(ctx context.Context, m *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	info, err := s.p.Describe(ctx)
	if err == nil {
		err = plugin.CheckConfig(info.Config, m.GetConfig())
	}
	if p, ok := s.p.(Placer); err == nil && ok && (m.GetBaseUrl() != "" || m.Connect != nil) {
		var place Place
		if place, err = placeOf(m); err == nil {
			err = p.Place(place)
		}
	}
	if err == nil {
		err = s.p.Configure(ctx, m.GetConfig())
	}
	return &pluginv1.ConfigureResponse{}, plugin.Status(err)
}

func (s *grpcServer) Relay(ctx context.Context, _ *pluginv1.RelayRequest) (*pluginv1.RelayResponse, error) {
	relayer, ok := s.p.(Relayer)
	if !ok {
		return nil, plugin.ErrUnimplemented()
	}
	r, err := relayer.Relay(ctx)
	if err != nil {
		return nil, plugin.Status(err)
	}
	m := &pluginv1.RelayResponse{Origin: r.Origin}
	for _, t := range r.Ops {
		m.Ops = append(m.Ops, &pluginv1.Template{
			Op: string(t.Op), Dialect: string(t.Dialect), Method: t.Method, Path: t.Path, StreamPath: t.StreamPath, MaxTokensField: t.MaxTokensField,
			InsteadOfModel: t.InsteadOfModel, Members: t.Members, Within: t.Within, ReasoningField: t.ReasoningField, ReasoningAlways: t.ReasoningAlways,
		})
	}
	for _, f := range r.Header {
		m.Header = append(m.Header, &pluginv1.Field{Name: f.Name, Value: f.Value})
	}
	for _, f := range r.RefreshOn {
		m.RefreshOn = append(m.RefreshOn, &pluginv1.Match{Status: int32(f.Status), Contains: f.Contains})
	}
	if !r.Expires.IsZero() {
		m.ExpiresUnixMs = r.Expires.UnixMilli()
	}
	return m, nil
}

func (s *grpcServer) Probe(ctx context.Context, _ *pluginv1.ProbeRequest) (*pluginv1.ProbeResponse, error) {
	p, ok := s.p.(Prober)
	if !ok {
		return nil, plugin.ErrUnimplemented()
	}
	return &pluginv1.ProbeResponse{}, plugin.Status(p.Probe(ctx))
}

func (s *grpcServer) Drain(ctx context.Context, _ *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	if s.invoke == nil {
		return &pluginv1.DrainResponse{}, nil
	}
	return &pluginv1.DrainResponse{}, plugin.Status(s.invoke.Drain(ctx))
}
