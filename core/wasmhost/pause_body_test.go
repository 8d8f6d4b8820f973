package wasmhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
)

// everyEvent returns the guest as a filter that sees bodies of answers and raw events too.
func everyEvent(t *testing.T, l Limits) (*Filter, *judge) {
	t.Helper()
	h, _ := guest(t)
	wasm, err := os.ReadFile(filepath.Join(bench.dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("testdata/guest/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if wasm, err = AttachManifest(wasm, []byte(strings.Replace(string(manifest), `"delta",`, `"response_body", "delta", "event",`, 1))); err != nil {
		t.Fatal(err)
	}
	m, err := h.Open(context.Background(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	j := newJudge(t)
	f, err := h.NewFilter(Spec{
		Name: "guest", Module: m, Limits: l, Egress: egress.New(egress.Needs{}), KV: newKV(t), Limiter: newLimiter(),
		Config: []byte(`{"origin":"` + j.URL + `"}`), Grant: Grant{HTTP: []string{j.URL}, KV: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(context.Background()) })
	return f, j
}

// rawEvent is an event with one text.
func rawEvent(text string) *exchange.Event {
	return &exchange.Event{Raw: []byte("data: " + text + "\n\n"), Body: exchange.NewBody([]byte(text), []dialect.Text{{Span: dialect.Span{End: len(text)}}})}
}

// TestAPauseInABodyOrAnEvent goes on in the phase that it began in, with what may be done there.
func TestAPauseInABodyOrAnEvent(t *testing.T) {
	f, _ := everyEvent(t, patient)
	for _, c := range []struct {
		query string
		phase exchange.Phase
		act   exchange.Action
		body  string
	}{
		{"body ask /good", exchange.PhaseRequestBody, exchange.Continue, `{"a":1}`},
		{"body ask /again+/put+{\"b\":2}", exchange.PhaseRequestBody, exchange.Continue, `{"b":2}`},
		{"body ask /deny+no", exchange.PhaseRequestBody, exchange.Respond, `{"a":1}`},
		{"answer ask /good", exchange.PhaseResponseBody, exchange.Continue, `{"a":1}`},
		{"answer ask /put+{\"b\":2}", exchange.PhaseResponseBody, exchange.Continue, `{"b":2}`},
		{"answer ask /deny+no", exchange.PhaseResponseBody, exchange.Respond, `{"a":1}`},
	} {
		x := newExchange(c.query)
		x.Request.Body, x.Response.Body = bodyOf(`{"a":1}`), bodyOf(`{"a":1}`)
		v := run(t, f, c.phase, x)
		got := x.Request.Body.Bytes()
		if c.phase == exchange.PhaseResponseBody {
			got = x.Response.Body.Bytes()
		}
		if v.Action != c.act || string(got) != c.body || !strings.HasPrefix(said(x), "1 200 for t") {
			t.Errorf("%s: %+v, %s, %q", c.query, v, got, said(x))
		}
	}
	for query, want := range map[string]exchange.Action{"event ask /good": exchange.Continue, "event ask /drop": exchange.Drop, "event ask /deny+no": exchange.Respond} {
		x := newExchange(query)
		x.Stream, x.Event = true, rawEvent("hello")
		if v := run(t, f, exchange.PhaseEvent, x); v.Action != want || !strings.HasPrefix(said(x), "1 200 for t") {
			t.Errorf("%s: %+v, %q", query, v, said(x))
		}
	}
	if n := f.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
}

// TestAPauseInAnEventKeepsTheStreamsOrder, and what the guest may not do after one is refused.
func TestAPauseInAnEventKeepsTheStreamsOrder(t *testing.T) {
	f, j := everyEvent(t, patient)
	x := newExchange("event ask /good")
	x.Stream = true
	flow := exchange.NewPipeline("p", f).Flow(x)
	if _, err := flow.Request(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, text := range []string{"one", "two", "three"} {
		if _, err := flow.Event(t.Context(), rawEvent(text), func(e *exchange.Event) { out += string(e.Body.Bytes()) + " " }); err != nil {
			t.Fatal(err)
		}
	}
	if out != "one two three " || len(j.arrived) != 3 {
		t.Errorf("%q, %d calls", out, len(j.arrived))
	}
	for query, phase := range map[string]exchange.Phase{"event ask /put+x": exchange.PhaseEvent, "body ask /drop": exchange.PhaseRequestBody, "answer ask /hold+1": exchange.PhaseResponseBody} {
		x := newExchange(query)
		x.Tenant = query // a failure counts against its tenant
		x.Stream, x.Event = phase == exchange.PhaseEvent, rawEvent("hello")
		x.Request.Body, x.Response.Body = bodyOf(`{}`), bodyOf(`{}`)
		if _, err := f.Run(t.Context(), phase, x); err == nil {
			t.Errorf("%s passes", query)
		}
	}
}

// TestPausesInBodiesEnd with their time and with the client.
func TestPausesInBodiesEnd(t *testing.T) {
	f, _ := everyEvent(t, Limits{Time: 20 * time.Second, Pause: 50 * time.Millisecond})
	for query, phase := range map[string]exchange.Phase{"body ask /wait": exchange.PhaseRequestBody, "answer ask /wait": exchange.PhaseResponseBody, "event ask /wait": exchange.PhaseEvent} {
		x := newExchange(query)
		x.Tenant, x.Event = query, rawEvent("hello")
		if _, err := f.Run(t.Context(), phase, x); !errors.Is(err, errPauseOver) {
			t.Errorf("%s: %v", query, err)
		}
	}
	f, j := everyEvent(t, patient)
	for query, phase := range map[string]exchange.Phase{"body ask /wait": exchange.PhaseRequestBody, "answer ask /wait": exchange.PhaseResponseBody, "event ask /wait": exchange.PhaseEvent} {
		ctx, cancel := context.WithCancelCause(context.Background())
		x := exchange.New(ctx)
		x.Query, x.Event = query, rawEvent("hello")
		ended := make(chan error)
		go func() {
			_, err := f.Run(context.Background(), phase, x)
			ended <- err
		}()
		<-j.arrived
		cancel(exchange.ErrClientGone)
		if err := <-ended; !errors.Is(err, exchange.ErrClientGone) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if n := f.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
}
