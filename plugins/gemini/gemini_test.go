package gemini_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/gemini"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: gemini.New, Config: `{"headers":{"x-a":"b"}}`})
}

func lease(t *testing.T, config map[string]any) (*provider.Relay, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, gemini.New())
	if err := h.Provider.Configure(context.Background(), raw); err != nil {
		return nil, err
	}
	return h.Provider.Relay(context.Background())
}

func TestLease(t *testing.T) {
	key := rand.Text()
	r, err := lease(t, map[string]any{"api_key": key, "headers": map[string]string{"X-Title": "t"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("x-goog-api-key") != key || r.Header.Get("x-title") != "t" || len(r.Header) != 2 {
		t.Errorf("%d fields", len(r.Header))
	}
	for _, c := range []struct {
		op     llm.Op
		stream bool
		want   string
	}{
		{llm.OpChat, false, "/models/a%2Fb%3Ac:generateContent"},
		{llm.OpChat, true, "/models/a%2Fb%3Ac:streamGenerateContent"},
		{llm.OpCountTokens, false, "/models/a%2Fb%3Ac:countTokens"},
		{llm.OpEmbeddings, false, "/models/a%2Fb%3Ac:embedContent"},
		{llm.OpBatchEmbeddings, false, "/models/a%2Fb%3Ac:batchEmbedContents"},
	} {
		if tmpl := r.Find(c.op, llm.Gemini); tmpl == nil || tmpl.Method != "POST" || string(tmpl.AppendPath(nil, "a/b:c", c.stream)) != c.want {
			t.Errorf("%s: %+v", c.op, tmpl)
		}
	}
	for _, c := range []struct {
		status int
		body   string
		want   bool
	}{
		{400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`, true},
		{400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`, false},
		{401, ``, true},
		{400, `{"error":{"code":400,"message":"no \"API_KEY_INVALID\"","status":"INVALID_ARGUMENT"}}`, false},
		{403, `{"error":{"code":403,"message":"Your API key was reported as leaked.","status":"PERMISSION_DENIED"}}`, true},
		{403, `{"error":{"code":403,"message":"Method doesn't allow unregistered callers","status":"PERMISSION_DENIED"}}`, true},
		{403, `{"error":{"code":403,"message":"You do not have permission to access the File a","status":"PERMISSION_DENIED"}}`, false},
		{404, ``, false},
		{429, ``, false},
	} {
		if r.Stale(c.status, []byte(c.body)) != c.want {
			t.Errorf("%d %s: stale is not %v", c.status, c.body, c.want)
		}
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
		"framing":              {"headers": map[string]string{"Content-Length": secret}},
	} {
		if _, err := lease(t, config); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
