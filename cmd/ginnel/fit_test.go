package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestACallGoesWhereItFits: by what is declared of the targets, and by what an upstream says of the call.
func TestACallGoesWhereItFits(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	small := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		io.WriteString(w, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}`)
	}))
	t.Cleanup(small.Close)
	fit := func(target, attrs string) string { return strings.TrimSuffix(target, "  }\n") + attrs + "\n  }\n" }
	gw := start(t, routed(up.URL, "none", "model.chat, model.words, model.alone", "provider \"small\" {\n  plugin = \"openai\"\n  base_url = \""+small.URL+"\"\n}\n"+
		"model \"chat\" {\n"+fit(target("small", "small", "s"), `    lacks = ["images", "tools"]
    context = 8192
    weight = 1000`)+fit(target("large", "up", "mock"), "    context = 100000")+"}\n"+
		"model \"words\" {\n  fallback = [model.seeing]\n"+fit(target("a", "small", "s"), `    lacks = ["images"]`)+"}\n"+
		"model \"seeing\" {\n"+target("b", "claude", "mock")+"}\n"+
		"model \"alone\" {\n"+fit(target("a", "small", "s"), `    lacks = ["images"]`)+"}\n"))
	image := func(model string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":[{"type":"text","text":"what is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`, model)
	}
	for name, c := range map[string]struct {
		body   string
		status int
		route  string
		tries  string
	}{
		"an image":              {image("chat"), 200, "chat/large/1", "chat/small unsuited, chat/large answered"},
		"many words":            {ask("chat", strings.Repeat("many words ", 5000), false), 200, "chat/large/1", "chat/small unsuited, chat/large answered"},
		"more than it seemed":   {ask("chat", "hello", false), 200, "chat/large/2", "chat/small overlong, chat/large answered"},
		"to a fallback":         {image("words"), 200, "seeing/b/1", "words/a unsuited, seeing/b answered"},
		"nowhere":               {image("alone"), 400, "", "alone/a unsuited"},
		"nowhere for its words": {ask("alone", "hello", false), 400, "alone/a/1", ""},
	} {
		resp, body := gw.post(c.body)
		for n := 0; name == "more than it seemed" && resp.Header.Get(gateway.HeaderRoute) == "chat/large/1" && n < 100; n++ { // by chance, one in a thousand
			resp, body = gw.post(c.body)
		}
		e := gw.event(resp.Header.Get("X-Request-Id"))
		if resp.StatusCode != c.status || resp.Header.Get(gateway.HeaderRoute) != c.route || untimed(e.Tries) != c.tries {
			t.Errorf("%s: status %d by %s, tries %q: %.300s", name, resp.StatusCode, resp.Header.Get(gateway.HeaderRoute), e.Tries, body)
		}
		if want := "the model takes no images"; name == "nowhere" && !strings.Contains(body, want) {
			t.Errorf("%s: no %q in %s", name, want, body)
		}
	}
}

// untimed returns the attempts of a call without their times.
func untimed(tries string) string { return times.ReplaceAllString(tries, "") }

var times = regexp.MustCompile(` in [0-9.]+ ms`)
