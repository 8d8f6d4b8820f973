package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestFurtherModels: what a request names besides its model, for the vendor to run too, has to be a model
// that the caller may use, under the vendor's own name.
func TestFurtherModels(t *testing.T) {
	up := newLLMServer(t)
	gw := start(t, strings.Replace(relay(up.URL, emptyPipeline, "small", "large", "named"), `    model = "named"`, `    model = "otherwise"`, 1))
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"small","messages":[{"role":"user","content":"hi"}],%s}`,
		"/v1/responses":        `{"model":"small","input":"hi",%s}`,
		"/v1/messages":         `{"model":"small","max_tokens":9,"messages":[{"role":"user","content":"hi"}],%s}`,
	} {
		for member, refused := range map[string]bool{
			`"models":["large"]`:                             false,
			`"models":["large","secret"]`:                    true,
			`"fallbacks":[{"model":"secret"}]`:               true,
			`"fallbacks":[{"model":"large","max_tokens":1}]`: false,
			`"fallbacks":[{"model":["named"]}]`:              true,
			`"fallbacks":"default"`:                          true,
			`"fallbacks":[{"name":"secret"}]`:                true,
			`"fallbacks":null`:                               false,
			`"fallb\u0061cks":[]`:                            true,
			`"tools":[{"type":"function","name":"x","input_schema":{},"parameters":{},"function":{"name":"x"},"model":"secret"}]`: true,
			`"tools":[{"type":"function","name":"x","input_schema":{},"parameters":{},"function":{"name":"x"},"model":"large"}]`:  false,
		} {
			up.mu.Lock()
			up.body = ""
			up.mu.Unlock()
			if path == "/v1/messages" {
				member = strings.Replace(member, `"function","name"`, `"custom","name"`, 1)
			}
			resp, text := gw.do(gw.requestTo(t.Context(), "POST", path, fmt.Sprintf(body, member)))
			if body, _ := up.last(); (body != "") == refused || refused && resp.StatusCode/100 != 4 {
				t.Errorf("%s with %s: status %d, sent %q: %s", path, member, resp.StatusCode, body, text)
			}
		}
	}
}
