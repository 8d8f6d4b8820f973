package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"testing"
)

// vertexRelay declares an open route to one publisher of a project, under the name of a model.
func vertexRelay(upstream, publisher, model, called string) string {
	hcl := openAI.relay(upstream, emptyPipeline, called)
	hcl = strings.Replace(hcl, `plugin   = "openai"`, `plugin   = "vertex"`, 1)
	hcl = strings.Replace(hcl, upstream+"/v1", upstream, 1)
	hcl = strings.Replace(hcl, "config { api_key = secret.up }", `config {
    auth_token = secret.up
    project    = "PROJECT"
    location   = "us-east5"
    publisher  = "`+publisher+`"
  }`, 1)
	return strings.Replace(hcl, `model = "`+called+`"`, `model = "`+model+`"`, 1)
}

// TestClaudeOnVertex plays what was recorded with Anthropic's models there: their bodies name the API's
// version where Anthropic's name the model, and are the client's own but for that.
func TestClaudeOnVertex(t *testing.T) {
	up := &playback{}
	server := httptest.NewServer(up)
	defer server.Close()
	const versions, model = `"anthropic_version":"vertex-2023-10-16"`, `"model": "claude"`
	for _, r := range recordings(t, "vertex__streamRawPredict__*.json") {
		_, name, _ := strings.Cut(r.Request.Path, "/models/")
		name, _, _ = strings.Cut(name, ":")
		gw := start(t, vertexRelay(server.URL, "anthropic", name, "claude"))
		request := bytes.Replace(r.request(), []byte(`"anthropic_version": `), []byte(`"anthropic_version":`), 1) // as the recorder spaced it
		if bytes.Count(request, []byte(versions)) != 1 {
			t.Fatalf("%s: no version in %s", r.name, request)
		}
		up.now, up.got = r, nil
		resp, body := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", strings.Replace(string(request), versions, model, 1), anthropicAPI.header...))
		if at := strings.Replace(r.Request.Path, "@", "%40", 1); up.at != at {
			t.Errorf("%s: sent to %s, want %s", r.name, up.at, at)
		}
		if !bytes.Equal(up.got, request) {
			t.Errorf("%s: sent %s\nwant %s", r.name, up.got, request)
		}
		if resp.StatusCode != 200 || body != string(r.response()) {
			t.Errorf("%s: %d %s", r.name, resp.StatusCode, body)
		}
		// the same from a client of another dialect
		up.got = nil
		resp, body = gw.do(gw.requestTo(context.Background(), "POST", "/v1/chat/completions", `{"model":"claude","stream":true,"messages":[{"role":"user","content":"the \"model\": x"}]}`))
		if resp.StatusCode != 200 || !strings.HasSuffix(body, "data: [DONE]\n\n") || bytes.Count(up.got, []byte(versions)) != 1 || bytes.Contains(up.got, []byte(name)) || bytes.Contains(up.got, []byte(`"model":`)) {
			t.Errorf("%s: %d %s; sent %s", r.name, resp.StatusCode, body, up.got)
		}
	}
}
