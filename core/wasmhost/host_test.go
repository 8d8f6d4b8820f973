package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// bench is what the tests share: one host with a cache, and the guest of testdata, built once.
var bench struct {
	dir    string
	once   sync.Once
	host   *Host
	module *Module
	wasm   []byte
	err    error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmhost")
	if err != nil {
		panic(err)
	}
	bench.dir = dir
	code := m.Run()
	if bench.module != nil {
		bench.module.Close(context.Background())
	}
	if bench.host != nil {
		bench.host.Close(context.Background())
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// guest returns the shared host and the guest's module.
func guest(t testing.TB) (*Host, *Module) {
	t.Helper()
	bench.once.Do(func() {
		if bench.wasm, bench.err = buildGuest(bench.dir); bench.err != nil {
			return
		}
		if bench.host, bench.err = New(t.Context(), Config{Dir: filepath.Join(bench.dir, "cache")}); bench.err != nil {
			return
		}
		bench.module, bench.err = bench.host.Open(context.Background(), bench.wasm)
	})
	if bench.err != nil {
		t.Fatal(bench.err)
	}
	return bench.host, bench.module
}

func buildGuest(dir string) ([]byte, error) {
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the guest: %w\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	manifest, err := os.ReadFile("testdata/guest/manifest.json")
	if err != nil {
		return nil, err
	}
	return AttachManifest(wasm, manifest)
}

// patient is a limit of time that a stalled machine does not reach.
var patient = Limits{Time: 20 * time.Second}

func newLimiter() *limit.Limiter { return limit.New(limit.Config{}) }

// newGuest returns a filter of the guest.
func newGuest(t testing.TB, s Spec) *Filter {
	t.Helper()
	h, m := guest(t)
	s.Module = m
	if s.Name == "" {
		s.Name = "test"
	}
	if s.Limits == (Limits{}) {
		s.Limits = patient
	}
	f, err := h.NewFilter(allowed(t, s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

// allowed gives a spec what the guest's manifest asks for.
func allowed(t testing.TB, s Spec) Spec {
	t.Helper()
	if s.Limiter == nil {
		s.Limiter = newLimiter()
	}
	if s.Grant.HTTP == nil {
		s.Grant.HTTP = []string{"http://127.0.0.1:9"}
	}
	if s.Egress == nil {
		s.Egress = egress.New(egress.Needs{})
	}
	if s.Grant.KV = true; s.KV == nil {
		s.KV = newKV(t)
	}
	return s
}

// newKV returns the values of a new store.
func newKV(t testing.TB) *store.KV {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Needs{Path: filepath.Join(t.TempDir(), "state.db"), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	kv, err := store.OpenKV(s, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(kv.Close(), s.Check(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return kv
}

// newExchange returns an exchange whose query names what the guest does.
func newExchange(query string) *exchange.Exchange {
	x := exchange.New(context.Background())
	x.Query = query
	x.Method, x.Path, x.Host, x.ID = "POST", "/v1/chat/completions", "gw.test", "req-1"
	x.Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	x.Model, x.Route, x.Tenant, x.KeyID, x.Dialect, x.Op = "m", "r", "t", "k", llm.OpenAI, llm.OpChat
	return x
}

// bodyOf builds a body in which each string between « and » is a text.
func bodyOf(marked string) exchange.Body {
	var raw []byte
	var texts []dialect.Text
	for {
		head, rest, ok := strings.Cut(marked, "«")
		raw = append(raw, head...)
		if !ok {
			return exchange.NewBody(raw, texts)
		}
		text, tail, _ := strings.Cut(rest, "»")
		texts = append(texts, dialect.Text{Span: dialect.Span{Start: len(raw), End: len(raw) + len(text)}, Role: dialect.RoleUser})
		raw = append(raw, text...)
		marked = tail
	}
}

// said returns what the guest left with say.
func said(x *exchange.Exchange) string {
	var all []string
	for _, n := range x.Notes {
		if n.Key == "said" {
			all = append(all, n.Value)
		}
	}
	return strings.Join(all, "|")
}

// run runs one phase.
func run(t *testing.T, f *Filter, p exchange.Phase, x *exchange.Exchange) exchange.Verdict {
	t.Helper()
	v, err := f.Run(t.Context(), p, x)
	if err != nil {
		t.Fatalf("%s: %v", x.Query, err)
	}
	return v
}
