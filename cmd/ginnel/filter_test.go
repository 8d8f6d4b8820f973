package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/cmd/internal/filterdir"
	"github.com/ginnel/ginnel/core/filtertest"
)

// rust skips a test where Rust cannot compile to WebAssembly.
func rust(t *testing.T) {
	t.Helper()
	if _, err := filterdir.RustToolchain(t.Context()); err != nil {
		t.Skip(err)
	}
}

// newFilter begins a filter against this checkout and returns its directory.
func newFilter(t *testing.T, language string) string {
	t.Helper()
	sdk, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if s := ginnel(t, dir, "filter", "new", "hello", "--lang", language, "--sdk", sdk); s.code != 0 || !strings.Contains(s.out, "hello/manifest.json") {
		t.Fatalf("%+v", s)
	}
	return filepath.Join(dir, "hello")
}

// TestNewFilterInRust is what the guide does, in the other language.
func TestNewFilterInRust(t *testing.T) {
	rust(t)
	dir := newFilter(t, "rust")
	if s := ginnel(t, dir, "filter", "build"); s.code != 0 || !strings.Contains(s.out, "./hello.wasm") {
		t.Fatalf("%+v", s)
	}
	if s := ginnel(t, dir, "filter", "test", "-v"); s.code != 0 || !strings.Contains(s.out, "3 passed, 0 failed") {
		t.Errorf("%+v", s)
	}
}

// TestRustLibrary runs the library's own tests.
func TestRustLibrary(t *testing.T) {
	rust(t)
	bin, err := filterdir.RustToolchain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "cargo"), "test", "--quiet", "--target-dir", t.TempDir())
	cmd.Dir = filepath.Join(repository, "sdk", "filter-rust")
	cmd.Env = append(os.Environ(), "RUSTC="+filepath.Join(bin, "rustc"), "RUSTDOC="+filepath.Join(bin, "rustdoc"))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "2 passed") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNewFilterOverwritesNothing(t *testing.T) {
	dir := newFilter(t, "go")
	parent := filepath.Dir(dir)
	for _, c := range []struct{ args, want string }{
		{"new hello", "there already"},
		{"new other --lang zig", "is not go or rust"},
		{"new Other", "is no name for a filter"},
		{"new other --sdk " + parent, "is no checkout of Ginnel"},
		{"build " + parent, "manifest.json"},
		{"test " + parent, "manifest.json"},
	} {
		s := ginnel(t, parent, append([]string{"filter"}, strings.Fields(c.args)...)...)
		if s.code != 1 || !strings.Contains(s.err, c.want) {
			t.Errorf("filter %s: %+v", c.args, s)
		}
	}
	if found, err := os.ReadDir(parent); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestExamplesDoWhatTheirTranscriptsSay builds each example of a filter and runs its transcripts.
func TestExamplesDoWhatTheirTranscriptsSay(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(repository, "examples", "filter*"))
	if err != nil || len(dirs) < 5 {
		t.Fatalf("%v, %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if language, err := filterdir.Language(dir); err != nil {
				t.Fatal(err)
			} else if language == filterdir.Rust {
				rust(t)
			}
			s := ginnel(t, dir, "filter", "test", "-v")
			if s.code != 0 || !strings.Contains(s.out, " passed, 0 failed") {
				t.Errorf("%s\n%s", s.out, s.err)
			}
		})
	}
}

