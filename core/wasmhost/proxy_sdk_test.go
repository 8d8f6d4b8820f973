package wasmhost

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

// rustGuest builds testdata/proxyrust with the public SDK of proxy-wasm.
func rustGuest(t *testing.T) []byte {
	t.Helper()
	if os.Getenv("GINNEL_PROXYWASM_SDK") == "" {
		t.Skip("GINNEL_PROXYWASM_SDK is not set: `make test-proxywasm` fetches proxy-wasm's SDK for Rust and runs this")
	}
	target := ""
	for _, triple := range []string{"wasm32-wasip1", "wasm32-wasi"} {
		if out, err := exec.Command("rustc", "--print", "target-libdir", "--target", triple).Output(); err == nil {
			if _, err := os.Stat(strings.TrimSpace(string(out))); err == nil {
				target = triple
			}
		}
	}
	if target == "" {
		t.Skip("there is no Rust with a standard library for wasm32-wasip1")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/proxyrust")); err != nil {
		t.Fatal(err)
	}
	fetch := exec.Command("cargo", "fetch", "--quiet")
	fetch.Dir = dir
	if text, err := fetch.CombinedOutput(); err != nil {
		t.Skipf("the SDK cannot be fetched: %v\n%s", err, text)
	}
	build := exec.Command("cargo", "build", "--quiet", "--release", "--offline", "--target", target)
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "target", target, "release", "proxyrust.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// TestTheRustSDK: a filter that was written with the public SDK finds what it expects.
func TestTheRustSDK(t *testing.T) {
	wasm := rustGuest(t)
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "bad") {
			w.WriteHeader(400)
		}
		w.Write([]byte("judged " + r.URL.RawQuery))
	}))
	defer judge.Close()
	h, _ := guest(t)
	m, err := h.Open(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	if _, err := h.NewFilter(Spec{Name: "rust", Module: m, Limits: patient}); err == nil || !strings.Contains(err.Error(), "a word is needed") {
		t.Errorf("without a config: %v", err)
	}
	f, err := h.NewFilter(Spec{
		Name: "rust", Module: m, Config: []byte("secret"), Limits: patient, Egress: egress.New(egress.Needs{}),
		Grant: Grant{HTTP: []string{judge.URL}, Clusters: map[string]string{"judge": judge.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(context.Background())
	for _, count := range []string{"1", "2"} {
		x := proxyExchange("good")
		run(t, f, exchange.PhaseRequestHead, x)
		if h := &x.Request.Header; h.Get("x-judge") != "judged good" || h.Get("x-count") != count {
			t.Errorf("%v", *h)
		}
		x.Response.Status, x.Response.Body = 200, exchange.NewBody([]byte(`{"a":"a secret"}`), nil)
		run(t, f, exchange.PhaseResponseHead, x)
		run(t, f, exchange.PhaseResponseBody, x)
		if got := string(x.Response.Body.Bytes()); got != `{"a":"a ****"}` || x.Response.Header.Get("x-filtered") != "1" {
			t.Errorf("%s, %v", got, x.Response.Header)
		}
		proxyEnd(t, f, x)
	}
	x := proxyExchange("bad")
	if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Respond || v.Reply.Status != 403 || string(v.Reply.Body) != "judged bad" || v.Reply.Header.Get("x-why") != "judged" {
		t.Errorf("%+v", v)
	}
	proxyEnd(t, f, x)
	if got, _ := flowed(t, f, "good", "data: a secret\n\n", "data: b\n\n"); got != "data: a ****\n\ndata: b\n\ndata: [DONE]\n\n#" {
		t.Errorf("a stream: %q", got)
	}
}
