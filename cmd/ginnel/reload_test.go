package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// figures are what a reload may leak.
type figures struct {
	goroutines, files, plugins int
	instances                  int64
	heap                       uint64
}

func (r *running) figures() (f figures) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	entries, _ := os.ReadDir("/proc/self/fd")
	f = figures{goroutines: runtime.NumGoroutine(), files: len(entries), heap: m.HeapAlloc}
	s := r.Status()
	f.plugins = len(s.Plugins)
	for _, x := range s.Filters {
		f.instances += x.Instances
	}
	return f
}

// configuration returns the i-th configuration: filters change with each, the provider with every
// hundredth, and every third is wrong.
func configuration(upstream string, i int) string {
	hcl := relay(upstream, fmt.Sprintf(`
filter "headers" {
  wasm = "builtin:headers"
  config {
    request {
      set = { x-version = "%d" }
    }
  }
}
filter "ratelimit" {
  wasm = "builtin:ratelimit"
  rate "default" { limit = "%d/1m" }
}
pipeline "p" { filters = [filter.headers, filter.ratelimit] }
`, i%5, 1_000_000+i%3), "mock+chunks=5+gap=2ms", "mock")
	hcl = strings.Replace(hcl, "  plugin   = \"openai\"\n", fmt.Sprintf("  plugin   = \"openai\"\n  timeouts = { idle = \"%ds\" }\n", 60+i/100), 1)
	if i%3 == 2 {
		switch i % 4 {
		case 0:
			return hcl + "filter {"
		case 1:
			return strings.Replace(hcl, "provider.up", "provider.down", 1)
		case 2:
			return hcl + "filter \"late\" {\n  wasm = \"/none.wasm\"\n  sha256 = \"" + strings.Repeat("0", 64) + "\"\n}\n"
		}
		return strings.Replace(hcl, "1m\"", "1 fortnight\"", 1)
	}
	return hcl
}

// TestReloads changes the configuration over and over under load. No exchange fails, what is wrong is
// refused, and nothing grows.
func TestReloads(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, configuration(up.URL, 0))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var done, failed atomic.Int64
	end := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			model := []string{"mock", "mock+chunks=5+gap=2ms"}[i%2]
			for {
				select {
				case <-end:
					return
				default:
				}
				resp, err := client.Do(gw.request(context.Background(), ask(model, "hello", i%2 == 1)))
				if err != nil {
					t.Errorf("a request failed: %v", err)
					failed.Add(1)
					return
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || i%2 == 1 && lastData(string(text)) != "[DONE]" {
					t.Errorf("status %d, %v: %s", resp.StatusCode, err, text)
					failed.Add(1)
					return
				}
				done.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	reload := func(from, to int) (applied, refused int) {
		for i := from; i < to; i++ {
			gw.write(configuration(up.URL, i))
			r := gw.Reload(context.Background(), "test")
			switch {
			case i%3 == 2 && r.Error != "":
				refused++
			case i%3 != 2 && r.Error == "":
				applied++
			default:
				t.Fatalf("reload %d: %+v", i, r)
			}
		}
		return applied, refused
	}
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	reload(1, 100)
	settle := func() figures {
		time.Sleep(200 * time.Millisecond)
		return gw.figures()
	}
	before := settle()
	applied, refused := reload(100, 100+rounds)
	after := settle()
	close(end)
	wg.Wait()
	t.Logf("%d applied, %d refused, %d exchanges, %d failed; before %+v, after %+v", applied, refused, done.Load(), failed.Load(), before, after)
	if after.goroutines > before.goroutines+20 || after.files > before.files+10 || after.plugins > before.plugins+1 || after.instances > before.instances+8 || after.heap > before.heap+before.heap/2+16<<20 {
		t.Error("something grows")
	}
	if s := gw.Status(); s.Reloads.Refused == 0 || s.Reloads.Applied == 0 || len(s.Degraded) > 0 {
		t.Errorf("%+v", s.Reloads)
	}
	if done.Load() < int64(rounds/10) {
		t.Errorf("only %d exchanges", done.Load())
	}
}