// TestTinyGoCompilesTheSameSource builds the examples in Go, and the built-in filters, by TinyGo.
func TestTinyGoCompilesTheSameSource(t *testing.T) {
	if _, err := exec.LookPath("tinygo"); err != nil {
		t.Skip("tinygo is not here")
	}
	for _, pattern := range []string{"examples/filter*", "filters/*"} {
		dirs, err := filepath.Glob(filepath.Join(repository, pattern, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, manifest := range dirs {
			dir := filepath.Dir(manifest)
			if language, err := filterdir.Language(dir); err != nil || language != filterdir.Go {
				continue
			}
			wasm, err := filterdir.Compile(t.Context(), filterdir.Options{Dir: dir, TinyGo: true, Output: os.Stderr})
			if err != nil {
				t.Errorf("%s: %v", dir, err)
				continue
			}
			file := filepath.Join(t.TempDir(), "filter.wasm")
			if err := os.WriteFile(file, wasm, 0o600); err != nil {
				t.Fatal(err)
			}
			if s := ginnel(t, ".", "filter", "attach", file, manifest); s.code != 0 {
				t.Errorf("%s: %+v", dir, s)
				continue
			}
			transcripts, err := filepath.Glob(filepath.Join(dir, "*"+transcriptExt))
			if err != nil || len(transcripts) == 0 {
				continue
			}
			if s := ginnel(t, ".", append([]string{"filter", "test", file}, transcripts...)...); s.code != 0 {
				t.Errorf("%s: %+v", dir, s)
			}
		}
	}
}

// TestFilterTestExits: 0 where all is as expected, 1 where it is not, and what is wrong is shown.
func TestFilterTestExits(t *testing.T) {
	dir := t.TempDir()
	request := "-- request --\nPOST /v1/chat/completions\n\n{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}\n\n"
	good := filepath.Join(dir, "a.transcript")
	if err := os.WriteFile(good, []byte("== a ==\n"+request+"-- expect answer --\n\"ok\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "b.transcript")
	if err := os.WriteFile(bad, []byte("== b ==\n"+request+"-- expect answer --\n\"no\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := ginnel(t, dir, "filter", "test", "builtin:headers", good); s.code != 0 || s.out != "1 passed, 0 failed\n" {
		t.Errorf("%+v", s)
	}
	s := ginnel(t, dir, "filter", "test", "builtin:headers", good, bad)
	for _, want := range []string{"FAIL  b", "b.transcript:7: expect answer (unary)", "- \"no\"", "+ \"ok\"", "1 passed, 1 failed"} {
		if !strings.Contains(s.out, want) {
			t.Errorf("%q is not said: %s", want, s.out)
		}
	}
	if s.code != 1 {
		t.Errorf("exit %d", s.code)
	}
	if s := ginnel(t, dir, "filter", "test", "builtin:headers", "--update", bad); s.code != 0 || !strings.Contains(s.out, "updated") {
		t.Errorf("%+v", s)
	}
	if s := ginnel(t, dir, "filter", "test", "builtin:headers", bad); s.code != 0 {
		t.Errorf("after an update: %+v", s)
	}
	if s := ginnel(t, dir, "filter", "test", "builtin:headers"); s.code != 1 || !strings.Contains(s.err, "there is no transcript") {
		t.Errorf("%+v", s)
	}
	s = ginnel(t, dir, "filter", "bench", "builtin:headers", good, "--time", "1ms", "--json")
	var costs []filtertest.Cost
	if err := json.Unmarshal([]byte(s.out), &costs); err != nil || len(costs) == 0 || costs[0].NS <= 0 {
		t.Errorf("%v, %+v", err, s)
	}
}

// TestBuiltBlockIsADeclaration: what `filter build` prints can be pasted, whatever the manifest asks
// for.
func TestBuiltBlockIsADeclaration(t *testing.T) {
	for _, example := range []string{"filter", "filter-cost", "filter-judge", "filter-pii"} {
		dir := filepath.Join(repository, "examples", example)
		s := ginnel(t, dir, "filter", "build")
		_, block, ok := strings.Cut(s.out, "in a pipeline:\n\n")
		if !ok {
			t.Fatalf("%+v", s)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(block, "filter \""), "\"")
		config := block + fmt.Sprintf("pipeline \"p\" { filters = [filter.%s] }\ngateway { data_dir = %q }\n", name, t.TempDir())
		path := filepath.Join(dir, "built-"+name+".hcl.tmp")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
		if s := ginnel(t, dir, "validate", "-c", filepath.Base(path)); s.code != 0 {
			t.Errorf("%s: %s%s\n%s", example, s.out, s.err, config)
		}
	}
}
