package gateway

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestAdmitted: the server is told that a caller is let in when its key is known, or when nobody is asked for one.
func TestAdmitted(t *testing.T) {
	s, err := store.Open(store.Needs{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys, err := access.Open(access.Needs{Store: s, Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := keys.Create(access.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		open bool
		key  string
		want bool
	}{"no key": {}, "a wrong key": {key: "x" + text}, "a key": {key: text, want: true}, "open": {open: true, want: true}} {
		x, told := exchange.New(t.Context()), false
		x.Admitted = func() { told = true }
		x.Request.Header.Set("Authorization", "Bearer "+c.key)
		g := New(Needs{Keys: keys, Codecs: codecs.All()})
		v := &serving{Gateway: g, x: x, codec: codecs.All()[0], route: &Route{Open: c.open}}
		if reply := v.admit(); (reply == nil) != c.want || told != c.want {
			t.Errorf("%s: %+v, told %t", name, reply, told)
		}
	}
	x := exchange.New(t.Context())
	x.Request.Header = llm.Header{{Name: "Authorization", Value: "Bearer " + text}}
	if reply := (&serving{Gateway: New(Needs{Keys: keys}), x: x, route: &Route{}}).admit(); reply != nil {
		t.Error("a server that does not want to know")
	}
}
