package openai_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/openai"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestPresetsLeadWhereVendorsWereRecorded: a preset reaches an operation at the host and the path at which
// traffic with its vendor was recorded.
func TestPresetsLeadWhereVendorsWereRecorded(t *testing.T) {
	all, err := recorded.All(recorded.Corpus("../.."), "*.json")
	if err != nil {
		t.Skip(err)
	}
	info, err := openai.New().Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	presets := info.Config.Attr("preset").Enum
	seen := map[string]int{}
	for _, x := range all {
		name := map[string]string{"vercel-gateway": "vercel"}[x.Provider]
		if name == "" {
			name = x.Provider
		}
		op, d := llm.OpChat, x.Dialect()
		if x.Endpoint == "embeddings" {
			op, d = llm.OpEmbeddings, llm.OpenAI
		}
		if name == "huggingface" { // recorded behind the name of one of the vendors that it routes to
			continue
		}
		if !slices.Contains(presets, name) || d != llm.OpenAI && d != llm.Responses || strings.HasPrefix(x.Request.Path, "<") || x.Request.Host == "" {
			continue
		}
		r, err := lease(t, map[string]any{"preset": name})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(r.Origin)
		tmpl := r.Find(op, d)
		if err != nil || tmpl == nil {
			t.Errorf("%s: %s: no %s in %s, %v", x.Name, name, op, d, err)
			continue
		}
		local := u.Hostname() == "127.0.0.1"
		if path := u.Path + tmpl.Path; path != x.Request.Path || !local && u.Host != x.Request.Host {
			t.Errorf("%s: %s%s, was recorded at %s%s", x.Name, u.Host, path, x.Request.Host, x.Request.Path)
		}
		seen[name]++
	}
	if len(seen) < 10 {
		t.Errorf("few presets were recorded: %v", seen)
	}
	t.Log(seen)
}
