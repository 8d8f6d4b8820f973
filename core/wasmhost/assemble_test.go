package wasmhost

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

// guestCode is a module written by hand: what the Go toolchain would not emit.
type guestCode struct {
	manifest string   // "" means a plain one
	imports  []string // names of module ginnel, all of type () -> i32, which not all of them have
	start    []byte   // code of a start function; nil for none
	on       []byte   // code of ginnel_on(i32, i32) -> i32; nil means: continue
	noABI    bool
}

const plainManifest = `{"name":"hand","version":"1","abi":"ginnel_v1","events":["request_head"]}`

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func vec(items ...[]byte) []byte {
	out := uleb(len(items))
	for _, i := range items {
		out = append(out, i...)
	}
	return out
}

func str(s string) []byte { return append(uleb(len(s)), s...) }

func sectionOf(id byte, content []byte) []byte {
	return append(append([]byte{id}, uleb(len(content))...), content...)
}

func fnBody(code ...byte) []byte {
	body := append(append([]byte{0}, code...), 0x0b)
	return append(uleb(len(body)), body...)
}

// bytes assembles the module. Types: 0 () -> i32, 1 (i32) -> i32, 2 (i32, i32) -> i32, 3 () -> ().
func (g guestCode) bytes(t testing.TB) []byte {
	t.Helper()
	types := vec([]byte{0x60, 0, 1, 0x7f}, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 0, 0})
	var imports [][]byte
	for _, name := range g.imports {
		imports = append(imports, append(append(str(module), str(name)...), 0, 0))
	}
	on := g.on
	if on == nil {
		on = []byte{0x41, 0}
	}
	funcs := [][]byte{{0}, {1}, {1}, {2}}
	code := [][]byte{fnBody(0x41, 0), fnBody(0x41, 0x80, 8), fnBody(0x41, 0), fnBody(on...)}
	n := len(imports)
	exports := [][]byte{append(str("memory"), 2, 0)}
	for i, name := range []string{"ginnel_abi_1", "ginnel_alloc", "ginnel_init", "ginnel_on"} {
		if !g.noABI {
			exports = append(exports, append(append(str(name), 0), uleb(n+i)...))
		}
	}
	out := append([]byte(nil), header...)
	out = append(out, sectionOf(1, types)...)
	if n > 0 {
		out = append(out, sectionOf(2, vec(imports...))...)
	}
	if g.start != nil {
		funcs, code = append(funcs, []byte{3}), append(code, fnBody(g.start...))
	}
	out = append(out, sectionOf(3, vec(funcs...))...)
	out = append(out, sectionOf(5, []byte{1, 0, 1})...)
	out = append(out, sectionOf(7, vec(exports...))...)
	if g.start != nil {
		out = append(out, sectionOf(8, uleb(n+4))...)
	}
	out = append(out, sectionOf(10, vec(code...))...)
	manifest := g.manifest
	if manifest == "" {
		manifest = plainManifest
	}
	return append(out, sectionOf(0, append(str("ginnel.manifest"), manifest...))...)
}

var endless = []byte{0x03, 0x40, 0x0c, 0, 0x0b} // loop; br 0; end

func newHost(t testing.TB) *Host {
	t.Helper()
	h, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(t.Context()) })
	return h
}

func TestOpenRefuses(t *testing.T) {
	h := newHost(t)
	manifest := func(s string) string {
		return `{"name":"hand","version":"1","abi":"ginnel_v1","events":["request_head"],` + s + `}`
	}
	for _, c := range []struct {
		code guestCode
		want string
	}{
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v2","events":["end"]}`}, "ginnel_v2"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":[]}`}, "no event"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["lunch"]}`}, "lunch"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["delta"]}`}, "body mode parsed"},
		{guestCode{manifest: manifest(`"body":"chunks"`)}, "chunks"},
		{guestCode{manifest: manifest(`"capabilities":["moon"]`)}, "moon"},
		{guestCode{manifest: manifest(`"color":"red"`)}, "color"},
		{guestCode{manifest: manifest(`"tick_ms":1000`)}, "needs the event tick"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["tick"]}`}, "tick_ms 0"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["tick"],"tick_ms":99}`}, "tick_ms 99"},
		{guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["end","call_done"]}`}, "capability http"},
		{guestCode{manifest: manifest(`"look_ahead":-1`)}, "look_ahead"},
		{guestCode{manifest: `nonsense`}, "manifest"},
		{guestCode{imports: []string{"text_count", "eject"}}, "ginnel.eject"},
		{guestCode{imports: []string{"get"}}, "another signature"},
		{guestCode{noABI: true}, "ginnel_abi_1"},
	} {
		m, err := h.Open(t.Context(), c.code.bytes(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
		if m != nil {
			m.Close(t.Context())
		}
	}
	for _, bad := range []string{"", "hello", "\x00asm\x01\x00\x00\x00\x01\xff", string(guestCode{}.bytes(t)[:60])} {
		if _, err := h.Open(t.Context(), []byte(bad)); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestGrantsAreNeeded(t *testing.T) {
	h, kv := newHost(t), newKV(t)
	for _, c := range []struct {
		capability string
		grant      Grant
		want       string
	}{
		{"http", Grant{KV: true}, "grant = { http"},
		{"http", Grant{HTTP: []string{"https://a.test"}}, ""},
		{"kv", Grant{Shared: true}, "grant = { kv"},
		{"kv", Grant{KV: true}, ""},
		{"shared", Grant{}, "shared = true"},
		{"rate", Grant{}, "no limiter"},
		{"shared", Grant{Shared: true}, ""},
	} {
		wasm := guestCode{manifest: fmt.Sprintf(`{"name":"hand","abi":"ginnel_v1","events":["end"],"capabilities":[%q]}`, c.capability)}.bytes(t)
		m, err := h.Open(t.Context(), wasm)
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.NewFilter(Spec{Name: "f", Module: m, Grant: c.grant, Egress: egress.New(egress.Needs{}), KV: kv})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.capability, err)
		}
		if f != nil {
			f.Close(t.Context())
		}
		m.Close(t.Context())
	}
}

func TestLoopsOutsideOfCallbacksEnd(t *testing.T) {
	h := newHost(t)
	m, err := h.Open(t.Context(), guestCode{start: endless}.bytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.NewFilter(Spec{Name: "start", Module: m}); err == nil || !strings.Contains(err.Error(), "time is used up") {
		t.Errorf("a loop in the start section: %v", err)
	}
	m.Close(t.Context())
	g, module := guest(t)
	if _, err := g.NewFilter(allowed(t, Spec{Name: "init", Module: module, Config: []byte(`{"loop":true}`)})); err == nil || !strings.Contains(err.Error(), "time is used up") {
		t.Errorf("a loop in init: %v", err)
	}
}

// TestACacheThatCannotBeWrittenCostsTimeOnly: a full disk is no reason not to start.
func TestACacheThatCannotBeWrittenCostsTimeOnly(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	h, err := New(t.Context(), Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries { // nothing can be made in a file
		path := filepath.Join(dir, e.Name())
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		m, err := h.Open(t.Context(), guestCode{}.bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.NewFilter(Spec{Name: "hand", Module: m, Limiter: newLimiter()})
		if err != nil {
			t.Fatal(err)
		}
		run(t, f, exchange.PhaseRequestHead, newExchange(""))
		f.Close(context.Background())
		m.Close(context.Background())
	}
	if !strings.Contains(log.String(), "compile cache is not written") {
		t.Error("nothing in the log")
	}
}
