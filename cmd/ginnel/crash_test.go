package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// plugin returns the state of a plugin by its block's name.
func (r *running) plugin(name string) (found pluginhost.State) {
	r.t.Helper()
	for _, p := range r.Status().Plugins {
		if p.Name == name {
			return p
		}
	}
	r.t.Fatalf("no plugin %s", name)
	return found
}

// kill ends a plugin's process and returns its pid. It is a child of this test.
func (r *running) kill(name string) int {
	r.t.Helper()
	pid := r.plugin(name).PID
	if pid == 0 || pid == os.Getpid() {
		r.t.Fatalf("plugin %s has pid %d", name, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// back waits until a plugin runs in another process and logs how long that took.
func (r *running) back(name string, old int) {
	r.t.Helper()
	begin := time.Now()
	r.wait(name+" to be back", func() bool {
		p := r.plugin(name)
		return p.Status == pluginhost.Running && p.PID != old && p.PID != 0
	})
	r.t.Logf("%s was back after %.0f ms", name, float64(time.Since(begin))/1e6)
}

// twoProviders declares the echo provider beside a relayed one.
func twoProviders(upstream string) string {
	hcl := relay(upstream, fullPipeline, "mock+gap=50ms+chunks=40", "mock")
	hcl = strings.Replace(hcl, "models   = [", "models   = [model.echo, ", 1)
	return hcl + `
provider "echo" { plugin = "echo" }
model "echo" {
  retry = { attempts = 1 }
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}
listener "admin" {
  address = "127.0.0.1:0"
  serve   = ["metrics"]
}
`
}

// stream is an open answer.
type stream struct {
	*http.Response
	br *bufio.Reader
}

// open sends a request and reads the first line of its answer.
func (r *running) open(body string) stream {
	r.t.Helper()
	resp, err := http.DefaultClient.Do(r.request(context.Background(), body))
	if err != nil {
		r.t.Fatal(err)
	}
	s := stream{resp, bufio.NewReader(resp.Body)}
	if _, err := s.br.ReadString('\n'); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (s stream) rest(t *testing.T) string {
	t.Helper()
	text, err := io.ReadAll(s.br)
	if err != nil {
		t.Error(err)
	}
	s.Body.Close()
	return string(text)
}

// TestKilledProvider: its own calls fail so that a client may try again, nobody else's do, and it is
// back.
func TestKilledProvider(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, twoProviders(up.URL))
	own := gw.open(ask("echo", "one two three four five six seven echo:pace=5s", true))
	others := gw.open(ask("mock+gap=50ms+chunks=40", "hello", true))
	waiting := make(chan string, 1)
	go func() {
		resp, body := gw.post(ask("echo", "hello echo:latency=60s", false))
		waiting <- resp.Status + " " + resp.Header.Get("X-Request-Id") + " " + body
	}()
	gw.wait("three requests", func() bool { return gw.Status().InFlight == 3 })
	old := gw.kill("echo")
	text := own.rest(t)
	id := own.Header.Get("X-Request-Id")
	checkError(t, lastData(text), "upstream_cut", id)
	if e := gw.event(id); e.Terminal != "upstream_cut" {
		t.Errorf("the open stream: %+v", e)
	}
	gw.back("echo", old)
	if resp, body := gw.post(ask("echo", "are you back?", false)); resp.StatusCode != 200 || !strings.Contains(body, "are you back?") {
		t.Errorf("after the restart: %d %s", resp.StatusCode, body)
	}
	select {
	case answer := <-waiting:
		status, rest, _ := strings.Cut(answer, " ")
		if status != "502" && status != "503" {
			t.Errorf("the call without an answer: %s", answer)
		}
		_, payload, _ := strings.Cut(rest[strings.Index(rest, "req_"):], " ")
		checkError(t, payload, "", "")
	case <-time.After(patience):
		t.Error("the call without an answer waits on")
	}
	if text := others.rest(t); lastData(text) != "[DONE]" {
		t.Errorf("another provider's stream: %s", text)
	}
	resp, err := http.Get("http://" + gw.Addresses()["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if metrics, _ := io.ReadAll(resp.Body); !strings.Contains(string(metrics), `restarts_total{plugin="echo"} 1`) {
		t.Error("the restart is not counted")
	}
}

// TestKilledRelayProvider: the vendor's answers do not pass through the plugin, so nothing is lost.
func TestKilledRelayProvider(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, twoProviders(up.URL))
	open := gw.open(ask("mock+gap=50ms+chunks=40", "hello", true))
	old := gw.kill("up")
	for range 5 {
		if resp, body := gw.post(ask("mock", "hello", false)); resp.StatusCode != 200 {
			t.Errorf("while it is away: %d %s", resp.StatusCode, body)
		}
	}
	gw.back("up", old)
	if text := open.rest(t); lastData(text) != "[DONE]" {
		t.Errorf("the open stream: %s", text)
	}
}

// TestKilledSink: what it has not acknowledged is sent again.
func TestKilledSink(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, relay(up.URL, emptyPipeline, "mock")+`
telemetry "file" {
  plugin = "jsonl"
  queue  = { flush = "20ms" }
  config { path = "%DATA%/events.jsonl" }
}
`)
	var ids sync.Map
	var wg sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				resp, _ := gw.post(ask("mock", "hello", false))
				ids.Store(resp.Header.Get("X-Request-Id"), true)
				time.Sleep(time.Millisecond)
			}
		})
	}
	for range 3 {
		time.Sleep(100 * time.Millisecond)
		gw.back("file", gw.kill("file"))
	}
	close(end)
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := gw.Stop(ctx); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(gw.data, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, id := range regexp.MustCompile(`req_[0-9a-z]+`).FindAllString(string(text), -1) {
		kept[id] = true
	}
	total, lost := 0, 0
	ids.Range(func(id, _ any) bool {
		total++
		if !kept[id.(string)] {
			lost++
		}
		return true
	})
	t.Logf("%d exchanges, %d lost", total, lost)
	if lost > 0 || total < 100 {
		t.Error("events are lost")
	}
}
