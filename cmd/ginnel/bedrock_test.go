package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// bedrockRelay declares an open route to a service at an address, under several names of models.
func bedrockRelay(t *testing.T, upstream, pipeline string, models ...string) string {
	t.Helper()
	hcl := openAI.relay(upstream, pipeline, models...)
	hcl = strings.Replace(hcl, `plugin   = "openai"`, `plugin   = "bedrock"`, 1)
	hcl = strings.Replace(strings.Replace(hcl, upstream+"/v1", upstream, 1), `"/v1/*"`, `"/*"`, 1)
	out := strings.Replace(hcl, "config { api_key = secret.up }", `config {
    region  = "eu-central-1"
    api_key = secret.up
  }`, 1)
	if out == hcl {
		t.Fatal(hcl)
	}
	return out
}

// TestBedrockInEveryDialect plays a recorded answer and a recorded stream of the service to clients of all
// dialects, and what may go wrong with them.
func TestBedrockInEveryDialect(t *testing.T) {
	var whole, stream *recorded.Exchange
	for _, x := range recorded.Of(t, repository, "bedrock__converse__unary__*.json", "bedrock__converse-stream__stream__*.json") {
		switch text := string(x.Ask()) + string(x.Answer()); {
		case x.Response.Kind == "eventstream" && stream == nil && !strings.Contains(text, "toolUse"):
			stream = x
		case x.Response.Kind == "json" && whole == nil && strings.Contains(text, `"end_turn"`) && !strings.Contains(text, "toolUse"):
			whole = x
		}
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		streamed := strings.HasSuffix(r.URL.Path, "/converse-stream")
		answer, kind := whole.Answer(), "application/json"
		if streamed {
			answer, kind = stream.Answer(), "application/vnd.amazon.eventstream"
		}
		switch {
		case strings.Contains(r.URL.Path, "throttled"):
			w.Header().Set("x-amzn-ErrorType", "ThrottlingException")
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
			io.WriteString(w, `{"message":"slower, please"}`)
			return
		case strings.Contains(r.URL.Path, "cut"):
			answer = answer[:len(answer)*2/3]
			w.Header().Set("Content-Length", fmt.Sprint(len(whole.Answer())))
			if streamed {
				w.Header().Del("Content-Length")
			}
		}
		w.Header().Set("Content-Type", kind)
		w.Write(answer)
	}))
	defer up.Close()
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		gw := start(t, bedrockRelay(t, up.URL, pipeline, "good", "cut", "throttled"))
		for from, client := range translatable() {
			t.Run(fmt.Sprintf("%s/%s", name, from), func(t *testing.T) {
				resp, body := client.send(gw, "good", "hello", false)
				if resp.StatusCode != 200 {
					t.Fatalf("%d: %s", resp.StatusCode, body)
				}
				if words(t, from, body) == "" {
					t.Errorf("no words: %s", body)
				}
				resp, body = client.send(gw, "good", "hello", true)
				if failed, err := client.read(body); resp.StatusCode != 200 || err != nil || failed {
					t.Errorf("%d %v: %s", resp.StatusCode, err, body)
				}
				if resp, body = client.send(gw, "cut", "hello", false); resp.StatusCode != 502 {
					t.Errorf("a cut answer: %d %s", resp.StatusCode, body)
				}
				_, body = client.send(gw, "cut", "hello", true)
				if failed, err := client.read(body); err != nil || !failed {
					t.Errorf("a cut stream: %v: %s", err, body)
				}
				for _, stream := range []bool{false, true} {
					resp, body = client.send(gw, "throttled", "hello", stream)
					if resp.StatusCode != 429 || !strings.Contains(body, "slower, please") || resp.Header.Get("Retry-After") != "60" {
						t.Errorf("throttled: %d %v %s", resp.StatusCode, resp.Header, body)
					}
				}
			})
		}
	}
}

// TestAPluginNamesItsCalls in the log by the ids that clients are told, and by nobody else's.
func TestAPluginNamesItsCalls(t *testing.T) {
	up := httptest.NewServer(nil)
	up.Close()
	gw := start(t, bedrockRelay(t, up.URL, emptyPipeline, "m"))
	resp, _ := gw.do(gw.requestTo(context.Background(), "POST", "/v1/chat/completions", ask("m", "x", false), "X-Request-Id", "forged"))
	id := resp.Header.Get("X-Request-Id")
	if resp.StatusCode != 503 || id == "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	gw.wait("the plugin's line", func() bool { return strings.Contains(gw.logs.String(), `"plugin_request_id":"`+id+`"`) })
	if strings.Contains(gw.logs.String(), "forged") {
		t.Error("a client names calls")
	}
}
