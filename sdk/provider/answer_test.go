package provider_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

// TestAnswer: what an upstream says passes as it is, and what fails says why, in the dialect and without a word of
// where.
func TestAnswer(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Kept", "1")
		w.Header().Set("X-Other", "2")
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(418)
		case "/early":
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "two")
	}))
	defer up.Close()
	origin := func(url string) *egress.Origin {
		o, err := egress.New(egress.Needs{}).Origin(egress.Config{Name: "up", URL: url, NoReplay: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Close() })
		return o
	}
	alive, dead := origin(up.URL), origin("http://127.0.0.1:1")
	for _, stream := range []bool{true, false} {
		for path, c := range map[string]struct {
			origin *egress.Origin
			status int
			body   string
			code   llm.Code
			cut    bool
		}{
			"/":        {alive, 200, "onetwo", "", false},
			"/refused": {alive, 418, "onetwo", "", false},
			"/cut":     {alive, 200, "one", "", true},
			"/early":   {alive, 503, "", llm.CodeUnavailable, false},
			"/dead":    {dead, 503, "", llm.CodeUnavailable, false},
		} {
			t.Run(fmt.Sprint(path, stream), func(t *testing.T) {
				h := sdktest.StartProvider(t, invoker(func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
					r, err := c.origin.Do(ctx, &egress.Request{Method: "POST", Path: path, Body: call.Body})
					if err != nil {
						return nil, err
					}
					return provider.Answer(r, "x-kept"), nil
				}))
				a, err := h.Invoke(context.Background(), chat(stream))
				if err != nil {
					t.Fatal(err)
				}
				if c.cut && !stream { // nothing had gone out
					c.status, c.body, c.code, c.cut = 502, "", llm.CodeCut, false
				}
				if a.Status != c.status || c.body != "" && string(a.Body) != c.body || (a.Err != nil) != c.cut || llm.Code(a.Header.Get(provider.ErrorHeader)) != c.code {
					t.Errorf("%d %v %q %v", a.Status, a.Header, a.Body, a.Err)
				}
				if c.body != "" && (a.Header.Get("x-kept") != "1" || a.Header.Get("x-other") != "" || a.Header.Get("content-type") != "text/event-stream") {
					t.Errorf("%v", a.Header)
				}
			})
		}
	}
}
