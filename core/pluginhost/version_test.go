package pluginhost_test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
)

// speaking serves words by one version of the protocol only.
func speaking(version int) {
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
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{version: {plugin.KindProvider: &provider.Plugin{Provider: &words{}, Invoke: server}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
}

// placed is words that says where it was placed.
type placed struct {
	words
	mu  sync.Mutex // protects what follows
	url string
}

var _ provider.Placer = (*placed)(nil)

func (p *placed) Place(url string) error {
	if strings.Contains(url, "nowhere") {
		return &llm.Error{Code: llm.CodeInvalid, Message: "base_url: there is nothing"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url = url
	return nil
}

func (p *placed) Invoke(ctx context.Context, c *llm.Call) (*llm.Response, error) {
	if c.Model != "where" {
		return p.words.Invoke(ctx, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	text := "at " + p.url
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
	newer := launched(t, h, pluginhost.ProviderSpec{Name: "b", Plugin: "placed", BaseURL: "http://a.test/v1"})
	for p, want := range map[*pluginhost.Provider]int{older: plugin.Version1, newer: plugin.Version2} {
		got, err := said(t, p, "m", "hello")
		if err != nil || got != "hello" || p.State().Protocol != want {
			t.Errorf("version %d: %q, %v, %+v", want, got, err, p.State())
		}
	}
	if got, err := said(t, newer, "where", "?"); err != nil || got != "at http://a.test/v1" {
		t.Errorf("%q, %v", got, err)
	}
	for _, c := range []struct{ plugin, baseURL, want string }{
		{"future", "", "it speaks version 9 of the plugin protocol, this release speaks 1 and 2: build it"},
		{"first", "http://a.test", "version 1 of the plugin protocol and cannot be told"},
		{"words", "http://a.test", "does not say that it can be told"},
		{"placed", "http://nowhere", "there is nothing"},
	} {
		if p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "c", Plugin: c.plugin, BaseURL: c.baseURL}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.plugin, err)
			if p != nil {
				p.Close(within(t))
			}
		}
	}
}
