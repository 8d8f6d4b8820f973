package ollama_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/ginnel/ginnel/plugins/ollama"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{New: ollama.New, Config: `{"keep_alive":"10m"}`})
}

func lease(t *testing.T, config map[string]any) (*provider.Relay, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, ollama.New())
	if err := h.Provider.Configure(context.Background(), raw); err != nil {
		return nil, err
	}
	return h.Provider.Relay(context.Background())
}

func TestLease(t *testing.T) {
	key := rand.Text()
	r, err := lease(t, map[string]any{"api_key": key})
	if err != nil {
		t.Fatal(err)
	}
	for op, path := range map[llm.Op]string{llm.OpChat: "/chat", llm.OpEmbeddings: "/embed"} {
		if tmpl := r.Find(op, llm.Ollama); tmpl == nil || tmpl.Path != path || tmpl.Members != "" {
			t.Errorf("%s: %+v", op, tmpl)
		}
	}
	if r.Header.Get("authorization") != "Bearer "+key || !r.Stale(401, nil) || r.Stale(403, nil) {
		t.Errorf("%d fields", len(r.Header))
	}
	if r, err := lease(t, nil); err != nil || len(r.Header) != 0 {
		t.Errorf("a server without a key: %v, %v", r, err)
	}
}

func TestKeepAlive(t *testing.T) {
	for keep, want := range map[string]string{"10m": `"keep_alive":"10m"`, "1h30m": `"keep_alive":"1h30m"`, "-1": `"keep_alive":-1`, "0": `"keep_alive":0`, "-5m": `"keep_alive":"-5m"`} {
		r, err := lease(t, map[string]any{"keep_alive": keep})
		if err != nil {
			t.Errorf("%s: %v", keep, err)
			continue
		}
		for _, tmpl := range r.Ops {
			if tmpl.Members != want || !json.Valid([]byte("{"+tmpl.Members+"}")) {
				t.Errorf("%s: %s has %s", keep, tmpl.Op, tmpl.Members)
			}
		}
	}
	for _, keep := range []string{"long", "10 m", `1m","stream":"`, "01", "1d", "--1"} {
		if r, err := lease(t, map[string]any{"keep_alive": keep}); err == nil {
			t.Errorf("%s is taken: %s", keep, r.Ops[0].Members)
		}
	}
}
