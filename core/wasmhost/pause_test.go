package wasmhost

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

// judge is an origin that answers with what a path stands for, when it may.
type judge struct {
	*httptest.Server
	arrived chan string   // the path of each call
	leave   chan struct{} // lets one call of /wait go
}

func newJudge(t testing.TB) *judge {
	j := &judge{arrived: make(chan string, 1000), leave: make(chan struct{}, 1000)}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.arrived <- r.URL.Path
		if r.URL.Path == "/wait" {
			select {
			case <-j.leave:
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("x-word", "for "+r.Header.Get("x-tenant"))
		w.Write([]byte(strings.TrimPrefix(strings.ReplaceAll(r.URL.Path, "+", " "), "/")))
	}))
	t.Cleanup(j.Close)
	return j
}

// judged returns the guest with the origin in its config.
func judged(t testing.TB, s Spec) (*Filter, *judge) {
	j := newJudge(t)
	s.Config, s.Grant.HTTP = []byte(`{"origin":"`+j.URL+`"}`), []string{j.URL}
	return newGuest(t, s), j
}

func TestAPauseGoesOnInThePhaseItBeganIn(t *testing.T) {
	f, _ := judged(t, Spec{})
	for _, c := range []struct {
		query string
		phase exchange.Phase
		want  string
		act   exchange.Action
	}{
		{"ask /good", exchange.PhaseRequestHead, "1 200 for t  0 /good ", exchange.Continue},
		{"ask /again+/good", exchange.PhaseRequestHead, "1 200 for t  0 /again+/good |2 200 for t  14 /good answer for t", exchange.Continue},
		{"ask /deny+bad", exchange.PhaseRequestHead, "1 200 for t  0 /deny+bad ", exchange.Respond},
		{"ask /set+new", exchange.PhaseRequestText, "1 200 for t  0 /set+new |ok|ok", exchange.Continue},
		{"ask /set+new", exchange.PhaseRequestHead, "1 200 for t  0 /set+new |wrong phase|ok", exchange.Continue},
		{"ask /good", exchange.PhaseEnd, "1 200 for t  0 /good ", exchange.Continue},
	} {
		x := newExchange(c.query)
		switch c.phase {
		case exchange.PhaseRequestText:
			x.Query = "text " + c.query
			x.Request.Body = bodyOf(`{"a":"«old»"}`)
		case exchange.PhaseEnd:
			x.Query = "end " + c.query
		}
		v := run(t, f, c.phase, x)
		got := strings.ReplaceAll(said(x), "answer for t", "")
		if want := strings.ReplaceAll(c.want, "answer for t", ""); got != want || v.Action != c.act {
			t.Errorf("%s in %s: %q, %d\nwant %q", c.query, c.phase, got, v.Action, want)
		}
		if c.phase == exchange.PhaseRequestText && string(x.Request.Body.Bytes()) != `{"a":"new"}` {
			t.Errorf("%s", x.Request.Body.Bytes())
		}
	}
	if n := f.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
}

func TestAPauseHoldsNoInstance(t *testing.T) {
	f, j := judged(t, Spec{Limits: Limits{Time: 20 * time.Second, Instances: 1}})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, newExchange("ask /wait")); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		<-j.arrived
	}
	run(t, f, exchange.PhaseRequestHead, newExchange("find")) // the one instance is free
	if n := f.Stats().Instances; n != 1 {
		t.Errorf("%d instances", n)
	}
	for range 5 {
		j.leave <- struct{}{}
	}
	wg.Wait()
}

