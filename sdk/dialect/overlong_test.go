package dialect_test

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestOverlong: what vendors have said to requests that were too long, and to others that were wrong.
func TestOverlong(t *testing.T) {
	long := map[string]bool{"anthropic": true, "cohere": true, "deepseek": true, "ollama": true, "perplexity": true, "vertex": true}
	found := make(map[string]bool)
	for _, x := range recorded.Of(t, "../..", "*err4*.json") {
		if dialect.Overlong(x.Response.Status, x.Answer()) {
			if found[x.Provider] = true; !long[x.Provider] {
				t.Errorf("%s: %.300s", x.Name, x.Answer())
			}
		}
	}
	for provider := range long {
		if !found[provider] {
			t.Errorf("%s is not understood", provider)
		}
	}
	const words = `{"error":{"message":"This model's Maximum Context Length is 8192 tokens."}}`
	if !dialect.Overlong(413, []byte(words)) || dialect.Overlong(429, []byte(words)) || dialect.Overlong(400, []byte(strings.Repeat(" ", 1<<20)+words)) {
		t.Error("status or place")
	}
}
