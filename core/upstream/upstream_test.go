package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// provider plans calls to one origin with a credential that a refresh changes.
type provider struct {
	origin  *egress.Origin
	version atomic.Uint64
	err     error
}

func (p *provider) Plan(context.Context, llm.Op, llm.Dialect, string) (*Plan, error) {
	if p.err != nil {
		return nil, p.err
	}
	v := p.version.Load()
	return &Plan{
		Origin: p.origin, Method: "POST", Path: "/call", StreamPath: "/stream", Version: v,
		Header: llm.Header{{Name: "Authorization", Value: "Bearer " + string(rune('a'+v))}},
		Stale:  func(status int, _ []byte) bool { return status == 401 },
	}, nil
}

func (p *provider) Refresh(_ context.Context, version uint64) (bool, error) {
	return p.version.CompareAndSwap(version, version+1), nil
}

// serve returns a target whose answers come from handler.
func serve(t *testing.T, name string, handler http.HandlerFunc) (*Target, *provider) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	o, err := egress.New(egress.Needs{}).Origin(egress.Config{Name: name, URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	p := &provider{origin: o}
	return &Target{Name: name, Provider: p, Model: name}, p
}

func call(header ...llm.Field) *Call {
	return &Call{Op: llm.OpChat, Source: SourceFunc(func(t *Target, _ *Plan, r *Request) error {
		r.Header, r.Body = slices.Clone(header), []byte(t.Model)
		return nil
	})}
}

func body(t *testing.T, a *Answer) string {
	t.Helper()
	if a.Ended {
		return string(a.First)
	}
	all, err := a.Body.All(a.First, 1<<20)
	if err != nil {
		t.Error(err)
	}
	return string(all)
}

func TestStaleCredentialsAreRenewedOnce(t *testing.T) {
	calls := 0
	target, _ := serve(t, "m", func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.Header.Get("Authorization") != "Bearer b" {
			w.WriteHeader(401)
			return
		}
		io.Copy(w, r.Body)
	})
	m := &Model{Name: "m", Targets: []*Target{target}, Attempts: 1}
	a, err := m.Do(t.Context(), call())
	if err != nil || a.Status != 200 || body(t, a) != "m" || calls != 2 {
		t.Errorf("%+v, %v after %d calls", a, err, calls)
	}
}

func TestTheClientDoesNotOverruleTheProvider(t *testing.T) {
	target, _ := serve(t, "m", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(r.Header.Values("Authorization"), ",")+r.Header.Get("X-Own"))
	})
	m := &Model{Name: "m", Targets: []*Target{target}}
	a, err := m.Do(t.Context(), call(llm.Field{Name: "authorization", Value: "Bearer client"}, llm.Field{Name: "X-Own", Value: "!"}))
	if err != nil || body(t, a) != "Bearer a!" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAnotherTargetIsTried: where one fails before its first byte the other answers.
func TestAnotherTargetIsTried(t *testing.T) {
	bad, _ := serve(t, "bad", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	good, _ := serve(t, "good", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for range 10 {
		m := &Model{Name: "m", Targets: []*Target{bad, good}}
		a, err := m.Do(t.Context(), call())
		if err != nil || a.Status != 200 || a.Target != good || body(t, a) != "good" {
			t.Fatalf("%+v, %v", a, err)
		}
	}
}

func TestWhatIsNotTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		calls  int32
	}{
		"the client's mistake": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, 1},
		"a long Retry-After": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, 1},
		"a failure": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 2},
	} {
		var calls atomic.Int32
		target, _ := serve(t, "m", func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			c.answer(w, r)
		})
		a, err := (&Model{Targets: []*Target{target}}).Do(t.Context(), call())
		if err != nil || a.Status < 400 || calls.Load() != c.calls || a.Attempts != int(c.calls) {
			t.Errorf("%s: %+v, %v after %d calls", name, a, err, calls.Load())
		}
	}
	target, p := serve(t, "m", nil)
	p.err = &llm.Error{Code: llm.CodeInvalid, Message: "no such operation"}
	if a, err := (&Model{Targets: []*Target{target}}).Do(t.Context(), call()); !errors.Is(err, p.err) || a.Attempts != 1 {
		t.Errorf("no plan: %+v, %v", a, err)
	}
}

func TestCancelledWhileItWaits(t *testing.T) {
	target, _ := serve(t, "m", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(503)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if a, err := (&Model{Targets: []*Target{target}}).Do(ctx, call()); err == nil || a.Attempts != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": 500 * time.Millisecond, "": 0, "soon": 0, "-1": 0} {
		if d := RetryAfter(llm.Header{{Name: "Retry-After", Value: value}}); d != want {
			t.Errorf("%q: %s", value, d)
		}
	}
	if d := RetryAfter(llm.Header{{Name: "retry-after-ms", Value: "20"}, {Name: "retry-after", Value: "9"}}); d != 20*time.Millisecond {
		t.Errorf("milliseconds: %s", d)
	}
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if d := RetryAfter(llm.Header{{Name: "retry-after", Value: at}}); d < 50*time.Minute || d > time.Hour {
		t.Errorf("a date: %s", d)
	}
}

// TestErrorsHideWhereTheyComeFrom: the log has the cause, the client does not.
func TestErrorsHideWhereTheyComeFrom(t *testing.T) {
	o, err := egress.New(egress.Needs{}).Origin(egress.Config{Name: "secret-name", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	_, err = (&Model{Attempts: 1, Targets: []*Target{{Provider: &provider{origin: o}}}}).Do(t.Context(), call())
	var public *llm.Error
	if !errors.As(err, &public) || public.Code != llm.CodeUnavailable || strings.Contains(public.Message, "127.0.0.1") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%v", err)
	}
}
