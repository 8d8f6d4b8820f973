package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestHungProvider: a plugin whose process stands still is ended and started again; its open calls fail, in any dialect, the
// call of another provider goes on, and a fallback takes what comes meanwhile.
func TestHungProvider(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	hcl := strings.Replace(twoProviders(up.URL), `provider "echo" { plugin = "echo" }`, "provider \"echo\" {\n  plugin = \"echo\"\n  process = { hung_after = \"1s\", memory = \"512MiB\" }\n  timeouts = { first_token = \"200ms\" }\n}", 1)
	hcl = strings.Replace(hcl, "model \"echo\" {\n", "model \"echo\" {\n  fallback = [model.m1]\n", 1)
	hcl = strings.Replace(hcl, `path = "/v1/*"`, `path = "/*"`, 1)
	gw := start(t, hcl)
	const slow = "one two three four five six seven echo:pace=5s"
	own := gw.open(ask("echo", slow, true))
	begun := make(map[llm.Dialect]string)
	others := make(map[llm.Dialect]stream)
	for d, a := range translatable() {
		resp, err := http.DefaultClient.Do(gw.requestTo(context.Background(), "POST", a.path("echo", true), a.ask("echo", slow, true), a.header...))
		if err != nil {
			t.Fatal(err)
		}
		s := stream{resp, bufio.NewReader(resp.Body)}
		if begun[d], err = s.br.ReadString('\n'); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s %v", d, resp.StatusCode, begun[d], err)
		}
		others[d] = s
	}
	old := gw.plugin("echo")
	if err := syscall.Kill(old.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !stopped(t, old.PID); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it runs on")
		}
	}
	if resp, body := gw.post(ask("echo", "hello", false)); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("X-Ginnel-Route"), "m1/") {
		t.Errorf("status %d by %s: %s", resp.StatusCode, resp.Header.Get("X-Ginnel-Route"), body)
	}
	if text := own.rest(t); !strings.Contains(text, `"error"`) || strings.Contains(text, "[DONE]") {
		t.Errorf("its open call ended as if it were whole: %s", text)
	}
	for d, a := range translatable() {
		text := begun[d] + others[d].rest(t)
		if failed, err := a.read(text); !failed || err != nil {
			t.Errorf("%s: its open call ended as if it were whole: %v %s", d, err, text)
		}
	}
	gw.back("echo", old.PID)
	if resp, body := gw.post(ask("echo", "hello", false)); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("X-Ginnel-Route"), "echo/") {
		t.Errorf("status %d by %s: %s", resp.StatusCode, resp.Header.Get("X-Ginnel-Route"), body)
	}
	if p := gw.plugin("echo"); p.Restarts != 1 || p.Status != pluginhost.Running || !strings.Contains(p.Contained, "contained") {
		t.Errorf("%+v", p)
	}
}

// stopped reports whether every thread of a process has stopped: each does so by itself, some time after the signal.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		t.Fatal("the process has no threads", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(raw), ") T ") {
			return false
		}
	}
	return true
}
