package repo

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The limits of STYLE: a file's and a function's lines.
const (
	maxFile     = 600
	maxFunction = 100
)

func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		dir := path.Dir(s.path)
		if _, seen := comments[dir]; !seen {
			comments[dir] = nil
		}
		if s.file.Doc != nil && !s.test() && !s.generated() {
			comments[dir] = append(comments[dir], s.path)
		}
	}
	for dir, files := range comments {
		if strings.Contains(dir, "testdata") || onlyGeneratedOrTests(dir) {
			continue
		}
		if len(files) != 1 {
			t.Errorf("%s: %d package comments, want one: %v", dir, len(files), files)
		}
	}
}

func onlyGeneratedOrTests(dir string) bool {
	names, _ := filepath.Glob(filepath.Join(root, dir, "*.go"))
	return !slices.ContainsFunc(names, func(n string) bool {
		return !strings.HasSuffix(n, "_test.go") && !strings.HasSuffix(n, ".pb.go") && !strings.HasSuffix(n, "_gen.go")
	})
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated() || strings.Contains(s.path, "testdata/") {
			continue
		}
		if n := s.fset.File(s.file.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s: %d lines, at most %d", s.path, n, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || s.test() && tableDriven(f) {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, at most %d", s.path, f.Name.Name, n, maxFunction)
			}
		}
	}
}

// tableDriven reports whether a function's length comes from a composite literal of data.
func tableDriven(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok && len(lit.Elts) >= 8 {
			found = true
		}
		return !found
	})
	return found
}

var badName = regexp.MustCompile(`(Manager|Helper|Util|Utils|Base|Impl)$`)

func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated() {
			continue
		}
		inCore := strings.HasPrefix(s.path, "core/") && !s.test()
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ty, ok := spec.(*ast.TypeSpec); ok && badName.MatchString(ty.Name.Name) {
						t.Errorf("%s: type %s says nothing by its name", s.path, ty.Name.Name)
					}
				}
			case *ast.FuncDecl:
				if inCore && d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: core has no init functions", s.path)
				}
			}
		}
	}
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated() || s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			ty, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := ty.Type.(*ast.InterfaceType); ok && !contracts[path.Dir(s.path)+"."+ty.Name.Name] && i.Methods.NumFields() > 4 {
				t.Errorf("%s: interface %s has %d methods, at most 4", s.path, ty.Name.Name, i.Methods.NumFields())
			}
			return true
		})
	}
}

// contracts are the interfaces of the sdk that may be larger.
var contracts = map[string]bool{"sdk/dialect.Codec": true}

// The history and the tree are public: nothing in them may tell of the machine they were made on.
func TestNoLocalPaths(t *testing.T) {
	local := regexp.MustCompile(`(^|[^\w.])/(work|root|home/\w+)/`)
	for _, s := range sources(t) {
		text, err := os.ReadFile(filepath.Join(root, s.path))
		if err != nil {
			t.Fatal(err)
		}
		if at := local.FindIndex(text); at != nil && s.path != "cmd/repo/style_test.go" {
			t.Errorf("%s: names a local path: %q", s.path, text[at[0]:at[1]])
		}
	}
}
