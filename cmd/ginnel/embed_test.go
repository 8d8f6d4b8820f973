package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/gateway"
)

// TestEmbeddingsAcross: clients of OpenAI's and Gemini's embeddings, and providers of those, Cohere's and Ollama's.
func TestEmbeddingsAcross(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch text := string(body); {
		case strings.Contains(text, "short"): // one vector too few
			io.WriteString(w, `{"embeddings":{"float":[[1,2]]}}`)
		case strings.Contains(text, "no vector"):
			io.WriteString(w, `{"embeddings":{}}`)
		case strings.Contains(text, "too much"):
			w.WriteHeader(429)
			io.WriteString(w, `{"message":"slower, please"}`)
		case r.URL.Path == "/v2/embed" && strings.Contains(text, `"texts":["a","b"]`):
			io.WriteString(w, `{"id":"1","embeddings":{"float":[[0.5,1],[-1.25,2]]},"meta":{"billed_units":{"input_tokens":7}}}`)
		case r.URL.Path == "/v1beta/models/up:batchEmbedContents" && strings.Contains(text, `"models/up"`):
			io.WriteString(w, `{"embeddings":[{"values":[0.5,1]},{"values":[-1.25,2]}]}`)
		case r.URL.Path == "/v1/embeddings" && strings.Contains(text, `"input":["a","b"]`):
			io.WriteString(w, `{"object":"list","model":"up","data":[{"object":"embedding","index":1,"embedding":[-1.25,2]},{"object":"embedding","index":0,"embedding":[0.5,1]}],"usage":{"prompt_tokens":7,"total_tokens":7}}`)
		case r.URL.Path == "/api/embed" && strings.Contains(text, `"input":["a","b"]`):
			io.WriteString(w, `{"model":"up","embeddings":[[0.5,1],[-1.25,2]],"prompt_eval_count":7}`)
		default:
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":{"message":"unexpected %s"}}`, r.URL.Path)
		}
	}))
	defer up.Close()
	models := ""
	for _, p := range []struct{ name, base string }{{"openai", "/v1"}, {"gemini", "/v1beta"}, {"cohere", "/v2"}, {"ollama", "/api"}} {
		models += fmt.Sprintf("provider %q {\n  plugin = %q\n  base_url = %q\n}\nmodel %q {\n  retry = { attempts = 1 }\n%s}\n", "p-"+p.name, p.name, up.URL+p.base, p.name, target("up", "p-"+p.name, "up"))
	}
	gw := start(t, strings.Replace(routed(up.URL, "none", "model.openai, model.gemini, model.cohere, model.ollama", models), `"/v1/*"`, `"/*"`, 1))
	post := func(path, body string) (*http.Response, string) {
		t.Helper()
		return gw.do(gw.requestTo(t.Context(), "POST", path, body))
	}
	for _, model := range []string{"cohere", "gemini", "ollama", "openai"} {
		resp, body := post("/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":["a","b"],"user":"u"}`, model))
		dropped := map[string]string{"openai": ""}
		if _, same := dropped[model]; !same {
			dropped[model] = "user"
		}
		if resp.StatusCode != 200 || !strings.Contains(body, "-1.25") || !strings.Contains(body, `"index":1`) || resp.Header.Get(gateway.HeaderDropped) != dropped[model] {
			t.Errorf("%s from OpenAI's: %d %v %s", model, resp.StatusCode, resp.Header, body)
		}
		e := gw.event(resp.Header.Get("X-Request-Id"))
		if told := e.TokensIn != nil && *e.TokensIn == 7; told != (model != "gemini") || model == "gemini" && e.TokensIn != nil {
			t.Errorf("%s: tokens %v", model, e.TokensIn)
		}
		resp, body = post("/v1beta/models/"+model+":batchEmbedContents", fmt.Sprintf(`{"requests":[{"model":"models/%s","content":{"parts":[{"text":"a"}]}},{"model":"models/%s","content":{"parts":[{"text":"b"}]}}]}`, model, model))
		if resp.StatusCode != 200 || !strings.Contains(strings.ReplaceAll(body, " ", ""), `{"values":[0.5,1]},{"values":[-1.25,2]}`) {
			t.Errorf("%s from Gemini's: %d %s", model, resp.StatusCode, body)
		}
	}
	resp, body := post("/v1/embeddings", `{"model":"cohere","input":["a","b"],"encoding_format":"base64"}`)
	if resp.StatusCode != 200 || !strings.Contains(body, `"embedding":"AAAAPwAAgD8="`) {
		t.Errorf("in binary: %d %s", resp.StatusCode, body)
	}
	for input, want := range map[string]int{`["short","b"]`: 502, `"no vector"`: 502, `"too much"`: 429, `[1,2]`: 400, `[]`: 400} {
		resp, body := post("/v1/embeddings", fmt.Sprintf(`{"model":"cohere","input":%s}`, input))
		if resp.StatusCode != want || !strings.Contains(body, `"error"`) {
			t.Errorf("%s: %d %s", input, resp.StatusCode, body)
		}
	}
}
