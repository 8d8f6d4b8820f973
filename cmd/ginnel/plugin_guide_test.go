package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPluginGuide runs the commands of the guide for plugins as they stand there. Two things are the test's
// own: the module comes from this tree and not from the network, and the port is a free one.
func TestPluginGuide(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(repository, "docs/guides/plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n")
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllSubmatch(page, -1) {
		script.Write(block[1])
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	text := script.String()
	for guide, here := range map[string]string{
		"go get github.com/ginnel/ginnel\n": "go mod edit -require=github.com/ginnel/ginnel@v0.0.0 -replace=github.com/ginnel/ginnel=" + root + "\ncp " + root + "/go.sum .\n",
		"127.0.0.1:8080":                    free,
	} {
		if !strings.Contains(text, guide) {
			t.Fatalf("the guide has no %q", guide)
		}
		text = strings.ReplaceAll(text, guide, here)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "ginnel")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asGinnel+"=1", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), "GOFLAGS=", "GOWORK=off")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	for _, want := range []string{"unary       ok", "gateway.lock.hcl has 1 plugin.", "gateway.hcl is valid", `"content":"all is well"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in:\n%s%s", want, out.String(), errs.String())
		}
	}
	examples, err := filepath.Glob(filepath.Join(repository, "examples/provider-*/main.go"))
	if err != nil || len(examples) < 2 {
		t.Fatal(examples, err)
	}
	for _, path := range examples {
		example, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(example, []byte("\n")); n > 80 || !strings.Contains(string(page), fmt.Sprintf(" in %d lines", n)) {
			t.Errorf("%s has %d lines", path, n)
		}
	}
}
