package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// TestShare: writes that come while one commits are one transaction, and each returns when its own is on disk.
func TestShare(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	begin, begun := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Share(func(*Tx) error {
			close(begun)
			<-begin
			return nil
		})
	})
	<-begun
	const n = 20
	var in [n]int // the transaction of each
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprint("k", i)
			if err := s.Share(func(tx *Tx) error { in[i] = tx.tx.ID(); return Keys.Put(tx, id, key(id)) }); err != nil {
				t.Error(err)
			}
			s.View(func(tx *Tx) error {
				if _, found, err := Keys.Get(tx, id); !found || err != nil {
					t.Errorf("%s is not there: %v", id, err)
				}
				return nil
			})
		})
	}
	for waiting := 0; waiting < n; {
		s.shared.mu.Lock()
		if g := s.shared.next; g != nil {
			waiting = len(g.writes)
		}
		s.shared.mu.Unlock()
		runtime.Gosched()
	}
	close(begin)
	wg.Wait()
	for _, id := range in {
		if id == 0 || id != in[0] {
			t.Fatalf("transactions %v", in)
		}
	}
}

// TestShareFails: a write that fails takes those with it that it shares a transaction with, and none after them.
func TestShareFails(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	boom := errors.New("boom")
	if err := s.Share(func(tx *Tx) error { Keys.Put(tx, "a", key("a")); return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.Share(func(tx *Tx) error { return Keys.Put(tx, "b", key("b")) }); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *Tx) error {
		_, a, _ := Keys.Get(tx, "a")
		_, b, _ := Keys.Get(tx, "b")
		if a || !b {
			t.Errorf("a %t, b %t", a, b)
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Share(func(*Tx) error { return nil }); err == nil {
		t.Error("a closed store takes writes")
	}
}
