package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// remembering returns a gateway with a state file, before an upstream.
func remembering(t *testing.T, h http.HandlerFunc, filters ...exchange.Filter) (*Gateway, *store.Store) {
	t.Helper()
	up := httptest.NewServer(h)
	t.Cleanup(up.Close)
	s, err := store.Open(store.Needs{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	g := gatewayTo(t, egress.New(egress.Needs{}), up.URL, filters...)
	t.Cleanup(func() { g.Close() })
	g.Uploads, g.Logger, g.lookAgain = uploads.New(s), slog.New(slog.DiscardHandler), time.Minute
	return g, s
}

func request(ctx context.Context, g *Gateway, method, path, body string) *exchange.Reply {
	x := exchange.New(ctx)
	x.ID, x.Method, x.Path = "req-1", method, path
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	return g.Serve(ctx, x)
}

// locked holds the state file for writing until it is called.
func locked(t *testing.T, s *store.Store) (release func()) {
	t.Helper()
	end, begun, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.Update(func(*store.Tx) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	return func() {
		close(end)
		<-ended
	}
}

// waits reports whether a goroutine is in a function, by how a stack writes it.
func waits(in string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), in)
}

const item = "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n"

const word = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"w\"}\n\n"

// TestTheEndWaitsForTheDisk: what an answer leaves is written while it comes, and only its end waits for that.
func TestTheEndWaitsForTheDisk(t *testing.T) {
	whole := fmt.Sprintf(final, "a")
	goOn := make(chan struct{})
	g, s := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, created+item+word)
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, whole)
	})
	release := locked(t, s)
	reply := request(t.Context(), g, "POST", "/v1/responses", responseBody)
	first := ""
	for first != created+item+word {
		b, err := reply.Stream.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		first += string(b)
	}
	close(goOn)
	last := make(chan string, 1)
	go func() {
		b, _ := reply.Stream.Next(nil)
		found, err := g.Uploads.Has(uploads.Owner{}, "msg_1")
		last <- fmt.Sprint(string(b), found, err)
	}()
	for !waits("gateway.(*serving).written(") && len(last) == 0 {
		runtime.Gosched()
	}
	release()
	if got := <-last; got != whole+"true <nil>" {
		t.Errorf("%s", got)
	}
	reply.Done(exchange.Completed)
	if v, found, err := g.Uploads.Left(uploads.Owner{}, "r"); !found || err != nil || v.Model != "m" || v.Open {
		t.Errorf("%+v, %t, %v", v, found, err)
	}
}

// createdThen is an upstream whose response is created, and goes on with the rest when it may.
func createdThen(goOn <-chan struct{}, rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, created)
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, rest)
	}
}

// TestAClientThatLeaves: a response that goes on without its client is its own all the same.
func TestAClientThatLeaves(t *testing.T) {
	goOn := make(chan struct{})
	g, s := remembering(t, createdThen(goOn, ""))
	defer close(goOn)
	release := locked(t, s)
	ctx, leave := context.WithCancelCause(t.Context())
	reply := request(ctx, g, "POST", "/v1/responses", strings.Replace(responseBody, `"stream"`, `"background":true,"stream"`, 1))
	if b, err := reply.Stream.Next(nil); string(b) != created || err != nil {
		t.Fatalf("%s, %v", b, err)
	}
	leave(exchange.ErrClientGone)
	go release()
	reply.Done(exchange.ClientCancelled)
	if v, found, err := g.Uploads.Left(uploads.Owner{}, "r"); !found || err != nil || !v.Open {
		t.Errorf("%+v, %t, %v", v, found, err)
	}
}

// TestABackgroundStreamIsKnownAtOnce: who has its id may ask for it.
func TestABackgroundStreamIsKnownAtOnce(t *testing.T) {
	goOn := make(chan struct{})
	g, s := remembering(t, createdThen(goOn, fmt.Sprintf(final, "a")))
	g.patience = time.Hour
	release := locked(t, s)
	reply := request(t.Context(), g, "POST", "/v1/responses", strings.Replace(responseBody, `"stream"`, `"background":true,"stream"`, 1))
	first := make(chan string, 1)
	go func() {
		b, _ := reply.Stream.Next(nil)
		_, found, err := g.Uploads.Left(uploads.Owner{}, "r")
		first <- fmt.Sprint(strings.HasPrefix(string(b), created), found, err)
	}()
	for !waits("gateway.(*serving).announced(") && len(first) == 0 {
		runtime.Gosched()
	}
	release()
	if got := <-first; got != "true true <nil>" {
		t.Errorf("the first events come: %s", got)
	}
	close(goOn)
	all(t, reply, exchange.Completed)
}

