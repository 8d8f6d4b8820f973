package openai_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/openai"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: openai.New, Config: `{"organization":"o"}`, Part: true})
}

func lease(t *testing.T, config map[string]any) (*provider.Relay, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, openai.New())
	if err := h.Provider.Configure(context.Background(), raw); err != nil {
		return nil, err
	}
	return h.Provider.Relay(context.Background())
}

func TestLease(t *testing.T) {
	key := rand.Text()
	r, err := lease(t, map[string]any{"api_key": key, "organization": "o", "project": "p", "headers": map[string]string{"X-Title": "t", "authorization": "Basic x"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Authorization": "Basic x", "OpenAI-Organization": "o", "OpenAI-Project": "p", "X-Title": "t"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, want := range []provider.Template{
		{Op: llm.OpModels, Dialect: llm.OpenAI, Method: "GET", Path: "/models"},
		{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: "/chat/completions"},
		{Op: llm.OpChat, Dialect: llm.Responses, Method: "POST", Path: "/responses"},
		{Op: llm.OpCompact, Dialect: llm.Responses, Method: "POST", Path: "/responses/compact"},
		{Op: llm.OpCountTokens, Dialect: llm.Responses, Method: "POST", Path: "/responses/input_tokens"},
	} {
		if tmpl := r.Find(want.Op, want.Dialect); tmpl == nil || tmpl.Method != want.Method || tmpl.Path != want.Path {
			t.Errorf("%s of %s: %+v", want.Op, want.Dialect, tmpl)
		}
	}
	if !r.Stale(401, nil) || r.Stale(403, nil) || !r.Expires.IsZero() {
		t.Errorf("%+v", r)
	}
	if r, err := lease(t, map[string]any{"api_key": key}); err != nil || r.Header.Get("authorization") != "Bearer "+key {
		t.Errorf("%v", err)
	}
	if r, err := lease(t, map[string]any{"dialects": []string{"responses"}}); err != nil || r.Find(llm.OpChat, llm.OpenAI) != nil || r.Find(llm.OpChat, llm.Responses) == nil {
		t.Errorf("a server with one dialect: %+v, %v", r, err)
	}
	if _, err := lease(t, map[string]any{"dialects": []string{"gemini"}}); err == nil {
		t.Error("a dialect that the plugin does not have is taken")
	}
	if r, err := lease(t, nil); err != nil || len(r.Header) != 0 {
		t.Errorf("a server without a key: %v, %v", r, err)
	}
}

func TestRefusesWhatWouldBreakARequest(t *testing.T) {
	secret := rand.Text()
	for name, config := range map[string]map[string]any{
		"line end in the key":  {"api_key": secret + "\r\nx: y"},
		"space in the key":     {"api_key": secret + " "},
		"line end in a header": {"headers": map[string]string{"x": secret + "\n"}},
		"bad header name":      {"headers": map[string]string{"x y": secret}},
		"framing":              {"headers": map[string]string{"Content-Length": secret}},
		"host":                 {"headers": map[string]string{"HOST": secret}},
	} {
		if _, err := lease(t, config); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPresets holds every preset to what a lease may be: it leads to an origin of the description, has
// the operations that it lists, and calls the limit of an answer what the vendor does.
func TestPresets(t *testing.T) {
	info, err := openai.New().Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	names := info.Config.Attr("preset").Enum
	if len(names) < 15 || len(names) != len(info.Origins) || info.Origins[0] != "https://api.openai.com/v1" {
		t.Fatalf("%d presets, %d origins", len(names), len(info.Origins))
	}
	for i, name := range names {
		r, err := lease(t, map[string]any{"preset": name})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(info.Origins[i])
		if err != nil || r.Origin != info.Origins[i] || strings.HasSuffix(r.Origin, "/") {
			t.Errorf("%s: %s, %v", name, r.Origin, err)
		}
		if local := u.Hostname() == "127.0.0.1"; u.Scheme != map[bool]string{false: "https", true: "http"}[local] {
			t.Errorf("%s: a vendor is reached by https, a server of this machine by http: %s", name, r.Origin)
		}
		if len(r.Ops) == 0 || !r.Stale(401, nil) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestWhatPresetsDiffer(t *testing.T) {
	field := func(r *provider.Relay) string {
		if tmpl := r.Find(llm.OpChat, llm.OpenAI); tmpl != nil {
			return tmpl.MaxTokensField
		}
		return "no chat"
	}
	for _, c := range []struct {
		config    map[string]any
		field     string
		responses bool
	}{
		{nil, "", true},
		{map[string]any{"preset": "together"}, "max_tokens", false},
		{map[string]any{"preset": "together", "dialects": []string{"openai", "responses"}}, "max_tokens", true},
		{map[string]any{"preset": "groq", "dialects": []string{"openai"}}, "", false},
		{map[string]any{"preset": "vllm", "max_tokens_field": "max_tokens"}, "max_tokens", true},
		{map[string]any{"preset": "voyage"}, "no chat", false},
	} {
		r, err := lease(t, c.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := field(r); got != c.field || (r.Find(llm.OpChat, llm.Responses) != nil) != c.responses {
			t.Errorf("%v: %q, %+v", c.config, got, r.Ops)
		}
	}
	for _, c := range []struct {
		config map[string]any
		field  string
		always bool
	}{
		{nil, "", false},
		{map[string]any{"preset": "deepseek"}, "reasoning_content", true},
		{map[string]any{"preset": "deepseek", "reasoning_field": "none"}, "", false},
		{map[string]any{"preset": "deepseek", "reasoning_field": "reasoning"}, "reasoning", false},
		{map[string]any{"preset": "openrouter"}, "reasoning_details", false},
		{map[string]any{"reasoning_field": "reasoning_content"}, "reasoning_content", false},
	} {
		r, err := lease(t, c.config)
		if err != nil {
			t.Fatal(err)
		}
		if chat := r.Find(llm.OpChat, llm.OpenAI); chat.ReasoningField != c.field || chat.ReasoningAlways != c.always {
			t.Errorf("%v: thoughts come back in %q, %t", c.config, chat.ReasoningField, chat.ReasoningAlways)
		}
	}
	for preset, has := range map[string]bool{"openai": false, "vllm": true, "llamacpp": true, "jina": true} {
		r, err := lease(t, map[string]any{"preset": preset})
		if err != nil || (r.Find(llm.OpRerank, llm.OpenAI) != nil) != has {
			t.Errorf("%s: reranking: %v", preset, err)
		}
	}
	xai, err := lease(t, map[string]any{"preset": "xai"})
	if err != nil {
		t.Fatal(err)
	}
	if !xai.Stale(400, []byte(`{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x***y."}`)) || xai.Stale(400, []byte(`{"error":"bad"}`)) {
		t.Error("xAI says with a 400 that it does not accept a key")
	}
	if _, err := lease(t, map[string]any{"preset": "nobody"}); err == nil {
		t.Error("a preset that there is not is taken")
	}
}
