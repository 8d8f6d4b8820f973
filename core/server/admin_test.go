package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/server"
)

func TestAdmin(t *testing.T) {
	noLeak(t)
	var notReady error
	a, err := server.ListenAdmin(context.Background(), server.AdminConfig{
		Address: "127.0.0.1:0", Logger: quietLog,
		Ready:   func() error { return notReady },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metric 1\n") }),
		Handlers: map[string]http.Handler{
			"POST /do": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
				}
			}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
	ask := func(method, path, origin, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+a.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		got, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		b, _ := io.ReadAll(got.Body)
		return got.StatusCode, string(b)
	}
	expect := func(method, path, origin, body string, status int, text string) {
		t.Helper()
		if s, b := ask(method, path, origin, body); s != status || !strings.Contains(b, text) {
			t.Errorf("%s %s: %d %q", method, path, s, b)
		}
	}
	expect("GET", "/healthz", "", "", 200, "ok")
	expect("GET", "/readyz", "", "", 200, "ready")
	expect("GET", "/metrics", "", "", 200, "metric 1")
	expect("GET", "/nowhere", "", "", 404, "")
	expect("POST", "/do", "", "x", 200, "")
	expect("POST", "/do", "http://evil.example", "x", 403, "")
	expect("POST", "/do", "", strings.Repeat("x", 5<<20), 413, "")
	notReady = errors.New("store is closed")
	expect("GET", "/readyz", "", "", 503, "store is closed")
	notReady = nil
	a.Drain()
	expect("GET", "/readyz", "", "", 503, "draining")
	expect("GET", "/healthz", "", "", 200, "ok")
	client.CloseIdleConnections()
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
