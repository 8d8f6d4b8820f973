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

// TestReranking: clients of both forms, and providers of both; those of one form pass, and a provider that has no
// reranking is said to have none.
func TestReranking(t *testing.T) {
	const (
		cohere = `{"id":"9", "results":[{"index":1,"relevance_score":0.75},{"index":0,"relevance_score":0.5}],"meta":{"billed_units":{"search_units":1}}}`
		vllm   = `{"id":"7","model":"up", "usage":{"total_tokens":56},"results":[{"index":1,"document":{"text":"b"},"relevance_score":0.75},{"index":0,"document":{"text":"a"},"relevance_score":0.5}]}`
	)
	asked := make(chan string, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch text := string(body); {
		case strings.Contains(text, "too much"):
			w.WriteHeader(429)
			io.WriteString(w, `{"message":"slower, please","error":{"message":"slower, please"}}`)
		case strings.Contains(text, "twice"):
			io.WriteString(w, `{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}`)
		case r.URL.Path == "/v2/rerank":
			asked <- text
			io.WriteString(w, cohere)
		case r.URL.Path == "/v1/rerank":
			asked <- text
			io.WriteString(w, vllm)
		default:
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":{"message":"unexpected %s"}}`, r.URL.Path)
		}
	}))
	defer up.Close()
	models := ""
	for _, p := range []struct{ name, plugin, base, config string }{
		{"cohere", "cohere", "/v2", ""}, {"vllm", "openai", "/v1", `preset = "vllm"`}, {"gemini", "gemini", "/v1beta", ""},
		{"bedrock", "bedrock", "", "region = \"us-east-1\"\n    api_key = \"none\""}, {"plain", "openai", "/v1", ""},
	} {
		models += fmt.Sprintf("provider %q {\n  plugin = %q\n  base_url = %q\n  config {\n    %s\n  }\n}\nmodel %q {\n  retry = { attempts = 1 }\n%s}\n", "p-"+p.name, p.plugin, up.URL+p.base, p.config, p.name, target("up", "p-"+p.name, "up"))
	}
	gw := start(t, strings.Replace(routed(up.URL, "none", "model.cohere, model.vllm, model.gemini, model.bedrock, model.plain", models), `"/v1/*"`, `"/*"`, 1))
	post := func(path, body string) (*http.Response, string) {
		t.Helper()
		return gw.do(gw.requestTo(t.Context(), "POST", path, body))
	}
	const rest = `, "query":"q","documents":["a",{"text":"b"}],"top_n":2,"return_documents":true,"x":1}`
	for _, c := range []struct{ path, model, sent, answer, dropped string }{
		{"/v2/rerank", "cohere", `{"model":"up"` + rest, cohere, ""},
		{"/v1/rerank", "vllm", `{"model":"up"` + rest, vllm, ""},
		{"/v1/rerank", "cohere", `{"model":"up","query":"q","documents":["a","b"],"top_n":2}`,
			`{"id":"9","object":"list","model":"cohere","results":[{"index":1,"relevance_score":0.75,"document":{"text":"b"}},{"index":0,"relevance_score":0.5,"document":{"text":"a"}}],"meta":{"billed_units":{"search_units":1}}}`, "x"},
		{"/v2/rerank", "vllm", `{"model":"up","query":"q","documents":["a","b"],"top_n":2,"return_documents":false}`,
			`"results":[{"index":1,"relevance_score":0.75,"document":{"text":"b"}},{"index":0,"relevance_score":0.5,"document":{"text":"a"}}],"meta":{"api_version":{"version":"2"},"tokens":{"input_tokens":56}}}`, "x"},
	} {
		resp, body := post(c.path, `{"model":"`+c.model+`"`+rest)
		if resp.StatusCode != 200 {
			t.Fatalf("%s to %s: %d %s", c.path, c.model, resp.StatusCode, body)
		}
		if sent := <-asked; sent != c.sent || !strings.Contains(body, c.answer) || resp.Header.Get(gateway.HeaderDropped) != c.dropped {
			t.Errorf("%s to %s: %v %s\nsent %s", c.path, c.model, resp.Header, body, sent)
		}
		e := gw.event(resp.Header.Get("X-Request-Id"))
		if told := e.TokensIn != nil; told != (c.model == "vllm") || told && *e.TokensIn != 56 {
			t.Errorf("%s to %s: tokens %v", c.path, c.model, e.TokensIn)
		}
	}
	for path, says := range map[string]string{"/v1/rerank": `"error":{"message":"the provider of this model has no reranking"`, "/v2/rerank": `"message":"the provider of this model has no reranking","error_type":"invalid_request"`} {
		for _, model := range []string{"gemini", "bedrock", "plain"} {
			if resp, body := post(path, `{"model":"`+model+`"`+rest); resp.StatusCode != 400 || !strings.Contains(body, says) {
				t.Errorf("%s to %s: %d %s", path, model, resp.StatusCode, body)
			}
		}
		for query, want := range map[string]int{`"too much"`: 429, `"twice"`: 502, `""`: 400, `["q"]`: 400} {
			model := map[string]string{"/v1/rerank": "cohere", "/v2/rerank": "vllm"}[path]
			if resp, body := post(path, fmt.Sprintf(`{"model":%q,"query":%s,"documents":["a"]}`, model, query)); resp.StatusCode != want {
				t.Errorf("%s: %s: %d %s", path, query, resp.StatusCode, body)
			}
		}
		if resp, body := post(path, `{"model":"nobody","query":"q","documents":["a"]}`); resp.StatusCode != 404 || !strings.Contains(body, "nobody") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// TestFiltersSeeReranking: secrets in a question and in texts reach no provider, in either form, and come back from none.
func TestFiltersSeeReranking(t *testing.T) {
	up := newVendor(t)
	token := madeUpToken()
	hcl := strings.Replace(strings.Replace(relay(up.URL, sanitizing(`secrets = "redact"`), "m"), `plugin   = "openai"`, `plugin   = "cohere"`, 1), `"/v1/*"`, `"/*"`, 1)
	gw := start(t, hcl)
	up.says(200, "application/json", []byte(`{"id":"1","results":[{"index":0,"relevance_score":1,"document":{"text":"`+token+`"}}],"meta":{}}`))
	for _, path := range []string{"/v1/rerank", "/v2/rerank"} {
		resp, body := gw.do(gw.requestTo(t.Context(), "POST", path, fmt.Sprintf(`{"model":"m","query":"of %s","documents":["is %[1]s",{"text":"or %[1]s"}],"return_documents":true}`, token)))
		if resp.StatusCode != 200 || strings.Contains(string(up.asked), token) || strings.Count(string(up.asked), "[REDACTED:") != 3 || strings.Contains(body, token) || !strings.Contains(body, "[REDACTED:") {
			t.Errorf("%s: %d %s\nsent %s", path, resp.StatusCode, body, up.asked)
		}
	}
}
