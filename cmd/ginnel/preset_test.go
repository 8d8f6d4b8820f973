package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestPresetSaysWhatTheLimitIsCalled: a request of another dialect is written as the vendor of the
// preset reads it.
func TestPresetSaysWhatTheLimitIsCalled(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	for preset, want := range map[string]string{"openai": `"max_completion_tokens":7`, "together": `"max_tokens":7`} {
		hcl := strings.Replace(openAI.relay(up.URL, emptyPipeline, "mock"), "config { api_key = secret.up }", `config {
    preset   = "`+preset+`"
    dialects = ["openai"]
  }`, 1)
		gw := start(t, hcl)
		resp, body := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", `{"model":"mock","max_tokens":7,"messages":[{"role":"user","content":"hello"}]}`, anthropicAPI.header...))
		last := up.Last()
		if resp.StatusCode != 200 || last.Path != "/v1/chat/completions" || !strings.Contains(last.Body, want) || strings.Count(last.Body, "max_") != 1 {
			t.Errorf("%s: %d %s; sent %s %s", preset, resp.StatusCode, body, last.Path, last.Body)
		}
	}
}

// TestValidateSaysWhereProvidersAre: the origin that a preset or a base_url means is printed, and a preset
// that there is not is a mistake with its line.
func TestValidateSaysWhereProvidersAre(t *testing.T) {
	dir := t.TempDir()
	hcl := `provider "fast" {
  plugin = "openai"
  config { preset = "groq" }
}
provider "own" {
  plugin   = "openai"
  base_url = "http://127.0.0.1:9/v1"
}
provider "answering" {
  plugin = "echo"
}
`
	if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	s := ginnel(t, dir, "validate")
	for _, want := range []string{"https://api.groq.com/openai/v1", "http://127.0.0.1:9/v1", "the plugin itself"} {
		if s.code != 0 || !strings.Contains(s.out, want) {
			t.Errorf("%s is not in: %d %s%s", want, s.code, s.out, s.err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(strings.Replace(hcl, "groq", "grok", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := ginnel(t, dir, "validate"); s.code != 1 || !strings.Contains(s.err, "gateway.hcl line 3") || !strings.Contains(s.err, "groq") {
		t.Errorf("%d %s", s.code, s.err)
	}
}

// TestValidateMissesAnAddress: a plugin without an origin of its own needs a base_url, and one whose config
// cannot work is a mistake before anything is launched.
func TestValidateMissesAnAddress(t *testing.T) {
	dir := t.TempDir()
	for hcl, want := range map[string]string{
		"provider \"a\" {\n  plugin = \"azure\"\n}\n":                                             "it needs a base_url",
		"provider \"a\" {\n  plugin = \"anthropic\"\n  config {\n    api_key = \"a b\"\n  }\n}\n": "the value for x-api-key",
	} {
		if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(hcl), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := ginnel(t, dir, "validate"); s.code != 1 || !strings.Contains(s.err, want) || !strings.Contains(s.err, "line 1") {
			t.Errorf("%d %s", s.code, s.err)
		}
	}
}

// TestPresetsAreDocumented: the guide lists every preset with its address, and where thoughts come back.
func TestPresetsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs/guides/providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := builtinProviders()["openai"]().Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range info.Config.Attr("preset").Enum {
		begin, end := "| `"+name+"` | `"+info.Origins[i]+"` |", "` | |"
		p := builtinProviders()["openai"]()
		if err := p.Configure(t.Context(), []byte(`{"preset":"`+name+`"}`)); err != nil {
			t.Fatal(err)
		}
		lease, err := p.(provider.Relayer).Relay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if chat := lease.Find(llm.OpChat, llm.OpenAI); chat != nil && chat.ReasoningField != "" {
			end = "` | `" + chat.ReasoningField + "` |"
		}
		_, row, found := strings.Cut(string(page), begin)
		if row, _, _ = strings.Cut(row, "\n"); !found || !strings.HasSuffix(row, end) {
			t.Errorf("the guide has no row that begins %s and ends %s", begin, end)
		}
	}
}
