//go:build linux

package pluginhost_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
	"github.com/ginnel/ginnel/sdk/provider"
)

// speaking serves words by one version of the protocol only, and its control protocol by another server where
// there is one.
func speaking(version int, control pluginv1.ProviderServer) {
	l, err := plugin.Listener()
	if err != nil {
		panic(err)
	}
	server, err := provider.NewServer(&words{})
	if err != nil {
		panic(err)
	}
	if l != nil {
		go server.Serve(l, os.Getppid())
	}
	served := goplugin.Plugin(&provider.Plugin{Provider: &words{}, Invoke: server})
	if control != nil {
		served = controlled{served, control}
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{version: {plugin.KindProvider: served}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
}

// controlled is a plugin with a server of its own for the control protocol.
type controlled struct {
	goplugin.Plugin
	control pluginv1.ProviderServer
}

func (c controlled) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterProviderServer(s, c.control)
	return nil
}

func (c controlled) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("it is no host")
}

// second is told its base URL, as the protocol's second version had it at first.
type second struct {
	pluginv1.UnimplementedProviderServer
}

func (second) Describe(context.Context, *pluginv1.ProviderDescribeRequest) (*pluginv1.ProviderDescribeResponse, error) {
	return &pluginv1.ProviderDescribeResponse{Name: "second", Version: "1", Ops: []string{string(llm.OpChat)}, Dialects: []string{string(llm.OpenAI)}, Invokes: true, Placed: true}, nil
}

func (second) Configure(_ context.Context, r *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if r.GetBaseUrl() != "http://a.test/v1" {
		return nil, errors.New("it was told no base URL")
	}
	return &pluginv1.ConfigureResponse{}, nil
}

// placed is words that says where and how it was placed.
type placed struct {
	words
	mu    sync.Mutex // protects what follows
	place *provider.Place
}

var _ provider.Placer = (*placed)(nil)

func (p *placed) Place(place provider.Place) error {
	if strings.Contains(place.BaseURL, "nowhere") {
		return &llm.Error{Code: llm.CodeInvalid, Message: "base_url: there is nothing"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.place = &place
	return nil
}

func (p *placed) Invoke(ctx context.Context, c *llm.Call) (*llm.Response, error) {
	if c.Model != "where" {
		return p.words.Invoke(ctx, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, err := json.Marshal(p.place)
	if err != nil {
		return nil, err
	}
	text := string(raw)
	return &llm.Response{Status: 200, Recv: func(chunk *llm.Chunk) error {
		if text == "" {
			return io.EOF
		}
		chunk.Data, text = append(chunk.Data, text...), ""
		return nil
	}}, nil
}

// TestVersionsOfTheProtocol work beside one another, and one that nobody here speaks is refused with what
// to do about it.
func TestVersionsOfTheProtocol(t *testing.T) {
	h, _ := start(t, nil)
	older := launched(t, h, pluginhost.ProviderSpec{Name: "a", Plugin: "first"})
	newer := launched(t, h, pluginhost.ProviderSpec{Name: "b", Plugin: "placed", Place: provider.Place{BaseURL: "http://a.test/v1"}})
	for p, want := range map[*pluginhost.Provider]int{older: plugin.Version1, newer: plugin.Version3} {
		got, err := said(t, p, "m", "hello")
		if err != nil || got != "hello" || p.State().Protocol != want {
			t.Errorf("version %d: %q, %v, %+v", want, got, err, p.State())
		}
	}
	launched(t, h, pluginhost.ProviderSpec{Name: "c", Plugin: "second", Place: provider.Place{BaseURL: "http://a.test/v1"}})
	for _, c := range []struct {
		plugin, baseURL string
		declared        []string
		want            string
	}{
		{"future", "", nil, "it speaks version 9 of the plugin protocol, this release speaks 1, 2 and 3: build it"},
		{"first", "http://a.test", nil, "base_url: it speaks version 1 of the plugin protocol and cannot be told"},
		{"first", "", []string{"tls"}, "tls: it speaks version 1 of the plugin protocol and cannot be told"},
		{"words", "http://a.test", nil, "base_url: it makes its calls itself and does not say that it can be told"},
		{"words", "http://a.test", []string{"private"}, "base_url, private: it makes its calls itself and does not say that it can be told"},
		{"second", "http://a.test/v1", []string{"proxy", "tls"}, "proxy, tls: it makes its calls itself and can be told a base_url only"},
		{"placed", "http://nowhere", nil, "there is nothing"},
	} {
		spec := pluginhost.ProviderSpec{Name: "c", Plugin: c.plugin, Place: provider.Place{BaseURL: c.baseURL}, Declared: c.declared}
		if p, err := h.Provider(within(t), spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.plugin, err)
			if p != nil {
				p.Close(within(t))
			}
		}
	}
}

// TestAPlaceTravelsWhole, also one that says nothing, to the process that follows one that died, and into no log.
func TestAPlaceTravelsWhole(t *testing.T) {
	h, log := start(t, nil)
	password, key := rand.Text(), rand.Text()
	for _, want := range []provider.Place{
		{},
		{Reach: egress.Public},
		{
			BaseURL: "https://a.test/v1", Reach: egress.Private, Proxy: "http://u:" + password + "@proxy:3128",
			TLS:     egress.Trust{CA: []byte("the authorities"), Cert: []byte("a certificate"), Key: []byte(key), ServerName: "a"},
			Connect: 1500 * time.Millisecond,
		},
	} {
		p := launched(t, h, pluginhost.ProviderSpec{Name: "b", Plugin: "placed", Place: want, Declared: []string{"private", "proxy", "tls"}})
		check := func() {
			t.Helper()
			text, err := said(t, p, "where", "?")
			var got *provider.Place
			if err == nil {
				err = json.Unmarshal([]byte(text), &got)
			}
			if err != nil || got == nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("%v: %q, %v", want, text, err)
			}
		}
		check()
		kill(t, p.PID(), syscall.SIGKILL)
		await(t, "another process", func() bool { return p.State().Restarts == 1 && p.State().Status == pluginhost.Running })
		check()
	}
	if text := log.String(); strings.Contains(text, password) || strings.Contains(text, key) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(key))) {
		t.Errorf("a secret is in the log: %s", text)
	}
}
