// Package filterdir is the directory of a filter's sources: it writes a new one, builds it into a
// module with its manifest, and notices when it changes.
//
// What a module is and does is known to core/wasmhost; the toolchains are the machine's own.
package filterdir

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/wasmhost"
)

// manifestFile is the manifest's name in a filter's directory.
const manifestFile = "manifest.json"

// The languages that a filter may be written in here. Any other that compiles to WebAssembly will do
// with `ginnel filter attach`.
const (
	Go   = "go"
	Rust = "rust"
)

// The targets of Rust and TinyGo.
const (
	rustTarget   = "wasm32-unknown-unknown"
	tinygoTarget = "wasip1"
)

// ErrToolchain is the error of a language whose compiler is not on this machine.
var ErrToolchain = errors.New("no toolchain")

// Options say what to build.
type Options struct {
	Dir    string
	TinyGo bool      // compile Go by TinyGo
	Output io.Writer // takes what the compiler says; nil discards it
}

// Built is a module that is ready for a filter block.
type Built struct {
	Dir      string
	File     string // DIR/NAME.wasm
	Bytes    int
	SHA256   string
	Manifest *wasmhost.Manifest
}

// Build compiles the directory's sources, attaches its manifest and writes DIR/NAME.wasm, where NAME
// is the manifest's. A file that is there already is replaced as a whole, or not at all.
func Build(ctx context.Context, o Options) (*Built, error) {
	manifest, err := os.ReadFile(filepath.Join(o.Dir, manifestFile))
	if err != nil {
		return nil, fmt.Errorf("a filter's directory has a %s: %w", manifestFile, err)
	}
	wasm, err := Compile(ctx, o)
	if err != nil {
		return nil, err
	}
	if wasm, err = wasmhost.AttachManifest(wasm, manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(o.Dir, manifestFile), err)
	}
	m, err := wasmhost.ReadManifest(wasm)
	if err != nil {
		return nil, err
	}
	if !validName(m.Name) {
		return nil, fmt.Errorf("%s: the name %q is not fit for a file: use lower-case letters, digits and hyphens", filepath.Join(o.Dir, manifestFile), m.Name)
	}
	b := &Built{Dir: o.Dir, File: filepath.Join(o.Dir, m.Name+".wasm"), Bytes: len(wasm), SHA256: fmt.Sprintf("%x", sha256.Sum256(wasm)), Manifest: m}
	return b, replace(b.File, wasm)
}

// Compile compiles the directory's sources to a module without a manifest.
func Compile(ctx context.Context, o Options) ([]byte, error) {
	if o.Output == nil {
		o.Output = io.Discard
	}
	language, err := Language(o.Dir)
	if err != nil {
		return nil, err
	}
	if language == Rust {
		return o.cargo(ctx)
	}
	return o.golang(ctx)
}

// Language returns what a directory's sources are written in.
func Language(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "Cargo.toml")); err == nil {
		return Rust, nil
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*.go")); err == nil && len(found) > 0 {
		return Go, nil
	}
	return "", fmt.Errorf("%s has neither Go files nor a Cargo.toml: compile it yourself and use `ginnel filter attach`", dir)
}

// golang builds with the Go toolchain. The result depends on the sources and the toolchain alone.
func (o Options) golang(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "ginnel-filter-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "filter.wasm")
	args := []string{"go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o", out, "."}
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWASM=", "GOEXPERIMENT="}
	if o.TinyGo {
		args = []string{"tinygo", "build", "-target=" + tinygoTarget, "-buildmode=c-shared", "-no-debug", "-opt=2", "-o", out, "."}
		env = []string{"GOFLAGS="}
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return nil, fmt.Errorf("%w: %s is not on the PATH", ErrToolchain, args[0])
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = o.Dir, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = o.Output, o.Output
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s build: %w", args[0], err)
	}
	return os.ReadFile(out)
}

// cargo builds with the first cargo on the PATH whose compiler has a standard library for
// WebAssembly: a machine often has several, and rarely all of them can.
func (o Options) cargo(ctx context.Context) ([]byte, error) {
	bin, err := RustToolchain(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "cargo"), "build", "--release", "--target", rustTarget, "--message-format", "json-render-diagnostics")
	cmd.Dir, cmd.Env = o.Dir, append(os.Environ(), "RUSTC="+filepath.Join(bin, "rustc"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, o.Output
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cargo build: %w", err)
	}
	file, err := artifact(&said)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// artifact finds the module among cargo's messages.
func artifact(r io.Reader) (file string, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct {
			Reason    string
			Filenames []string
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.Reason != "compiler-artifact" {
			continue
		}
		for _, f := range m.Filenames {
			if filepath.Ext(f) == ".wasm" {
				file = f
			}
		}
	}
	if file == "" {
		return "", errors.Join(errors.New(`cargo made no module: Cargo.toml needs [lib] crate-type = ["cdylib"]`), lines.Err())
	}
	return file, nil
}

// RustToolchain returns the first directory of the PATH with a cargo and a rustc that can compile to
// WebAssembly, or an ErrToolchain.
func RustToolchain(ctx context.Context) (bin string, err error) {
	seen := false
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		rustc := filepath.Join(dir, "rustc")
		if _, err := exec.LookPath(rustc); err != nil {
			continue
		}
		if _, err := exec.LookPath(filepath.Join(dir, "cargo")); err != nil {
			continue
		}
		seen = true
		out, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", rustTarget).Output()
		if err != nil {
			continue
		}
		if found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "libcore-*")); len(found) > 0 {
			return dir, nil
		}
	}
	if seen {
		return "", fmt.Errorf("%w: Rust is here, its library for %s is not: `rustup target add %[2]s`, or Debian's libstd-rust-dev-wasm32", ErrToolchain, rustTarget)
	}
	return "", fmt.Errorf("%w: cargo is not on the PATH", ErrToolchain)
}

// Block returns the filter block to paste into gateway.hcl, with the path as it is seen from the
// working directory.
func (b *Built) Block() string {
	m := b.Manifest
	var s strings.Builder
	path := filepath.ToSlash(b.File)
	if !filepath.IsAbs(b.File) && !strings.HasPrefix(path, ".") {
		path = "./" + path
	}
	fmt.Fprintf(&s, "filter %q {\n  wasm   = %q\n  sha256 = %q\n", m.Name, path, b.SHA256)
	var grants []string
	if m.Has(wasmhost.CapHTTP) {
		grants = append(grants, `http = ["https://example.com"]`)
	}
	if m.Has(wasmhost.CapKV) {
		grants = append(grants, "kv = true")
	}
	if m.Has(wasmhost.CapShared) {
		grants = append(grants, "shared = true")
	}
	if len(grants) > 0 {
		fmt.Fprintf(&s, "  grant  = { %s }\n", strings.Join(grants, ", "))
	}
	if m.Has(wasmhost.CapRate) {
		s.WriteString("  rate \"default\" { limit = \"600/1m\" }\n")
	}
	if m.Schema != nil && len(m.Schema.Attrs) > 0 {
		s.WriteString("  config {\n")
		for i := range m.Schema.Attrs {
			a := &m.Schema.Attrs[i]
			mark := "# "
			if a.Required() {
				mark = ""
			}
			fmt.Fprintf(&s, "    %s%s = %s # %s\n", mark, a.Name, sample(a), a.Doc)
		}
		s.WriteString("  }\n")
	}
	s.WriteString("}\n")
	if out, diags := config.Format("block.hcl", []byte(s.String())); !diags.HasErrors() {
		return string(out)
	}
	return s.String()
}

// replace puts content in place of a file's, or, where that fails, leaves it.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
