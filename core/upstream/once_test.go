package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
)

// invoked plans calls to an origin that is a plugin.
type invoked struct{ origin *egress.Origin }

func (p invoked) Plan(context.Context, llm.Op, llm.Dialect, string) (*Plan, error) {
	return &Plan{Origin: p.origin, Method: "POST", Path: "/", Invoked: true}, nil
}
func (invoked) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// TestWhatGoesOnIsMadeOnce: once an upstream has the request, neither a retry nor a fallback makes it again, unless it was
// refused; and the breaker hears of it all the same.
func TestWhatGoesOnIsMadeOnce(t *testing.T) {
	breaks := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, text)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	says := func(status int, fault string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(sdkprovider.ErrorHeader, fault)
			w.WriteHeader(status)
		}
	}
	fails := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(503)
		breaks(`{"error":`)(w, r)
	}
	stays := func(head bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if head {
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc // nil = nobody listens
		again  bool             // it is made again though it is to be made once
	}{
		"a head, then a break":     {breaks(""), false},
		"comments, then a break":   {breaks(": wait\n\n"), false},
		"half a whole answer":      {breaks(`{"id":`), false},
		"an answer without a body": {func(http.ResponseWriter, *http.Request) {}, false},
		"no head":                  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		"nothing in time":          {stays(false), false},
		"nothing more in time":     {stays(true), false},
		"a plugin's failure":       {says(500, "unavailable"), false},
		"a failure":                {says(500, ""), true},
		"half a failure":           {fails, true},
		"a limit":                  {says(429, ""), true},
		"no connection":            {nil, true},
	} {
		for _, once := range []bool{false, true} {
			again := c.again || !once
			var calls atomic.Int32
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				io.Copy(io.Discard, r.Body)
				c.answer(w, r)
			}))
			defer up.Close()
			if c.answer == nil {
				up.Close()
			}
			origin, err := egress.New(egress.Needs{}).Origin(egress.Config{URL: up.URL, Timeouts: egress.Timeouts{FirstByte: 50 * time.Millisecond, Idle: 50 * time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			defer origin.Close()
			bad := &Target{Name: "bad", Provider: invoked{origin}, State: new(State)}
			good, _ := serve(t, "good", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
			m := &Model{Name: "m", Targets: []*Target{bad}, On: []Cause{RateLimited, Failing, TimedOut}, Fallback: []*Model{{Name: "f", Targets: []*Target{good}}}}
			one := call()
			one.Once, one.Judge = once, patient{}
			a, err := m.Do(t.Context(), one)
			if n := calls.Load(); again && (err != nil || a.Target != good || n != 2 && c.answer != nil) || !again && (a.Target != bad || n != 1 || err == nil && a.Status < 400) {
				t.Errorf("%s, once %t: %d calls, %+v, %v", name, once, n, a, err)
			}
			if a.Tries[0].Cause == "" {
				t.Errorf("%s, once %t: its try says not why it failed", name, once)
			}
			if s := bad.State.Snapshot(time.Now()); s.Failures+s.Limited != s.Calls {
				t.Errorf("%s, once %t: %+v", name, once, s)
			}
		}
	}
}

// TestAnEventThatFailsIsAnAnswer of one that has the request.
func TestAnEventThatFailsIsAnAnswer(t *testing.T) {
	s := &script{plays: map[string][]string{"m/a": {"event"}}}
	m := s.model("m", "a")
	m.Fallback = []*Model{s.model("f", "x")}
	if a, err := m.Do(t.Context(), &Call{Once: true}); err != nil || a.Failure == nil || s.made() != "m/a" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAPluginIsToldWhatIsSentOnce, and a vendor is not, who would not know the word.
func TestAPluginIsToldWhatIsSentOnce(t *testing.T) {
	target, relayed := serve(t, "m", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "told "+r.Header.Get(sdkprovider.OnceHeader))
	})
	for p, told := range map[Provider]string{invoked{relayed.origin}: "told 1", relayed: "told "} {
		target.Provider = p
		for _, once := range []bool{false, true} {
			want := told
			if !once {
				want = "told "
			}
			one := call()
			one.Once = once
			if a, err := (&Model{Name: "m", Targets: []*Target{target}}).Do(t.Context(), one); err != nil || body(t, a) != want {
				t.Errorf("%T, once %t: %v", p, once, err)
			}
		}
	}
}
