package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// azureSurface returns the surface and the version that a recording was made with.
func azureSurface(r *recording) (surface, version string) {
	at, err := url.Parse(strings.TrimPrefix(r.Request.Path, "/"))
	if err != nil {
		return "", ""
	}
	path := strings.TrimLeft(at.Path, "/")
	for prefix, surface := range map[string]string{"openai/v1/": "v1", "openai/deployments/": "deployments", "models/": "models"} {
		if strings.HasPrefix(path, prefix) {
			return surface, at.Query().Get("api-version")
		}
	}
	return "", ""
}

// azureDeployment returns the name of the deployment, which the recording's path may have.
func azureDeployment(r *recording) string {
	_, after, found := strings.Cut(r.Request.Path, "/deployments/")
	if name, _, ok := strings.Cut(after, "/"); found && ok {
		return name
	}
	return r.bodyModel()
}

// azureGateway declares a route to a resource under the name of one deployment.
func azureGateway(t *testing.T, upstream string, r *recording) *running {
	t.Helper()
	surface, version := azureSurface(r)
	lines := fmt.Sprintf("config {\n    surface = %q\n    api_key = secret.up\n", surface)
	if version != "" {
		lines += fmt.Sprintf("    api_version = %q\n", version)
	}
	hcl := azureRelay(upstream, azureDeployment(r), r.bodyModel())
	return start(t, strings.Replace(hcl, "config { api_key = secret.up }", lines+"  }", 1))
}

// azureRelay declares an open route to one deployment of a resource, under the name of a model.
func azureRelay(upstream, deployment, model string) string {
	hcl := openAI.relay(upstream, emptyPipeline, model)
	hcl = strings.Replace(hcl, `plugin   = "openai"`, `plugin   = "azure"`, 1)
	hcl = strings.Replace(hcl, upstream+"/v1", upstream, 1)
	return strings.Replace(hcl, fmt.Sprintf("model = %q", model), fmt.Sprintf("model = %q", deployment), 1)
}

// TestAzureRecordings plays what was recorded with Azure: every surface is called at the path at which it
// was recorded, and the client gets what the resource sent.
func TestAzureRecordings(t *testing.T) {
	up := &playback{}
	server := httptest.NewServer(up)
	defer server.Close()
	played := map[string]int{}
	for _, r := range recordings(t, "azure__*.json") {
		surface, _ := azureSurface(r)
		played[surface]++
		gw := azureGateway(t, server.URL, r)
		up.now, up.got = r, nil
		path := "/v1/" + map[string]string{"chat-completions": "chat/completions"}[r.Endpoint]
		if path == "/v1/" {
			path += strings.ReplaceAll(r.Endpoint, ".", "/")
		}
		resp, body := gw.do(gw.requestTo(context.Background(), "POST", path, string(r.request())))
		if want := "/" + strings.TrimLeft(r.Request.Path, "/"); up.at != want {
			t.Errorf("%s: sent to %s, want %s (%d %s)", r.name, up.at, want, resp.StatusCode, body)
		}
		switch {
		case r.Response.Status == 401:
			if resp.StatusCode != 502 || strings.Contains(body, "subscription") {
				t.Errorf("%s: a key that is not accepted is the gateway's own trouble: %d %s", r.name, resp.StatusCode, body)
			}
		case resp.StatusCode != r.Response.Status || body != string(r.response()):
			t.Errorf("%s: %d %s", r.name, resp.StatusCode, body)
		}
	}
	if len(played) != 3 {
		t.Errorf("not every surface was played: %v", played)
	}
}

// TestAzureErrorsInAnotherDialect: an error of Azure's is one of the client's dialect, with its status.
func TestAzureErrorsInAnotherDialect(t *testing.T) {
	for body, status := range map[string]int{
		`{"error":{"type":"invalid_request_error","code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`:                                  404,
		`{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`: 400,
		`{"statusCode":429,"message":"Rate limit is exceeded. Try again in 1 seconds."}`:                                                                                           429,
	} {
		r := &recording{}
		r.Request.Path, r.Request.Body = "/openai/v1/chat/completions", []byte(`{"model":"m"}`)
		r.Response.Status, r.Response.Body = status, []byte(body)
		up := &playback{now: r}
		server := httptest.NewServer(up)
		gw := azureGateway(t, server.URL, r)
		resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/messages", `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"hello"}]}`, anthropicAPI.header...))
		if resp.StatusCode != status || !strings.HasPrefix(text, `{"type":"error"`) {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
		server.Close()
	}
}
