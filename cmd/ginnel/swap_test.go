package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// gated builds the provider of testdata/gated into a file, in the place of what is there, and returns its
// digest.
func gated(t *testing.T, path, version string) string {
	t.Helper()
	fresh := path + ".new"
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.build="+version, "-o", fresh, "./testdata/gated")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(binary))
}

// pids are those of a plugin's processes, the old ones that still have streams included.
func (r *running) pids(name string) (all []int) {
	for _, p := range r.Status().Plugins {
		if p.Name == name {
			all = append(all, p.PID)
		}
	}
	return all
}

// TestSwappingAProvidersBinary under a hundred open streams breaks none: they end on the old process, new
// calls go to the new one, and the old one is gone with its last stream.
func TestSwappingAProvidersBinary(t *testing.T) {
	const streams = 100
	dir := t.TempDir()
	path, gate := filepath.Join(dir, "gated"), filepath.Join(dir, "open")
	first := gated(t, path, "one")
	hcl := func(sum string) string {
		return fmt.Sprintf(`
gateway { data_dir = "%%DATA%%" }
listener "public" { address = "127.0.0.1:0" }
provider "gated" {
  plugin = %q
  sha256 = %q
  config { gate = %q }
}
model "gated" {
  target "gated" {
    provider = provider.gated
    model    = "any"
  }
}
pipeline "p" { filters = [] }
route "all" {
  listener = listener.public
  match    = { path = "/v1/*" }
  auth     = "none"
  pipeline = pipeline.p
  models   = [model.gated]
}
`, path, sum, gate)
	}
	gw := start(t, hcl(first))
	// open begins a stream and returns what is read of it, and the rest
	open := func() (string, *bufio.Reader, func() error) {
		t.Helper()
		resp, err := http.DefaultClient.Do(gw.request(context.Background(), ask("gated", "hello", true)))
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(resp.Body)
		line, err := r.ReadString('\n')
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%d %q %v", resp.StatusCode, line, err)
		}
		return line, r, resp.Body.Close
	}
	gw.wait("the daemon at rest", func() bool { return gw.Ready() == nil })
	before := gw.figures()
	var all []*bufio.Reader
	var ends []func() error
	for range streams {
		line, r, end := open()
		ends = append(ends, end)
		defer end()
		if !strings.Contains(line, "build one") {
			t.Fatal(line)
		}
		all = append(all, r)
	}
	old := gw.plugin("gated").PID
	gw.write(hcl(gated(t, path, "two")))
	if r := gw.Reload(context.Background(), "test"); r.Error != "" {
		t.Fatalf("%+v", r)
	}
	line, _, end := open()
	defer end()
	if pids := gw.pids("gated"); !strings.Contains(line, "build two") || len(pids) != 2 || !slices.Contains(pids, old) {
		t.Errorf("after the reload: %s, processes %v", line, pids)
	}
	if err := syscall.Kill(old, 0); err != nil {
		t.Errorf("the old process is gone before its streams: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		rest, err := io.ReadAll(r)
		if err != nil || !strings.Contains(string(rest), `"whole"`) || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
			t.Errorf("stream %d: %v %s", i, err, rest)
		}
	}
	gw.wait("the end of the old process", func() bool { return syscall.Kill(old, 0) != nil && !slices.Contains(gw.pids("gated"), old) })
	for _, end := range append(ends, end) {
		end()
	}
	http.DefaultClient.CloseIdleConnections()
	const pooled = 8 // connections to the new process, which wait for calls
	gw.wait("the old process's descriptors", func() bool { return gw.figures().files <= before.files+pooled })
}
