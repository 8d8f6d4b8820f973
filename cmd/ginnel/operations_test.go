package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// vendor is an upstream that answers what a test makes up, and keeps what it was asked.
type vendor struct {
	*httptest.Server
	mu     sync.Mutex // protects what follows
	status int
	kind   string
	answer []byte
	path   string
	asked  []byte
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		v.path, v.asked = r.URL.Path, body
		status, kind, answer := v.status, v.kind, v.answer
		v.mu.Unlock()
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		w.Write(answer)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) says(status int, kind string, answer []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.kind, v.answer = status, kind, answer
}

const completionChunk = `data: {"id":"c","object":"text_completion","choices":[{"index":0,"text":%q,"finish_reason":null}]}` + "\n\n"

// TestOtherOperationsAreRelayed: completions, moderations, images and speech reach a provider of OpenAI's
// dialect as the client wrote them, and the answer comes back as it was, with and without filters.
func TestOtherOperationsAreRelayed(t *testing.T) {
	up := newVendor(t)
	sound := make([]byte, 3<<20)
	rand.Read(sound)
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		gw := start(t, relay(up.URL, pipeline, "m"))
		for _, c := range []struct {
			path, body, kind string
			answer           []byte
			usage            string
		}{
			{"/v1/completions", `{"model":"m","prompt":["say","hi"],"max_tokens":3}`, "application/json", []byte(`{"id":"c","object":"text_completion","choices":[{"index":0,"text":"hello","finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`), `"tokens_in":11,"tokens_out":7`},
			{"/v1/completions", `{"model":"m","prompt":"say","stream":true,"stream_options":{"include_usage":true}}`, "text/event-stream", []byte(fmt.Sprintf(completionChunk, "hel") + fmt.Sprintf(completionChunk, "lo") + `data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}` + "\n\ndata: [DONE]\n\n"), `"tokens_in":11,"tokens_out":7`},
			{"/v1/moderations", `{"model":"m","input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}`, "application/json", []byte(`{"id":"modr","model":"m","results":[{"flagged":false,"categories":{}}]}`), ""},
			{"/v1/images/generations", `{"model":"m","prompt":"a cat","n":1}`, "application/json", []byte(`{"created":1,"data":[{"b64_json":"QQ==","revised_prompt":"a small cat"}],"usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105}}`), `"tokens_in":5,"tokens_out":100`},
			{"/v1/images/generations", `{"model":"m","prompt":"a cat","stream":true}`, "text/event-stream", []byte("event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\"}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"QQ==\",\"usage\":{\"input_tokens\":5,\"output_tokens\":100,\"total_tokens\":105}}\n\n"), `"tokens_in":5,"tokens_out":100`},
			{"/v1/audio/speech", `{"model":"m","input":"a word","voice":"alloy"}`, "audio/mpeg", sound, ""},
			{"/v1/audio/speech", `{"model":"m","input":"a word","voice":"alloy","stream_format":"sse"}`, "text/event-stream", []byte("data: {\"type\":\"speech.audio.delta\",\"audio\":\"QQ==\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":3,\"output_tokens\":9,\"total_tokens\":12}}\n\n"), `"tokens_in":3,"tokens_out":9`},
		} {
			up.says(200, c.kind, c.answer)
			resp, body := gw.do(gw.requestTo(context.Background(), "POST", c.path, c.body))
			if resp.StatusCode != 200 || body != string(c.answer) || resp.Header.Get("Content-Type") != c.kind {
				t.Errorf("%s: %s: %d %s: %.300s", name, c.body, resp.StatusCode, resp.Header.Get("Content-Type"), body)
			}
			if up.path != c.path || string(up.asked) != c.body {
				t.Errorf("%s: %s was sent %s", name, up.path, up.asked)
			}
			gw.event(resp.Header.Get("X-Request-Id"))
			for line := range strings.SplitSeq(gw.logs.String(), "\n") {
				if strings.Contains(line, resp.Header.Get("X-Request-Id")) && strings.Contains(line, `"terminal"`) && (!strings.Contains(line, `"completed"`) || !strings.Contains(line, c.usage)) {
					t.Errorf("%s: %s: %s", name, c.body, line)
				}
			}
			// what goes wrong is an error of the dialect's
			up.says(400, "application/json", []byte(`{"error":{"message":"no","type":"invalid_request_error"}}`))
			if resp, body := gw.do(gw.requestTo(context.Background(), "POST", c.path, c.body)); resp.StatusCode != 400 || !strings.Contains(body, `"message":"no"`) {
				t.Errorf("%s: %s: an error: %d %s", name, c.path, resp.StatusCode, body)
			}
			up.says(200, "text/event-stream", []byte(fmt.Sprintf(completionChunk, "cut")))
			if resp, body := gw.do(gw.requestTo(context.Background(), "POST", c.path, c.body)); !strings.Contains(body, `"error"`) {
				t.Errorf("%s: %s: a cut stream: %d %s", name, c.path, resp.StatusCode, body)
			}
		}
	}
}

