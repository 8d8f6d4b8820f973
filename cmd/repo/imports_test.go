package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/ginnel/ginnel/"
)

// layers is the import table: the parts of the tree that each part may import.
var layers = map[string][]string{
	"sdk":      {"sdk"},
	"plugins":  {"sdk"},
	"examples": {"sdk"},
	"filters":  {"sdk/filter"},
	"core":     {"core", "sdk"},
	"cmd":      {"core", "sdk", "plugins", "filters"},
}

// floors orders the packages of core: one imports those on lower floors only, never its siblings.
var floors = [][]string{
	{"exchange", "config", "store", "seal"},
	{"socket", "spool", "limit", "scan", "price", "audit"},
	{"upstream", "access", "uploads", "cache", "media", "wasmhost", "pluginhost", "telemetry", "identity"},
	{"gateway"},
	{"server", "admin", "filtertest"}, // filtertest plays client and provider to a whole gateway
	{"daemon"},
}

func floor(pkg string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, pkg) })
}

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	file *ast.File
	fset *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) generated() bool { return ast.IsGenerated(s.file) }

// sources parses every Go file of the repository; with go list, a violation would hide in the test
// cache.
func sources(t *testing.T) (all []source) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && (strings.HasPrefix(base, ".") && base != ".." || base == "bin" || base == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || path.Ext(base) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		all = append(all, source{filepath.ToSlash(rel), f, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found %d files: not the repository", len(all))
	}
	return all
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if why := violation(s, to); why != "" {
				t.Errorf("%s: %s", s.fset.Position(spec.Pos()), why)
			}
		}
	}
}

// violation says why a file must not import a package of ours, or returns "".
func violation(s source, to string) string {
	top, rest, _ := strings.Cut(s.path, "/")
	if top == "cmd" && strings.HasPrefix(to, "cmd/") {
		return "" // a command's own packages
	}
	if top == "filters" && strings.HasPrefix(to, path.Dir(s.path)) {
		return "" // a filter's own packages
	}
	if top == "plugins" && strings.HasPrefix(to+"/", "plugins/"+strings.SplitN(rest, "/", 2)[0]+"/") {
		return "" // a plugin's own packages
	}
	if !slices.ContainsFunc(layers[top], func(ok string) bool { return to == ok || strings.HasPrefix(to, ok+"/") }) {
		return top + " must not import " + to
	}
	if top != "core" || !strings.HasPrefix(to, "core/") {
		return ""
	}
	from, target := strings.SplitN(rest, "/", 2)[0], strings.SplitN(to, "/", 3)[1]
	switch {
	case from == target:
		return ""
	case floor(from) < 0:
		return "core/" + from + " has no floor in the import table"
	case floor(target) < 0:
		return "core/" + target + " has no floor in the import table"
	case floor(target) >= floor(from):
		return "core/" + from + " must not import core/" + target + ": not on a lower floor"
	}
	return ""
}

// A test that cannot fail shows nothing.
func TestImportsNotices(t *testing.T) {
	for _, c := range []struct{ file, to string }{
		{"core/exchange/x.go", "core/gateway"},
		{"core/upstream/x.go", "core/access"},
		{"core/exchange/x.go", "core/store"},
		{"core/nowhere/x.go", "core/store"},
		{"plugins/echo/x.go", "core/exchange"},
		{"plugins/echo/x.go", "plugins/openai"},
		{"filters/headers/x.go", "sdk/llm"},
		{"sdk/llm/x.go", "core/exchange"},
		{"core/daemon/x.go", "cmd/ginnel"},
	} {
		if violation(source{path: c.file}, c.to) == "" {
			t.Errorf("%s may import %s", c.file, c.to)
		}
	}
}
