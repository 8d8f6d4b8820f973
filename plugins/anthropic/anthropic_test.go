package anthropic_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/anthropic"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: anthropic.New, Config: `{"headers":{"x-tier":"a"}}`})
}

func lease(t *testing.T, config map[string]any) (*provider.Relay, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, anthropic.New())
	if err := h.Provider.Configure(context.Background(), raw); err != nil {
		return nil, err
	}
	return h.Provider.Relay(context.Background())
}

func TestLease(t *testing.T) {
	key, bearer := rand.Text(), rand.Text()
	r, err := lease(t, map[string]any{"api_key": key, "auth_token": bearer, "headers": map[string]string{"X-Title": "t"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"X-Api-Key": key, "Authorization": "Bearer " + bearer, "X-Title": "t"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for op, path := range map[llm.Op]string{llm.OpChat: "/messages", llm.OpCountTokens: "/messages/count_tokens", llm.OpModels: "/models"} {
		if tmpl := r.Find(op, llm.Anthropic); tmpl == nil || tmpl.Path != path {
			t.Errorf("%s: %+v", op, tmpl)
		}
	}
	if !r.Stale(401, nil) || r.Stale(403, nil) || !r.Expires.IsZero() {
		t.Errorf("%+v", r)
	}
	if r, err := lease(t, map[string]any{"api_key": key}); err != nil || r.Header.Count("authorization") != 0 || r.Header.Count("anthropic-version") != 0 {
		t.Errorf("%v", err)
	}
}

func TestRefusesWhatWouldBreakARequest(t *testing.T) {
	secret := rand.Text()
	for name, config := range map[string]map[string]any{
		"line end in the key":   {"api_key": secret + "\r\nx: y"},
		"space in the token":    {"auth_token": secret + " "},
		"bad header name":       {"headers": map[string]string{"x y": secret}},
		"of another type":       {"api_key": []string{secret}},
		"the connection's own":  {"headers": map[string]string{"Content-Length": secret}},
		"line end in a header ": {"headers": map[string]string{"x": secret + "\n"}},
	} {
		if _, err := lease(t, config); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
