package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// endlessFilter is a module whose callback never returns. Types: () -> i32, (i32) -> i32,
// (i32, i32) -> i32; functions: ginnel_abi_1, ginnel_alloc, ginnel_init, ginnel_on.
func endlessFilter() []byte {
	section := func(id byte, b string) []byte { return append([]byte{id, byte(len(b))}, b...) }
	wasm := []byte("\x00asm\x01\x00\x00\x00")
	wasm = append(wasm, section(1, "\x03\x60\x00\x01\x7f\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7f")...)
	wasm = append(wasm, section(3, "\x04\x00\x01\x01\x02")...)
	wasm = append(wasm, section(5, "\x01\x00\x01")...)
	exports := "\x05\x06memory\x02\x00"
	for i, name := range []string{"ginnel_abi_1", "ginnel_alloc", "ginnel_init", "ginnel_on"} {
		exports += string(byte(len(name))) + name + "\x00" + string(byte(i))
	}
	wasm = append(wasm, section(7, exports)...)
	// abi: 0; alloc: 1024; init: 0; on: loop; br 0; end; 0
	wasm = append(wasm, section(10, "\x04\x04\x00\x41\x00\x0b\x05\x00\x41\x80\x08\x0b\x04\x00\x41\x00\x0b\x09\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b")...)
	return append(wasm, section(0, "\x0fginnel.manifest"+`{"name":"endless","version":"1","abi":"ginnel_v1","events":["request_head"]}`)...)
}

// TestHostileFilter: an exchange that meets an endless filter ends as the operator said, and the
// others go on.
func TestHostileFilter(t *testing.T) {
	dir := t.TempDir()
	wasm := endlessFilter()
	path := filepath.Join(dir, "endless.wasm")
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	declare := func(name, onError string) string {
		return fmt.Sprintf("filter %q {\n  wasm = %q\n  sha256 = \"%x\"\n  on_error = %q\n}\npipeline %q { filters = [filter.%s] }\n", name, path, sha256.Sum256(wasm), onError, name, name)
	}
	route := func(name, path string) string {
		return fmt.Sprintf("route %q {\n  listener = listener.public\n  match = { path = %q }\n  auth = \"none\"\n  pipeline = pipeline.%s\n  models = [model.echo]\n}\n", name, path, name)
	}
	gw := start(t, echoed(emptyPipeline, declare("closed", "closed"), declare("open", "open"), route("closed", "/closed/v1/*"), route("open", "/open/v1/*")))
	post := func(prefix string) int {
		req := gw.request(context.Background(), ask("echo", "hello", false))
		req.URL.Path = prefix + "/v1/chat/completions"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var wg sync.WaitGroup
	for prefix, want := range map[string]int{"/closed": 500, "/open": 200, "": 200} {
		for range 2 {
			wg.Go(func() {
				for range 15 {
					if got := post(prefix); got != want {
						t.Errorf("%q: status %d", prefix, got)
					}
				}
			})
		}
	}
	wg.Wait()
	failures := int64(0)
	for _, f := range gw.Status().Filters {
		failures += f.Failures
	}
	// Some were not even tried: a filter that fails over and over is suspended for its tenant.
	if failures == 0 || failures >= 60 {
		t.Errorf("%d failures", failures)
	}
}
