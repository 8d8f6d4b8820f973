package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFmtWritesThroughALink: a configuration that is a link into a repository stays one.
func TestFmtWritesThroughALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.hcl"), filepath.Join(dir, "gateway.hcl")
	if err := os.WriteFile(real, []byte("gateway {\ndata_dir=\"./d\"\n}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.hcl", link); err != nil {
		t.Fatal(err)
	}
	if r := ginnel(t, dir, "fmt", link); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(real)
	info, _ := os.Stat(real)
	if err != nil || string(text) != "gateway {\n  data_dir = \"./d\"\n}\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, info.Mode(), err)
	}
}
