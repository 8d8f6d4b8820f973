package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestRefusedRequests: each is answered in OpenAI's shape with the request's id, and no upstream
// hears of it.
func TestRefusedRequests(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, strings.Replace(relay(up.URL, fullPipeline, "mock"), `limits   = { drain = "5s" }`, `limits   = { drain = "5s", body = "64KiB" }`, 1))
	chat := "/v1/chat/completions"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		terminal                 string
	}{
		{"a duplicate key", "POST", chat, `{"model":"mock","model":"other","messages":[]}`, 400, "client_error"},
		{"a key in another case", "POST", chat, `{"model":"mock","Model":"other","messages":[]}`, 400, "client_error"},
		{"an escaped duplicate", "POST", chat, `{"model":"mock","\u006dodel":"other","messages":[]}`, 400, "client_error"},
		{"a nested duplicate", "POST", chat, `{"model":"mock","messages":[{"role":"user","content":"a","content":"b"}]}`, 400, "client_error"},
		{"trailing text", "POST", chat, `{"model":"mock","messages":[]} {}`, 400, "client_error"},
		{"invalid UTF-8", "POST", chat, "{\"model\":\"mock\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", 400, "client_error"},
		{"deep nesting", "POST", chat, `{"model":"mock","messages":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 400, "client_error"},
		{"an array", "POST", chat, `[]`, 400, "client_error"},
		{"nothing", "POST", chat, ``, 400, "client_error"},
		{"no model", "POST", chat, `{"messages":[]}`, 400, "client_error"},
		{"a model of another type", "POST", chat, `{"model":7,"messages":[]}`, 400, "client_error"},
		{"a stream of another type", "POST", chat, `{"model":"mock","stream":"yes","messages":[]}`, 400, "client_error"},
		{"an unknown model", "POST", chat, `{"model":"none","messages":[]}`, 404, "client_error"},
		{"an unknown path", "POST", "/v1/unknown", `{}`, 404, "client_error"},
		{"no route", "POST", "/else", `{}`, 404, "client_error"},
		{"another method", "DELETE", "/v1/models", ``, 405, "client_error"},
		{"a GET of a call", "GET", chat, ``, 405, "client_error"},
		{"too much", "POST", chat, `{"model":"mock","messages":[{"role":"user","content":"` + strings.Repeat("a", 70<<10) + `"}]}`, 413, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(context.Background(), c.method, gw.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status {
				t.Errorf("status %d: %.300s", resp.StatusCode, text)
			}
			id := resp.Header.Get("X-Request-Id")
			checkError(t, string(text), "", id)
			if id == "" {
				t.Error("no request id")
			}
			if c.terminal != "" {
				if e := gw.event(id); e.Terminal != c.terminal {
					t.Errorf("%+v", e)
				}
			}
		})
	}
	req := gw.request(context.Background(), ask("mock", "hello", false))
	req.Header.Set("Content-Encoding", "gzip")
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 415 {
		t.Errorf("an encoded body: %v, %+v", err, resp)
	}
	if n := up.Stats().Requests; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// TestKeys: without one, with a wrong one, with one, with one that may not, with one that was revoked.
func TestKeys(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, strings.Replace(relay(up.URL, fullPipeline, "mock", "mock+chunks=2"), `auth     = "none"`, `auth     = "key"`, 1))
	key, err := gw.CreateKey(daemon.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := gw.CreateKey(daemon.NewKey{Name: "b", Models: []string{"m1"}})
	if err != nil {
		t.Fatal(err)
	}
	try := func(name, text string, status int) {
		t.Helper()
		header := []string{}
		if text != "" {
			header = []string{"Authorization", "Bearer " + text}
		}
		resp, body := gw.post(ask("mock", "hello", false), header...)
		if resp.StatusCode != status {
			t.Errorf("%s: status %d: %s", name, resp.StatusCode, body)
		}
		if status >= 400 {
			checkError(t, body, "", resp.Header.Get("X-Request-Id"))
		}
	}
	try("no key", "", 401)
	try("a wrong key", key.Text[:len(key.Text)-1]+"x", 401)
	try("a key", key.Text, 200)
	try("a key for another model", narrow.Text, 404)
	client, err := daemon.Dial(t.Context(), gw.data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	try("a revoked key", key.Text, 401)
	if _, err := client.RevokeKey(t.Context(), "key_none"); err == nil {
		t.Error("a key that does not exist was revoked")
	}
	if strings.Contains(gw.logs.String(), key.Text) {
		t.Error("a key's text is in the log")
	}
}

// TestModelsAndEmbeddings are the other operations.
func TestModelsAndEmbeddings(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	gw := start(t, relay(up.URL, fullPipeline, "mock"))
	get := func(method, path, body string, status int, want string) http.Header {
		t.Helper()
		req, err := http.NewRequest(method, gw.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !strings.Contains(string(text), want) {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, text)
		}
		return resp.Header
	}
	get("GET", "/v1/models", "", 200, `"id":"m0"`)
	get("GET", "/v1/models/m0", "", 200, `"object":"model"`)
	get("GET", "/v1/models/none", "", 404, "does not exist")
	header := get("POST", "/v1/embeddings", `{"model":"mock","input":["a","b"]}`, 200, `"embedding"`)
	if e := gw.event(header.Get("X-Request-Id")); e.Terminal != "completed" || e.TraceID != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(header.Get("Server-Timing"), "upstream;dur=") {
		t.Errorf("Server-Timing %q", header.Get("Server-Timing"))
	}
	if sent := up.Last().Header.Get("Traceparent"); !strings.HasPrefix(sent, "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(sent, "b7ad6b7169203331") {
		t.Errorf("the upstream got traceparent %q", sent)
	}
	if up.Last().Header.Get("X-Mock") != "" || up.Last().Path != "/v1/embeddings" {
		t.Errorf("%+v", up.Last())
	}
}

// TestMetrics: an exchange is counted by what it went through.
func TestMetrics(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, relay(up.URL, fullPipeline, "mock")+"listener \"admin\" {\n  address = \"127.0.0.1:0\"\n  serve = [\"metrics\"]\n}\n")
	resp, _ := gw.post(ask("mock", "hello", false))
	gw.event(resp.Header.Get("X-Request-Id"))
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "", "/metrics": `model="m0"`} {
		resp, err := http.Get("http://" + gw.Addresses()["admin"] + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(text), want) {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, text)
		}
		if path == "/metrics" {
			for _, label := range []string{`route="all"`, `provider="up"`, `terminal="completed"`} {
				if !strings.Contains(string(text), label) {
					t.Errorf("no %s", label)
				}
			}
		}
	}
}
