package openai_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/openai"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: openai.New, Config: `{"organization":"o"}`})
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
