package cohere_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/ginnel/ginnel/plugins/cohere"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: cohere.New, Config: `{"headers":{"x-a":"b"}}`})
}

func TestLease(t *testing.T) {
	key := rand.Text()
	h := sdktest.StartProvider(t, cohere.New())
	if err := h.Provider.Configure(context.Background(), fmt.Appendf(nil, `{"api_key":%q}`, key)); err != nil {
		t.Fatal(err)
	}
	r, err := h.Provider.Relay(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if tmpl := r.Find(llm.OpChat, llm.Cohere); tmpl == nil || tmpl.Path != "/chat" || r.Header.Get("authorization") != "Bearer "+key || !r.Stale(401, nil) || r.Stale(403, nil) {
		t.Errorf("%+v, %d fields", r.Ops, len(r.Header))
	}
	if tmpl := r.Find(llm.OpRerank, llm.Cohere); tmpl == nil || tmpl.Path != "/rerank" {
		t.Errorf("%+v", tmpl)
	}
}
