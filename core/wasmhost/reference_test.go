package wasmhost

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
)

// TestTheReferenceNamesEverything: every import with its number of parameters, every event, capability
// and field with its number.
func TestTheReferenceNamesEverything(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reference/filter-abi.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, f := range hostFuncs() {
		_, line, found := strings.Cut(text, "\n| `"+f.name+"(")
		line, _, _ = strings.Cut(line, "\n")
		params, rest, _ := strings.Cut(line, ")")
		n := len(strings.Split(params, ","))
		if params == "" {
			n = 0
		}
		granted := f.capability == CapHTTP || f.capability == CapKV
		if !found || n != len(f.params) || !strings.Contains(rest, "| "+f.capability) || strings.Contains(rest, "granted") != granted {
			t.Errorf("%s is not described, or otherwise: %s(%s", f.name, f.name, line)
		}
		if wide := len(f.result) == 1 && f.result[0] == api.ValueTypeI64; wide != strings.Contains(rest, "-> i64`") {
			t.Errorf("%s has another result", f.name)
		}
	}
	names := append([]string{eventTick, eventCallDone}, capabilities...)
	for p := exchange.PhaseRequestHead; p <= exchange.PhaseDone; p <<= 1 {
		names = append(names, p.String())
		if row := fmt.Sprintf("\n| `%s` | %d |", p, eventOf(p)); !strings.Contains(text, row) {
			t.Errorf("no row %s", row)
		}
	}
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not named", name)
		}
	}
	for name, n := range fieldNumbers(t) {
		_, cells, found := strings.Cut(text, "| `"+name+"`")
		_, cells, _ = strings.Cut(cells, "|")
		number, _, _ := strings.Cut(cells, "|")
		if !found || strings.TrimSpace(number) != strconv.Itoa(n) {
			t.Errorf("field %s is not %d but %s", name, n, number)
		}
	}
}

// fieldNumbers reads the fields out of package abi: the constants of its two blocks of fields.
func fieldNumbers(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../sdk/filter/abi/abi.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || !strings.HasPrefix(g.Doc.Text(), "The fields ") {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if n, err := strconv.Atoi(v.Values[0].(*ast.BasicLit).Value); err == nil && v.Names[0].Name != "Numbers" {
				out[v.Names[0].Name] = n
			}
		}
	}
	if len(out) < 30 {
		t.Fatalf("found %d fields", len(out))
	}
	return out
}
