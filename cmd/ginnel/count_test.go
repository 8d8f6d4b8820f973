package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCountingAcross: clients of every dialect that counts tokens, and providers of those and of Bedrock's. What a
// provider is told has all that makes tokens, and nothing that its API would refuse.
func TestCountingAcross(t *testing.T) {
	wants := map[string]string{
		"/v1/messages/count_tokens": `{"model":"up","system":"be kind","messages":[{"role":"user","content":"hello"}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}]}`,
		"/v1/responses/input_tokens": `{"model":"up","instructions":"be kind","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}],` +
			`"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false}]}`,
		"/v1beta/models/up:countTokens": `{"generateContentRequest":{"model":"models/up","systemInstruction":{"parts":[{"text":"be kind"}]},"contents":[{"role":"user","parts":[{"text":"hello"}]}],` +
			`"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}]}}`,
		"/model/up/count-tokens": `{"input":{"converse":{"system":[{"text":"be kind"}],"messages":[{"role":"user","content":[{"text":"hello"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}}}}]}}}}`,
	}
	var said string // by the upstream, of the request at hand
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said = string(body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(said, "no count"):
			io.WriteString(w, `{}`)
		case strings.Contains(said, "too much"):
			w.WriteHeader(429)
			io.WriteString(w, `{"error":{"message":"slower, please"},"message":"slower, please"}`)
		case wants[r.URL.Path] == "":
			w.WriteHeader(404)
		default:
			io.WriteString(w, `{"object":"response.input_tokens","input_tokens":19,"totalTokens":19,"inputTokens":19}`)
		}
	}))
	defer up.Close()
	models := ""
	for _, p := range []struct{ name, plugin, base, config string }{
		{"openai", "openai", "/v1", ""}, {"anthropic", "anthropic", "/v1", ""}, {"gemini", "gemini", "/v1beta", ""}, {"cohere", "cohere", "/v2", ""},
		{"bedrock", "bedrock", "", "  config {\n    region = \"eu-central-1\"\n    api_key = \"none\"\n  }\n"},
	} {
		models += fmt.Sprintf("provider %q {\n  plugin = %q\n  base_url = %q\n%s}\nmodel %q {\n  retry = { attempts = 1 }\n%s}\n", "p-"+p.name, p.plugin, up.URL+p.base, p.config, p.name, target("up", "p-"+p.name, "up"))
	}
	gw := start(t, strings.Replace(routed(up.URL, "none", "model.openai, model.anthropic, model.gemini, model.bedrock, model.cohere", models), `"/v1/*"`, `"/*"`, 1))
	post := func(path, body string) (*http.Response, string) {
		t.Helper()
		return gw.do(gw.requestTo(t.Context(), "POST", path, body, "anthropic-version", "2023-06-01"))
	}
	const geminiBody = `"contents":[{"role":"user","parts":[{"text":"hello"}]}],"systemInstruction":{"parts":[{"text":"be kind"}]},"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}]`
	clients := map[string]struct{ path, body, answer string }{
		"anthropic": {"/v1/messages/count_tokens", `{"model":"MODEL","system":"be kind","messages":[{"role":"user","content":"hello"}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}]}`, `{"input_tokens":19}`},
		"openai": {"/v1/responses/input_tokens", `{"model":"MODEL","instructions":"be kind","input":"hello","tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false}]}`,
			`{"object":"response.input_tokens","input_tokens":19}`},
		"gemini":         {"/v1beta/models/MODEL:countTokens", `{` + geminiBody + `,"generationConfig":{"temperature":1,"maxOutputTokens":9}}`, `{"totalTokens":19}`},
		"gemini, inside": {"/v1beta/models/MODEL:countTokens", `{"generateContentRequest":{"model":"models/MODEL",` + geminiBody + `}}`, `{"totalTokens":19}`},
	}
	paths := map[string]string{"openai": "/v1/responses/input_tokens", "anthropic": "/v1/messages/count_tokens", "gemini": "/v1beta/models/up:countTokens", "bedrock": "/model/up/count-tokens"}
	for name, c := range clients {
		ask := func(model, text string) (*http.Response, string) {
			named := strings.NewReplacer("MODEL", model, "hello", text)
			return post(named.Replace(c.path), named.Replace(c.body))
		}
		for model, path := range paths {
			if strings.HasPrefix(name, model) {
				continue // nothing is translated
			}
			resp, body := ask(model, "hello")
			if resp.StatusCode != 200 || body != c.answer || said != wants[path] {
				t.Errorf("%s to %s: %d %s: %s", name, model, resp.StatusCode, body, said)
			}
			if e := gw.event(resp.Header.Get("X-Request-Id")); e.TokensIn != nil {
				t.Errorf("%s to %s: what was counted is taken for used: %d", name, model, *e.TokensIn)
			}
			for text, want := range map[string]int{"no count": 502, "too much": 429} {
				if resp, body := ask(model, text); resp.StatusCode != want || !strings.Contains(body, `"error"`) {
					t.Errorf("%s to %s, %s: %d %s", name, model, text, resp.StatusCode, body)
				}
			}
		}
		if resp, body := ask("cohere", "hello"); resp.StatusCode != 400 || !strings.Contains(body, "cannot count tokens") {
			t.Errorf("%s to Cohere: %d %s", name, resp.StatusCode, body)
		}
	}
	if resp, body := post("/v1beta/models/anthropic:countTokens", `{"contents":[{"parts":[{"text":"hello"}]}],"cachedContent":"c"}`); resp.StatusCode != 400 || !strings.Contains(body, "cachedContent") {
		t.Errorf("what is kept elsewhere: %d %s", resp.StatusCode, body)
	}
}
