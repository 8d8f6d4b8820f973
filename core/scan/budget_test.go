package scan

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestOrdinaryTextsStayFarBelowTheBudget runs what clients really send, long and dense, through the
// built-in rules.
func TestOrdinaryTextsStayFarBelowTheBudget(t *testing.T) {
	rnd := rand.New(rand.NewPCG(19, 20))
	blob := make([]byte, 100<<10)
	for i := range blob {
		blob[i] = byte(rnd.Uint32())
	}
	var numbers, page, code, keys strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&numbers, "%d,%d.%02d,2026-01-%02d;", rnd.IntN(1e9), rnd.IntN(1000), rnd.IntN(100), i%28)
		fmt.Fprintf(&page, `<div class="a-%d" data-x="%d"><a href="/p?id=%d&amp;q=x">it's "so" & on</a></div>`, i, i, i)
		fmt.Fprintf(&code, "if (a[%d] == b && (c || !d)) { f(x.y(), z[i++], \"s\", 'k'); } // token or key\n", i)
		fmt.Fprintf(&keys, "key=%d&token=abc&api_key: none, password is not set, https://a.b:80/c@d ", i)
	}
	text := mustCompile(t, string(builtin(t, "secrets.rules", "request.rules", "pii.rules", "prompt.rules", "hidden.rules")))
	field := mustCompile(t, string(builtin(t, "structured.rules", "injection.rules", "fields.rules")))
	for name, v := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString(blob), "hex": fmt.Sprintf("%x", blob), "numbers": numbers.String(),
		"page": page.String(), "code": code.String(), "keys": keys.String(), "brackets": strings.Repeat("(((())))[[]]{{}}", 4000),
		"quotes": strings.Repeat(`"a", 'b', `, 5000), "spaces": strings.Repeat(" \n\t", 20000), "words": strings.Repeat("or and select by ", 5000),
	} {
		for kind, s := range map[string]*Set{"text": text, "field": field} {
			w := newWork(s.text, s.field)
			w.begin(len(v))
			e := s.text
			if e == nil {
				e = s.field
			}
			_, err := e.advance(w, nil, []byte(v), 0, true)
			if err != nil || w.steps > w.limit/2 {
				t.Errorf("%s as %s: %d steps of %d, %v", name, kind, w.steps, w.limit, err)
			}
		}
	}
}
