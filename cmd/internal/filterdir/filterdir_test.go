package filterdir

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/schema"
)

// patience bounds a wait of a test; it is no expectation.
const patience = 30 * time.Second

// TestWatchSeesWhatIsSaved counts what a watcher reports.
func TestWatchSeesWhatIsSaved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 100)
	ended := make(chan struct{})
	go func() {
		Watch(ctx, dir, func() { changed <- struct{}{} })
		close(ended)
	}()
	wait := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatal(what)
		}
	}
	wait("the first look")
	for i, name := range slices.Repeat([]string{"main.go", "other.go"}, 2) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("b", i+1)), 0o600); err != nil {
			t.Fatal(err)
		}
		wait(name)
	}
	for _, name := range []string{"main.wasm", ".main.go.swp"} { // what is built, and what an editor leaves
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(file, filepath.Join(dir, "renamed.go")); err != nil {
		t.Fatal(err)
	}
	wait("a file that is renamed")
	cancel()
	<-ended
	if len(changed) > 0 {
		t.Errorf("%d more changes", len(changed))
	}
}

// TestLanguageIsWhatTheSourcesAre tells directories apart.
func TestLanguageIsWhatTheSourcesAre(t *testing.T) {
	for _, c := range []struct{ file, language string }{{"main.go", Go}, {"Cargo.toml", Rust}, {"main.zig", ""}} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Language(dir)
		if got != c.language || (err == nil) != (c.language != "") {
			t.Errorf("%s: %q, %v", c.file, got, err)
		}
	}
}

func TestArtifactIsTheModule(t *testing.T) {
	for _, c := range []struct{ messages, file string }{
		{`{"reason":"compiler-artifact","filenames":["/t/liba.rlib"]}` + "\n" + `{"reason":"compiler-artifact","filenames":["/t/b.d","/t/b.wasm"]}` + "\n" + `{"reason":"build-finished"}`, "/t/b.wasm"},
		{"warning: none of it is JSON\n", ""},
		{`{"reason":"compiler-artifact","filenames":["/t/liba.rlib"]}`, ""},
	} {
		got, err := artifact(strings.NewReader(c.messages))
		if got != c.file || (err == nil) != (c.file != "") {
			t.Errorf("%s: %q, %v", c.messages, got, err)
		}
	}
}

// TestBlockShowsWhatIsRequired: what has a default is a comment, what must be written is written.
func TestBlockShowsWhatIsRequired(t *testing.T) {
	m := &wasmhost.Manifest{Name: "a", Capabilities: []string{wasmhost.CapHTTP, wasmhost.CapRate}, Schema: &schema.Block{Attrs: []schema.Attr{
		{Name: "url", Kind: schema.String, Doc: "Where to."},
		{Name: "mode", Kind: schema.String, Enum: []string{"deny", "redact"}, Doc: "What to do."},
		{Name: "wait", Kind: schema.Duration, Default: "2s", Doc: "How long."},
		{Name: "names", Kind: schema.Strings, Default: "a, b", Doc: "Which."},
		{Name: "most", Kind: schema.Int, Doc: "How many."},
		{Name: "rest", Kind: schema.Map, Optional: true, Doc: "More."},
	}}}
	got := (&Built{File: filepath.Join("x", "a.wasm"), SHA256: "0", Manifest: m}).Block()
	want := `filter "a" {
  wasm   = "./x/a.wasm"
  sha256 = "0"
  grant  = { http = ["https://example.com"] }
  rate "default" { limit = "600/1m" }
  config {
    url  = ""     # Where to.
    mode = "deny" # What to do.
    # wait = "2s" # How long.
    # names = ["a", "b"] # Which.
    most = 1 # How many.
    # rest = {} # More.
  }
}
`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
