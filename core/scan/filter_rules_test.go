package scan

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// builtinFiles are the rules files of the sanitize filter.
var builtinFiles = []string{"secrets.rules", "request.rules", "answer.rules", "pii.rules", "prompt.rules", "hidden.rules", "output.rules", "structured.rules", "injection.rules", "fields.rules"}

// builtin reads rules files of the sanitize filter.
func builtin(t testing.TB, names ...string) []byte {
	t.Helper()
	var all []byte
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join("..", "..", "filters", "sanitize", "rules", n))
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, b...), '\n')
	}
	return all
}

func TestTheExamplesOfTheBuiltinRules(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for _, file := range builtinFiles {
		text := builtin(t, file)
		s := mustCompile(t, string(text))
		rules, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rules {
			if len(r.Yes) == 0 {
				t.Errorf("%s: rule %s has no example", file, r.ID)
			}
			for n := range 50 {
				for _, y := range r.Yes {
					if v := expand(t, rnd, y); !hits(t, s, int32(i), v) {
						t.Errorf("%s: rule %s misses its example %q: %q", file, r.ID, y, v)
					}
				}
				for _, no := range r.No {
					if v := expand(t, rnd, no); n == 0 && hits(t, s, int32(i), v) {
						t.Errorf("%s: rule %s takes %q", file, r.ID, v)
					}
				}
			}
		}
	}
}

func hits(t testing.TB, s *Set, rule int32, text string) bool {
	t.Helper()
	for _, m := range mustScan(t, s, text) {
		if m.Rule == rule {
			return true
		}
	}
	return false
}
