package gateway

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
)

// TestARecordThatDoesNotSayWhoMadeIt is one of an earlier version: what the response used is its asker's.
func TestARecordThatDoesNotSayWhoMadeIt(t *testing.T) {
	for method, want := range map[string]string{"GET": "[req-1 key-1 3]", "DELETE": "[req-1-made key-1 3]"} {
		var counted []string
		g, _ := remembering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method == "DELETE" {
				io.WriteString(w, `{"id":"r","object":"response.deleted","deleted":true}`)
				return
			}
			io.WriteString(w, `{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`)
		}, filter{exchange.PhaseRequestHead | exchange.PhaseDone, func(p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
			if p == exchange.PhaseRequestHead {
				x.KeyID = "key-1"
			} else if x.Usage != nil {
				counted = append(counted, fmt.Sprint(x.ID, " ", x.KeyID, " ", x.Usage.InputTotal))
			}
			return exchange.Verdict{}, nil
		}})
		g.Current().routes[0].Models[0].Targets[0].ProviderName = "p"
		if err := g.Uploads.Leave(uploads.Owner{Provider: "p"}, "r", uploads.Left{Model: "m", Open: true}, nil); err != nil {
			t.Fatal(err)
		}
		for _, status := range map[string][2]int{"GET": {200, 200}, "DELETE": {200, 404}}[method] {
			reply := request(t.Context(), g, method, "/v1/responses/r", "")
			if reply.Done(exchange.Completed); reply.Status != status {
				t.Errorf("%s: %d %s", method, reply.Status, reply.Body)
			}
		}
		if got := fmt.Sprint(counted); got != want {
			t.Errorf("%s: counted are %s, want %s", method, got, want)
		}
	}
}
