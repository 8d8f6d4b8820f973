package access

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/llm"
)

func openStore(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s
}

func bearer(text string) llm.Header {
	return llm.Header{{Name: "Authorization", Value: "Bearer " + text}}
}

func TestLifeOfAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, master := openStore(t, path), seal.Random()
	now := time.Unix(1_000_000, 0)
	needs := Needs{Store: s, Master: master, Now: func() time.Time { return now }}
	keys, err := Open(needs)
	if err != nil {
		t.Fatal(err)
	}
	forever, text1, err := keys.Create(Spec{Name: "one", Team: "search"})
	if err != nil {
		t.Fatal(err)
	}
	_, text2, err := keys.Create(Spec{Name: "two", TTL: time.Hour, Models: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(keys *Keys, text string, want error) {
		t.Helper()
		if _, err := keys.Authenticate(bearer(text), ""); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	expect(keys, text1, nil)
	expect(keys, text2, nil)
	expect(keys, text1+"x", ErrUnknown)

	reopened, err := Open(needs)
	if err != nil {
		t.Fatal(err)
	}
	expect(reopened, text1, nil)
	other, err := Open(Needs{Store: s, Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	expect(other, text1, ErrUnknown) // another pepper

	now = now.Add(time.Hour)
	expect(keys, text2, ErrExpired)
	expect(keys, text1, nil)
	if _, err := keys.Revoke(forever.ID); err != nil {
		t.Fatal(err)
	}
	expect(keys, text1, ErrRevoked)
	if _, err := keys.Revoke("key_none"); !errors.Is(err, ErrNoSuchKey) {
		t.Error(err)
	}
	if list := keys.List(); len(list) != 2 || list[0].State(now) == "active" || list[1].State(now) == "active" {
		t.Errorf("%+v", list)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{text1, text2} {
		if bytes.Contains(raw, []byte(text[len(Prefix)+5:])) {
			t.Error("a key stands in the file")
		}
	}
}

func TestWhereTheKeyStands(t *testing.T) {
	keys, err := Open(Needs{Store: openStore(t, filepath.Join(t.TempDir(), "state.db")), Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := keys.Create(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	_, text2, err := keys.Create(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	one := func(name, value string) llm.Header { return llm.Header{{Name: name, Value: value}} }
	for name, c := range map[string]struct {
		header llm.Header
		query  string
		want   error
	}{
		"bearer":            {header: bearer(text)},
		"bearer, any case":  {header: one("AUTHORIZATION", "bEARER "+text)},
		"x-api-key":         {header: one("X-Api-Key", text)},
		"x-goog-api-key":    {header: one("x-goog-api-key", text)},
		"api-key":           {header: one("api-key", text)},
		"query":             {query: "alt=sse&key=" + text},
		"the same twice":    {header: append(bearer(text), one("x-api-key", text)...)},
		"two keys":          {header: append(bearer(text), one("x-api-key", text2)...), want: ErrSeveral},
		"none":              {want: ErrMissing},
		"another scheme":    {header: one("Authorization", "Basic "+text), want: ErrMissing},
		"an empty one":      {header: bearer(""), want: ErrMissing},
		"a prefix of a key": {header: bearer(text[:len(text)-1]), want: ErrUnknown},
	} {
		if _, err := keys.Authenticate(c.header, c.query); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestCreateRefusesBadNames(t *testing.T) {
	keys, err := Open(Needs{Store: openStore(t, filepath.Join(t.TempDir(), "state.db")), Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a\nb", strings.Repeat("x", 101), "\x00"} {
		if _, _, err := keys.Create(Spec{Name: name}); !errors.Is(err, ErrBadName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	keys, err := Open(Needs{Store: openStore(t, filepath.Join(t.TempDir(), "state.db")), Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				key, text, err := keys.Create(Spec{})
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := keys.Authenticate(bearer(text), ""); err != nil || got.ID != key.ID {
					t.Error(got, err)
				}
				keys.Revoke(key.ID)
				if _, err := keys.Authenticate(bearer(text), ""); !errors.Is(err, ErrRevoked) {
					t.Error(err)
				}
				keys.List()
			}
		})
	}
	wg.Wait()
	if n := len(keys.List()); n != 40 {
		t.Errorf("%d keys", n)
	}
}

func TestAuthenticateAllocates(t *testing.T) {
	keys, err := Open(Needs{Store: openStore(t, filepath.Join(t.TempDir(), "state.db")), Master: seal.Random()})
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := keys.Create(Spec{})
	h := bearer(text)
	if n := testing.AllocsPerRun(1000, func() { keys.Authenticate(h, "") }); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	keys, err := Open(Needs{Store: openStore(b, filepath.Join(b.TempDir(), "state.db")), Master: seal.Random()})
	if err != nil {
		b.Fatal(err)
	}
	_, text, _ := keys.Create(Spec{})
	h := bearer(text)
	b.ReportAllocs()
	for b.Loop() {
		keys.Authenticate(h, "")
	}
}
