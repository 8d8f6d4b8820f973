package gateway

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// batching returns what begins a batch of three calls, as a team that may make ten of them an hour, and what is left of
// that behind it.
func batching(t *testing.T, h http.HandlerFunc, filters ...exchange.Filter) (status int, left int64) {
	t.Helper()
	g, s := remembering(t, h, filters...)
	keys, err := access.Open(access.Needs{Store: s, Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	key, text, err := keys.Create(access.Spec{Name: "a", Team: "t"})
	if err != nil {
		t.Fatal(err)
	}
	rate := limit.Rate{Limit: 10, Per: 24 * time.Hour}
	route := *g.Current().routes[0]
	at := *route.Models[0].Targets[0]
	at.ProviderName = "p"
	route.Open, route.Files = false, &upstream.Model{Name: "files", Attempts: 1, Targets: []*upstream.Target{&at}}
	g.Keys, g.Limiter = keys, limit.New(limit.Config{})
	g.Swap(NewGeneration([]*Route{&route}, []*Team{{Name: "t", Rate: &rate}}))
	for _, id := range []string{"file-1", "file-2"} {
		if err := g.Uploads.Add(uploads.Owner{Tenant: key.Tenant(), Provider: "p"}, id, uploads.Upload{Kind: "files", Purpose: "batch", Calls: 3}); err != nil {
			t.Fatal(err)
		}
	}
	x := exchange.New(t.Context())
	x.ID, x.Method, x.Path = "req-1", "POST", "/v1/batches"
	x.Request.Header = llm.Header{{Name: "Authorization", Value: "Bearer " + text}}
	x.Request.Body = exchange.NewBody([]byte(`{"input_file_id":"file-1"}`), nil)
	reply := g.Serve(t.Context(), x)
	reply.Done(exchange.Completed)
	return reply.Status, g.Limiter.Take(rate, "team/t", 0, time.Now()).Remaining
}

// made answers as a vendor that has begun a batch.
func made(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"id":"batch-1","object":"batch","status":"validating"}`)
}

// TestABatchThatAFilterReplaces is charged once, as the one that it is made.
func TestABatchThatAFilterReplaces(t *testing.T) {
	replace := filter{exchange.PhaseRequestBody, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		x.Request.Body.Replace([]byte(`{"input_file_id":"file-2"}`))
		return exchange.Verdict{}, nil
	}}
	if status, left := batching(t, made, replace, replace); status != 200 || left != 6 { // and the request itself
		t.Errorf("%d, %d are left", status, left)
	}
}

// TestABatchThatIsMadeIsCharged, whatever becomes of the answer; and one that is not made is not.
func TestABatchThatIsMadeIsCharged(t *testing.T) {
	refuse := filter{exchange.PhaseResponseHead, func(exchange.Phase, *exchange.Exchange) (exchange.Verdict, error) {
		return exchange.Verdict{Action: exchange.Respond, Reply: &exchange.Answer{Status: 403}}, nil
	}}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		filters []exchange.Filter
		status  int
		left    int64
	}{
		"made":                {made, nil, 200, 6},
		"refused by a filter": {made, []exchange.Filter{refuse}, 403, 6},
		"breaks off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			made(w, r)
		}, nil, 502, 6},
		"cannot be read": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"object":"batch"}`)
		}, nil, 502, 6},
		"refused by the vendor": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, nil, 400, 9},
	} {
		if status, left := batching(t, c.answer, c.filters...); status != c.status || left != c.left {
			t.Errorf("%s: %d, %d are left", name, status, left)
		}
	}
}
