package mistral_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/mistral"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: mistral.New, Config: `{"headers":{"x-a":"b"}}`})
}

// TestLease: it leads where traffic with the vendor was recorded.
func TestLease(t *testing.T) {
	key := rand.Text()
	h := sdktest.StartProvider(t, mistral.New())
	if err := h.Provider.Configure(context.Background(), fmt.Appendf(nil, `{"api_key":%q}`, key)); err != nil {
		t.Fatal(err)
	}
	r, err := h.Provider.Relay(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	info, err := h.Provider.Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("authorization") != "Bearer "+key || !r.Stale(401, nil) || r.Stale(403, nil) || r.Find(llm.OpModerations, llm.OpenAI) == nil {
		t.Errorf("%+v, %d fields", r.Ops, len(r.Header))
	}
	for _, x := range recorded.Of(t, "../..", "mistral__*.json") {
		op := llm.OpChat
		if x.Endpoint == "embeddings" {
			op = llm.OpEmbeddings
		}
		tmpl := r.Find(op, llm.Mistral)
		if tmpl == nil || !strings.HasSuffix(info.Origins[0]+tmpl.Path, x.Request.Host+x.Request.Path) {
			t.Errorf("%s: %+v, was recorded at %s%s", x.Name, tmpl, x.Request.Host, x.Request.Path)
		}
	}
}
