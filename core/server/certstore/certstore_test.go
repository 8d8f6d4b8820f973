package certstore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/store"
)

func open(t *testing.T) (*Storage, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(store.Needs{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(s, seal.Random()), path
}

func TestValuesAreKeptSealed(t *testing.T) {
	s, path := open(t)
	ctx := t.Context()
	secret := bytes.Repeat([]byte("a private key "), 20)
	if _, err := s.Load(ctx, "a/b/key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	for _, key := range []string{"a/b/key", "a/b/cert", "a/c", "z"} {
		if err := s.Store(ctx, key, secret); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Load(ctx, "a/b/key"); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("%q, %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("private")) {
		t.Errorf("it stands in the file in clear: %v", err)
	}
	for _, c := range []struct {
		path      string
		recursive bool
		want      []string
	}{
		{"a", false, []string{"a/b", "a/c"}}, {"a", true, []string{"a/b/cert", "a/b/key", "a/c"}}, {"", false, []string{"a", "z"}},
	} {
		if got, err := s.List(ctx, c.path, c.recursive); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("list %q: %v, %v", c.path, got, err)
		}
	}
	if i, err := s.Stat(ctx, "a/b"); err != nil || i.IsTerminal {
		t.Errorf("a directory: %+v, %v", i, err)
	}
	if i, err := s.Stat(ctx, "a/c"); err != nil || !i.IsTerminal || i.Modified.IsZero() {
		t.Errorf("a value: %+v, %v", i, err)
	}
	if err := s.Delete(ctx, "a"); err != nil || s.Exists(ctx, "a/b/key") || !s.Exists(ctx, "z") {
		t.Errorf("delete: %v", err)
	}
}

func TestLocksExclude(t *testing.T) {
	s, _ := open(t)
	var wg sync.WaitGroup
	n := 0
	for range 20 {
		wg.Go(func() {
			if err := s.Lock(context.Background(), "x"); err != nil {
				t.Error(err)
			}
			n++ // the race detector sees whether the lock is one
			if err := s.Unlock(context.Background(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n != 20 {
		t.Errorf("%d", n)
	}
	if err := s.Lock(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Lock(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that is taken: %v", err)
	}
	if err := s.Unlock(t.Context(), "y"); err == nil {
		t.Error("a lock that is not taken was freed")
	}
}