// TestFiltersSeeOtherOperations: their texts are the filters', both ways, and what cannot be seen is refused.
func TestFiltersSeeOtherOperations(t *testing.T) {
	up := newVendor(t)
	gw := start(t, relay(up.URL, sanitizing(`secrets = "redact"`), "m"))
	token := madeUpToken()
	for path, body := range map[string]string{
		"/v1/completions": `{"model":"m","prompt":["x",%q],"suffix":%[1]q}`, "/v1/moderations": `{"model":"m","input":[{"type":"text","text":%q}]}`,
		"/v1/images/generations": `{"model":"m","prompt":%q}`, "/v1/audio/speech": `{"model":"m","input":"x","voice":"v","instructions":%q}`,
	} {
		up.says(200, "application/json", []byte(`{"choices":[{"index":0,"text":"is `+token+`","finish_reason":"stop"}],"data":[{"revised_prompt":"`+token+`"}]}`))
		resp, text := gw.do(gw.requestTo(context.Background(), "POST", path, fmt.Sprintf(body, token)))
		if resp.StatusCode != 200 || strings.Contains(string(up.asked), token) || !strings.Contains(string(up.asked), "[REDACTED:") {
			t.Errorf("%s: %d: sent %s", path, resp.StatusCode, up.asked)
		}
		if said := path == "/v1/completions" && strings.Contains(text, `is `+token) || path == "/v1/images/generations" && strings.Contains(text, `"revised_prompt":"`+token); said {
			t.Errorf("%s: %s", path, text)
		}
	}
	up.says(200, "text/event-stream", []byte(fmt.Sprintf(completionChunk, "it is "+token[:9])+fmt.Sprintf(completionChunk, token[9:])+`data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n"))
	if _, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/completions", `{"model":"m","prompt":"x","stream":true}`)); strings.Contains(text, token[9:]) || !strings.Contains(text, "[REDACTED:") || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("streamed: %s", text)
	}
	for path, body := range map[string]string{
		"/v1/completions": `{"model":"m","prompt":[[1,2,3]]}`, "/v1/moderations": `{"model":"m","input":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}`,
	} {
		if resp, text := gw.do(gw.requestTo(context.Background(), "POST", path, body)); resp.StatusCode != 403 {
			t.Errorf("%s: unseen content: %d %s", body, resp.StatusCode, text)
		}
	}
}

// TestOperationsThatAProviderHasNot are refused with what is missing.
func TestOperationsThatAProviderHasNot(t *testing.T) {
	up := newVendor(t)
	gw := start(t, strings.Replace(relay(up.URL, emptyPipeline, "m"), "config { api_key = secret.up }", `config { preset = "perplexity" }`, 1))
	for _, c := range [][2]string{{"/v1/images/generations", `{"model":"m","prompt":"x"}`}, {"/v1/completions", `{"model":"m","prompt":"x"}`}} {
		if resp, text := gw.do(gw.requestTo(context.Background(), "POST", c[0], c[1])); resp.StatusCode != 400 || !strings.Contains(text, "does not offer") {
			t.Errorf("%s: %d %s", c[0], resp.StatusCode, text)
		}
		if resp, text := gw.do(gw.requestTo(context.Background(), "POST", c[0], `{"prompt":"x"}`)); resp.StatusCode != 400 || !strings.Contains(text, "names no model") {
			t.Errorf("%s without a model: %d %s", c[0], resp.StatusCode, text)
		}
	}
}
