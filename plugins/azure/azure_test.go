package azure_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/azure"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: azure.New, Config: `{"headers":{"x-a":"b"}}`})
}

func lease(t *testing.T, config map[string]any) (*provider.Relay, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, azure.New())
	if err := h.Provider.Configure(context.Background(), raw); err != nil {
		return nil, err
	}
	return h.Provider.Relay(context.Background())
}

func TestSurfaces(t *testing.T) {
	for _, c := range []struct {
		surface, version string
		op               llm.Op
		dialect          llm.Dialect
		path, field      string
	}{
		{"", "", llm.OpChat, llm.OpenAI, "/openai/v1/chat/completions", ""},
		{"v1", "preview", llm.OpChat, llm.Responses, "/openai/v1/responses?api-version=preview", ""},
		{"v1", "", llm.OpModels, llm.OpenAI, "/openai/v1/models", ""},
		{"deployments", "", llm.OpChat, llm.OpenAI, "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21", ""},
		{"deployments", "2024-02-01", llm.OpChat, llm.OpenAI, "/openai/deployments/my%20gpt/chat/completions?api-version=2024-02-01", "max_tokens"},
		{"deployments", "2024-09-01-preview", llm.OpChat, llm.OpenAI, "/openai/deployments/my%20gpt/chat/completions?api-version=2024-09-01-preview", ""},
		{"deployments", "a&b", llm.OpEmbeddings, llm.OpenAI, "/openai/deployments/my%20gpt/embeddings?api-version=a%26b", ""},
		{"deployments", "", llm.OpChat, llm.Responses, "", ""},
		{"models", "", llm.OpChat, llm.OpenAI, "/models/chat/completions?api-version=2024-05-01-preview", "max_tokens"},
		{"models", "", llm.OpChat, llm.Responses, "", ""},
	} {
		config := map[string]any{}
		if c.surface != "" {
			config["surface"] = c.surface
		}
		if c.version != "" {
			config["api_version"] = c.version
		}
		r, err := lease(t, config)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := r.Find(c.op, c.dialect)
		if tmpl == nil {
			if c.path != "" {
				t.Errorf("%v: no %s in %s", config, c.op, c.dialect)
			}
			continue
		}
		if got := string(tmpl.AppendPath(nil, "my gpt", true)); got != c.path || tmpl.MaxTokensField != c.field {
			t.Errorf("%v: %s, %q", config, got, tmpl.MaxTokensField)
		}
	}
	if _, err := lease(t, map[string]any{"surface": "none"}); err == nil {
		t.Error("a surface that there is not is taken")
	}
}

func TestCredentials(t *testing.T) {
	key, token := rand.Text(), rand.Text()
	r, err := lease(t, map[string]any{"api_key": key})
	if err != nil || r.Header.Get("api-key") != key || len(r.Header) != 1 || !r.Stale(401, nil) || r.Stale(403, nil) || r.Stale(404, nil) {
		t.Errorf("%v", err)
	}
	r, err = lease(t, map[string]any{"auth_token": token})
	if err != nil || r.Header.Get("Authorization") != "Bearer "+token || len(r.Header) != 1 {
		t.Errorf("%v", err)
	}
	for name, config := range map[string]map[string]any{
		"line end in the key":  {"api_key": key + "\r\nx: y"},
		"line end in a header": {"headers": map[string]string{"x": key + "\n"}},
		"framing":              {"headers": map[string]string{"Content-Length": key}},
	} {
		if _, err := lease(t, config); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