func TestPausesEnd(t *testing.T) {
	f, _ := judged(t, Spec{Limits: Limits{Time: 20 * time.Second, Pause: 50 * time.Millisecond}})
	_, err := f.Run(t.Context(), exchange.PhaseRequestHead, newExchange("ask /wait"))
	if !errors.Is(err, errPauseOver) || f.Stats().Failures != 1 {
		t.Errorf("too long a pause: %v", err)
	}
	f, j := judged(t, Spec{})
	ctx, cancel := context.WithCancelCause(context.Background())
	x := exchange.New(ctx)
	x.Query = "ask /wait"
	ended := make(chan error)
	go func() {
		_, err := f.Run(context.Background(), exchange.PhaseRequestHead, x)
		ended <- err
	}()
	<-j.arrived
	cancel(exchange.ErrClientGone)
	if err := <-ended; !errors.Is(err, exchange.ErrClientGone) || f.Stats().Failures != 0 {
		t.Errorf("the client left: %v, %+v", err, f.Stats())
	}
	x = newExchange("find")
	x.End = exchange.ClientCancelled
	run(t, f, exchange.PhaseDone, x) // DONE comes all the same
	if err := f.Close(context.Background()); err != nil || f.origins.Open() != 0 {
		t.Errorf("%v, %d calls are open", err, f.origins.Open())
	}
}

func TestPausesThatMayNotBe(t *testing.T) {
	f, _ := judged(t, Spec{})
	for _, c := range []struct{ query, want string }{
		{"pause", errNoCall.Error()},
		{"ask /alone", errNoCall.Error()}, // its one call has ended
		{"ask /panic", "in the answer"},
		{"ask /drop", "action 2"},
		{"ask /hold+3", "action 4"},
	} {
		x := newExchange(c.query)
		x.Tenant = c.query
		if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.query, err)
		}
	}
	x := newExchange("done ask /good")
	if v := run(t, f, exchange.PhaseDone, x); v != (exchange.Verdict{}) || said(x) != "" {
		t.Errorf("a pause in done: %+v %q", v, said(x))
	}
	f.Close(context.Background())
	if f.origins.Open() != 0 {
		t.Error("the call of done outlives the filter")
	}
}

func TestAPauseInAStreamKeepsItsOrder(t *testing.T) {
	f, _ := judged(t, Spec{})
	got, v := stream(t, f, newExchange("delta ask /set+new"), []string{"one ", "two ", "three"})
	if got != "newnewnew" || v.Action != exchange.Continue {
		t.Errorf("%q, %+v", got, v)
	}
	got, _ = stream(t, f, newExchange("delta ask /drop"), []string{"one ", "two"})
	if got != "" {
		t.Errorf("%q", got)
	}
	got, v = stream(t, f, newExchange("delta ask /deny+no"), []string{"one ", "two"})
	if got != "" || v.Action != exchange.Close || v.Reply.Error.Message != "no" {
		t.Errorf("%q, %+v", got, v)
	}
	got, _ = stream(t, f, newExchange("delta ask /good"), []string{"one ", "two"})
	if got != "one two" {
		t.Errorf("%q", got)
	}
}

func TestOneFilterPausesManyExchanges(t *testing.T) {
	f, _ := judged(t, Spec{Limits: Limits{Time: 20 * time.Second, Instances: 3}})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			x := newExchange("ask /again+/good")
			x.Tenant = string(rune('a' + i%7))
			if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x); err != nil {
				t.Error(err)
			}
			// what another tenant's answer planted is not here
			for _, line := range strings.Split(said(x), "|") {
				if !strings.Contains(line, "for "+x.Tenant) || strings.Contains(line, "answer for") && !strings.HasSuffix(line, "answer for "+x.Tenant) {
					t.Errorf("%s got %q", x.Tenant, line)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzCallBlock reads blocks of http_call: what is accepted is written the same way again.
func FuzzCallBlock(f *testing.F) {
	for _, seed := range []string{":url\x00http://a.test/\x00\x00body", ":url\x00u\x00:method\x00PUT\x00x-a\x001\x00\x00", "\x00", "", ":url\x00u", "x\x00\x00:url\x00u\x00\x00\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		r, ok := parseCall(block)
		if !ok {
			return
		}
		again := ":url\x00" + r.URL + "\x00:method\x00" + r.Method + "\x00"
		for _, h := range r.Header {
			again += h.Name + "\x00" + h.Value + "\x00"
		}
		q, ok := parseCall([]byte(again + "\x00" + string(r.Body)))
		if !ok || q.URL != r.URL || q.Method != r.Method || len(q.Header) != len(r.Header) || string(q.Body) != string(r.Body) {
			t.Errorf("%q: %+v, again %+v", block, r, q)
		}
	})
}
