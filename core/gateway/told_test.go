package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
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

// TestAStreamThatIsLeftBeforeItsEnd: who fetches a response in a stream and leaves when he has all words pays for it, once;
// and one that is still being made is counted another time.
func TestAStreamThatIsLeftBeforeItsEnd(t *testing.T) {
	var counted []string
	var asked atomic.Int32
	var ended atomic.Bool
	g, _ := remembering(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "stream=true") {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, created+item+word)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		asked.Add(1)
		status := "in_progress"
		if ended.Load() {
			status = "completed"
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"r","object":"response","status":%q,"output":[],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`, status)
	}, filter{exchange.PhaseDone, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		if x.Usage != nil {
			counted = append(counted, fmt.Sprint(x.ID, " ", x.KeyID, " ", x.Usage.InputTotal))
		}
		return exchange.Verdict{}, nil
	}})
	g.looks = pauses{time.Hour, time.Hour, time.Hour} // nobody but who leaves has the vendor asked
	g.Current().routes[0].Models[0].Targets[0].ProviderName = "p"
	if err := g.Uploads.Leave(uploads.Owner{Provider: "p"}, "r", uploads.Left{Model: "m", Open: true, Key: "key-1"}, nil); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"[]", "[req-1-made key-1 3]", "[req-1-made key-1 3]"} {
		ctx, leave := context.WithCancelCause(t.Context())
		x := exchange.New(ctx)
		x.ID, x.Method, x.Path, x.Query = "req-1", "GET", "/v1/responses/r", "stream=true"
		reply := g.Serve(ctx, x)
		if reply.Stream == nil {
			t.Fatalf("%d %s", reply.Status, reply.Body)
		}
		for got := ""; !strings.Contains(got, word); {
			b, err := reply.Stream.Next(nil)
			if got += string(b); err != nil {
				t.Fatalf("%s, %v", got, err)
			}
		}
		leave(exchange.ErrClientGone)
		reply.Done(exchange.ClientCancelled)
		if got := fmt.Sprint(counted); got != want || int(asked.Load()) != min(i+1, 2) {
			t.Errorf("%d: counted are %s, want %s; the vendor was asked %d times", i, got, want, asked.Load())
		}
		ended.Store(true)
	}
}

// TestUsageBeforeTheEnd: what a stream says of it that breaks off is not counted beside what is told when the response has ended.
func TestUsageBeforeTheEnd(t *testing.T) {
	m := making(t, soon(5), func(asked int) string { return "completed" })
	m.opening = strings.Replace(created, `"output":[]`, `"output":[],"usage":{"input_tokens":3,"output_tokens":0,"total_tokens":3}`, 1)
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	m.left(t, "GET", "/v1/responses/r", "stream=true", "")
	if len(m.counted) != 1 || <-m.counted != "req-1-made key-1 3" {
		t.Error("it is not counted once")
	}
}

// TestAWriteThatFailsAtTheEnd: what a response used that was remembered before is told all the same, once; and what one used
// that was not, and that nobody can fetch.
func TestAWriteThatFailsAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		op         llm.Op
		remembered bool
	}{
		"fetched":                {llm.OpResponses, true},
		"made":                   {llm.OpChat, true},
		"made and nobody's then": {llm.OpChat, false},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := remembering(t, func(http.ResponseWriter, *http.Request) {})
			owner := uploads.Owner{Provider: "p"}
			if c.remembered {
				if err := g.Uploads.Leave(owner, "r", uploads.Left{Open: true}, nil); err != nil {
					t.Fatal(err)
				}
			}
			failed := errors.New("the disk is full")
			s := &serving{Gateway: g, x: exchange.New(t.Context()), owner: owner, left: &leaving{response: "r", writing: make(chan error, 1)}}
			s.answer = &upstream.Answer{Target: new(upstream.Target)}
			s.x.Op, s.x.Finish, s.x.Usage = c.op, "completed", &llm.Usage{InputTotal: 3}
			if s.request.Background = c.op == llm.OpChat; !s.request.Background {
				s.endpoint.Item = "r"
			}
			s.left.writing <- failed
			if err := s.settled(); err != failed || s.x.Usage == nil {
				t.Errorf("%v; usage %v", err, s.x.Usage)
			}
			if v, _, err := g.Uploads.Left(owner, "r"); err != nil || v.Open {
				t.Errorf("it is counted again when it is fetched: %v", err)
			}
		})
	}
}
