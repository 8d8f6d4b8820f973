package uploads

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/store"
)

// openLeft opens what a state file remembers, with a clock that the test sets.
func openLeft(t *testing.T, path string, now *time.Time) (*store.Store, *Uploads) {
	t.Helper()
	s, err := store.Open(store.Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	u := New(s)
	u.now = func() time.Time { return *now }
	return s, u
}

// count returns how many records the file has of what answers left.
func count(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	err := s.View(func(tx *store.Tx) error {
		return store.Lefts.Scan(tx, "", 0, func(string, Left) bool { n++; return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLeft: what an answer left is its owner's, at that provider, after a restart, and for at least 30 days.
func TestLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	now := time.Unix(1_700_000_000, 0)
	s, u := openLeft(t, path, &now)
	one := Owner{"one", "p"}
	if err := u.Leave(one, "resp_1", Left{Model: "m", Open: true}, []string{"msg_1", "", string(make([]byte, longest+1)), "msg_1"}); err != nil {
		t.Fatal(err)
	}
	if err := u.Leave(one, "resp_1", Left{Model: "other"}, []string{"msg_1"}); err != nil { // it is known
		t.Fatal(err)
	}
	if n := count(t, s); n != 2 {
		t.Errorf("%d records", n)
	}
	s.Close()
	s, u = openLeft(t, path, &now)
	defer s.Close()
	if v, found, err := u.Left(one, "resp_1"); err != nil || !found || v.Model != "m" || !v.Open {
		t.Errorf("%+v, %t, %v", v, found, err)
	}
	if found, err := u.Has(one, "msg_1"); !found || err != nil {
		t.Errorf("an item: %t, %v", found, err)
	}
	for _, o := range []Owner{{"two", "p"}, {"one", "q"}, {"", "p"}, {"on", "e\x00p"}} {
		for _, id := range []string{"resp_1", "msg_1"} {
			if found, err := u.Has(o, id); found || err != nil {
				t.Errorf("%+v has %s, %v", o, id, err)
			}
		}
		if _, first, err := u.Tell(o, "resp_1"); first || err != nil {
			t.Errorf("%+v: %t, %v", o, first, err)
		}
		if err := u.Forget(o, "resp_1"); err != nil {
			t.Error(err)
		}
	}
	now = now.Add(30 * 24 * time.Hour)
	for i, want := range []bool{true, false} {
		if _, first, err := u.Tell(one, "resp_1"); first != want || err != nil {
			t.Errorf("%d: %t, %v", i, first, err)
		}
	}
	if v, _, _ := u.Left(one, "resp_1"); v.Model != "m" {
		t.Errorf("%+v", v)
	}
	if err := u.Forget(one, "resp_1"); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := u.Left(one, "resp_1"); found {
		t.Error("it is still there")
	}
	if found, _ := u.Has(one, "msg_1"); !found {
		t.Error("its item is gone")
	}
	now = now.Add(2 * week)
	if found, _ := u.Has(one, "msg_1"); found {
		t.Error("it is remembered for ever")
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

// TestLeftIsForgotten: what has expired goes, some with each that comes, and no more than that.
func TestLeftIsForgotten(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, u := openLeft(t, filepath.Join(t.TempDir(), "state.db"), &now)
	defer s.Close()
	o := Owner{"one", "p"}
	leave := func(id string) {
		t.Helper()
		if err := u.Leave(o, id, Left{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		leave(fmt.Sprint("old-", i))
	}
	now = now.Add(3 * week)
	leave("young")
	now = now.Add(3 * week)
	for i, want := range []int{10, 9, 8, 7, 6, 7} { // all are removed with the fifth
		leave(fmt.Sprint("new-", i))
		if n := count(t, s); n != want {
			t.Errorf("%d: %d records, want %d", i, n, want)
		}
	}
	if found, _ := u.Has(o, "young"); !found {
		t.Error("one that has not expired is gone")
	}
}

// TestLeftTogether: many write at a time, and each has what it was told is written.
func TestLeftTogether(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, u := openLeft(t, filepath.Join(t.TempDir(), "state.db"), &now)
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			o := Owner{fmt.Sprint(i % 5), "p"}
			id := fmt.Sprint("resp_", i)
			if err := u.Leave(o, id, Left{Open: true}, []string{"shared"}); err != nil {
				t.Error(err)
			}
			if _, first, err := u.Tell(o, id); !first || err != nil {
				t.Errorf("%s: %t, %v", id, first, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != 55 {
		t.Errorf("%d records", n)
	}
}