// TestAnAnswerThatBreaksOff: its client has seen the id, and may ask for what there is.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	g, _ := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, created)
	})
	if got := all(t, request(t.Context(), g, "POST", "/v1/responses", responseBody), exchange.Completed); !strings.Contains(got, "error") {
		t.Errorf("%s", got)
	}
	if _, found, err := g.Uploads.Left(uploads.Owner{}, "r"); !found || err != nil {
		t.Errorf("%t, %v", found, err)
	}
}

// TestUsageOfWhatIsNotFetchedAgain counts: a background answer that is not stored says it once.
func TestUsageOfWhatIsNotFetchedAgain(t *testing.T) {
	var used *llm.Usage
	g, _ := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"r","object":"response","status":"completed","store":false,"output":[],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}`)
	}, filter{exchange.PhaseDone, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		used = x.Usage
		return exchange.Verdict{}, nil
	}})
	reply := request(t.Context(), g, "POST", "/v1/responses", `{"model":"m","input":"x","background":true,"store":false}`)
	if reply.Done(exchange.Completed); reply.Status != 200 || used == nil || used.OutputTotal != 4 {
		t.Errorf("%d %s, %+v", reply.Status, reply.Body, used)
	}
}

// TestAPanicGivesBack what the exchange holds: a generation that waits for it would never end.
func TestAPanicGivesBack(t *testing.T) {
	g, _ := remembering(t, func(http.ResponseWriter, *http.Request) {}, filter{exchange.PhaseRequestHead, func(exchange.Phase, *exchange.Exchange) (exchange.Verdict, error) {
		panic("a filter's")
	}})
	func() {
		defer func() { recover() }()
		request(t.Context(), g, "POST", "/v1/responses", responseBody)
	}()
	if n := len(g.Current().live); n > 0 {
		t.Errorf("%d exchanges are in the generation", n)
	}
}

// TestAStateThatFails: nobody goes on from what cannot be looked up, and an answer that is there comes all the same.
func TestAStateThatFails(t *testing.T) {
	called := 0
	g, s := remembering(t, func(w http.ResponseWriter, r *http.Request) {
		called++
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, created+item+fmt.Sprintf(final, "a"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"r","object":"response","status":"queued","output":[]}`)
	})
	s.Close()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/responses", `{"model":"m","input":"x","previous_response_id":"r"}`},
		{"POST", "/v1/responses", `{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[]}]}`},
		{"GET", "/v1/responses/r", ""}, {"DELETE", "/v1/responses/r", ""},
	} {
		reply := request(t.Context(), g, c.method, c.path, c.body)
		if reply.Done(exchange.Completed); reply.Status != 500 || !strings.Contains(string(reply.Body), "state cannot be read") || called > 0 {
			t.Errorf("%s %s: %d %s, %d calls", c.method, c.path, reply.Status, reply.Body, called)
		}
	}
	if got := all(t, request(t.Context(), g, "POST", "/v1/responses", responseBody), exchange.Completed); !strings.HasSuffix(got, fmt.Sprintf(final, "a")) {
		t.Errorf("%s", got)
	}
	for background, want := range map[string]int{"false": 200, "true": 500} { // of which there is nothing but its id
		reply := request(t.Context(), g, "POST", "/v1/responses", `{"model":"m","input":"x","background":`+background+`}`)
		if reply.Done(exchange.Completed); reply.Status != want {
			t.Errorf("background %s: %d %s", background, reply.Status, reply.Body)
		}
	}
}

// TestNothingIsLeft: an answer that leaves nothing costs nothing.
func TestNothingIsLeft(t *testing.T) {
	s := &serving{x: exchange.New(t.Context()), request: dialect.Request{Unstored: true}}
	s.x.Op, s.answer = llm.OpChat, &upstream.Answer{Target: new(upstream.Target)}
	e := dialect.Event{ID: dialect.Span{Start: 7, End: 12}} // of a message that is not stored
	if n := testing.AllocsPerRun(100, func() {
		s.leave([]byte(`{"id":"msg_1"}`), e.ID, e.Left, e.Unstored)
		s.settled()
		s.written()
	}); n > 0 || s.left != nil {
		t.Errorf("%v allocations", n)
	}
}
