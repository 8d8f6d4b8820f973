package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestEachTenantFindsOutWhoRefuses: it is the tenant's calls that a target which refuses them is passed over by.
func TestEachTenantFindsOutWhoRefuses(t *testing.T) {
	var refused atomic.Int32
	target := func(name string, answer http.HandlerFunc) *upstream.Target {
		s := httptest.NewServer(answer)
		t.Cleanup(s.Close)
		origin, err := egress.New(egress.Needs{}).Origin(egress.Config{Name: name, URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { origin.Close() })
		return &upstream.Target{Name: name, Provider: speaking{origin, llm.OpenAI}, Model: "m", State: new(upstream.State)}
	}
	m := &upstream.Model{Name: "m", Balance: upstream.LeastLatency, Targets: []*upstream.Target{
		target("bad", func(w http.ResponseWriter, _ *http.Request) {
			refused.Add(1)
			w.WriteHeader(403)
		}),
		target("good", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
		}),
	}}
	m.Targets[1].Weight = 100 // so that a machine which stands still for seconds does not make the other one better
	g := New(Needs{Telemetry: telemetry.New(telemetry.Config{}), Codecs: codecs.All(), Upstreams: codecs.Upstreams()})
	g.Swap(NewGeneration([]*Route{{Name: "r", Path: "/*", Open: true, Pipeline: exchange.NewPipeline("p"), Models: []Model{{Model: m}}}}, nil))
	for i, tenant := range []string{"one", "two", "three"} {
		for range 10 {
			x := exchange.New(t.Context())
			x.ID, x.Method, x.Path, x.Tenant = "req-1", "POST", "/v1/chat/completions", tenant
			x.Request.Body = exchange.NewBody([]byte(chatBody), nil)
			reply := g.Serve(t.Context(), x)
			if reply.Done(exchange.Completed); reply.Status != 200 {
				t.Fatalf("%d %s", reply.Status, reply.Body)
			}
		}
		if n := refused.Load(); n != int32(i+1) {
			t.Errorf("%d refusals behind tenant %s", n, tenant)
		}
	}
}
