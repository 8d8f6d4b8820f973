package repo

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFeatures: every test that docs/features.md names exists, and no row that claims anything is
// without one.
func TestFeatures(t *testing.T) {
	exists := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasSuffix(s.path, "_test.go") && f.Recv == nil {
				exists[f.Name.Name] = true
			}
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/features.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	rows := 0
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !regexp.MustCompile(`^ [A-Z]\d+ $`).MatchString(cells[1]) {
			continue
		}
		rows++
		tests := named.FindAllStringSubmatch(cells[4], -1)
		if claims := strings.TrimSpace(cells[3]) != "not yet"; claims != (len(tests) > 0) {
			t.Errorf("row%sis %q and names %d tests", cells[1], strings.TrimSpace(cells[3]), len(tests))
		}
		for _, n := range tests {
			if !exists[n[1]] {
				t.Errorf("row%snames %s, which does not exist", cells[1], n[1])
			}
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows were read", rows)
	}
}
