package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// open opens a store in a new directory; the test ends with its consistency check.
func openTest(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.Check()
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) || errors.Is(err, ErrDegraded) {
			return // the test closed it or broke it itself
		}
		if err = errors.Join(err, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func key(id string) Key {
	return Key{ID: id, Pepper: "0000", Digest: bytes.Repeat([]byte{1}, 32), Created: time.Unix(1, 0).UTC()}
}

func TestTable(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "new", "state.db"))
	err := s.Update(func(tx *Tx) error {
		for _, id := range []string{"b1", "a1", "a2", "a3"} {
			if err := Keys.Put(tx, id, key(id)); err != nil {
				return err
			}
		}
		return Keys.Delete(tx, "a2")
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	s.View(func(tx *Tx) error {
		if k, ok, err := Keys.Get(tx, "a1"); err != nil || !ok || k.ID != "a1" {
			t.Errorf("get: %v %v %v", k, ok, err)
		}
		if _, ok, err := Keys.Get(tx, "a2"); ok || err != nil {
			t.Errorf("deleted key is there: %v", err)
		}
		return Keys.Scan(tx, "a", 0, func(id string, _ Key) bool { got = append(got, id); return true })
	})
	if fmt.Sprint(got) != "[a1 a3]" {
		t.Errorf("scan: %v", got)
	}
}

func TestUpdateThatFailsLeavesNothing(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	boom := errors.New("boom")
	if err := s.Update(func(tx *Tx) error { Keys.Put(tx, "a", key("a")); return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	s.View(func(tx *Tx) error {
		if _, ok, _ := Keys.Get(tx, "a"); ok {
			t.Error("half an update is there")
		}
		return nil
	})
}

func TestOpenRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Run("a file in use", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		openTest(t, path)
		if _, err := Open(Needs{Path: path, Timeout: time.Millisecond, Logger: log}); !errors.Is(err, ErrLocked) {
			t.Error(err)
		}
	})
	t.Run("a newer version", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		s := openTest(t, path)
		s.Update(func(tx *Tx) error { return tx.tx.Bucket(meta).Put(metaVersion, []byte{0, 0, 0, 0, 0, 0, 0, 99}) })
		s.Close()
		if _, err := Open(Needs{Path: path, Logger: log}); !errors.Is(err, ErrNewer) {
			t.Error(err)
		}
	})
	t.Run("what is no store", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		os.WriteFile(path, bytes.Repeat([]byte("not a store "), 4000), 0o600)
		if _, err := Open(Needs{Path: path, Logger: log}); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}

func TestCheckFinds(t *testing.T) {
	for name, spoil := range map[string]func(*Tx) error{
		"a value that does not decode": func(tx *Tx) error { return tx.tx.Bucket([]byte("keys")).Put([]byte("x"), []byte("{")) },
		"a key under another's id":     func(tx *Tx) error { return Keys.Put(tx, "x", key("y")) },
		"an unknown table":             func(tx *Tx) error { _, err := tx.tx.CreateBucket([]byte("who")); return err },
		"a missing table":              func(tx *Tx) error { return tx.tx.DeleteBucket([]byte("keys")) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(Needs{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(spoil); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("check says %v", err)
			}
		})
	}
}

// A damaged page must take the store out of order, never the process.
func TestCorruptPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openTest(t, path)
	s.Update(func(tx *Tx) error {
		for i := range 500 {
			Keys.Put(tx, fmt.Sprintf("key%03d", i), key(fmt.Sprintf("key%03d", i)))
		}
		return nil
	})
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	noticed := 0
	for at := 2 * page; at < len(whole); at += page {
		damaged := bytes.Clone(whole)
		for i := at; i < at+page && i < len(damaged); i++ {
			damaged[i] = 0xff
		}
		os.WriteFile(path, damaged, 0o600)
		s, err := Open(Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			noticed++
			continue
		}
		err = s.View(func(tx *Tx) error { return Keys.Scan(tx, "", 0, func(string, Key) bool { return true }) })
		if err = errors.Join(err, s.Check()); err != nil {
			noticed++
		}
		s.Close()
	}
	if noticed == 0 {
		t.Error("no damaged page was noticed")
	}
}

// A process that is killed while it writes loses nothing it acknowledged.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for round := range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillWriter$")
		cmd.Env = append(os.Environ(), "GINNEL_STORE_WRITER="+path, fmt.Sprintf("GINNEL_STORE_ROUND=%d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acked []string
		lines := bufio.NewScanner(out)
		for len(acked) < 5+round && lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				acked = append(acked, id)
			}
		}
		cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		cmd.Wait()
		for line := range strings.SplitSeq(string(rest), "\n") {
			if id, ok := strings.CutPrefix(line, "acked "); ok {
				acked = append(acked, id)
			}
		}
		s := openTest(t, path)
		s.View(func(tx *Tx) error {
			for _, id := range acked[:len(acked)-1] { // the last line may be cut short
				if _, ok, err := Keys.Get(tx, id); !ok || err != nil {
					t.Errorf("round %d: %s was acknowledged and is lost: %v", round, id, err)
				}
			}
			return nil
		})
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

// TestKillWriter is the process that TestKill kills.
func TestKillWriter(t *testing.T) {
	path := os.Getenv("GINNEL_STORE_WRITER")
	if path == "" {
		return
	}
	s, err := Open(Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1_000_000 {
		id := fmt.Sprintf("key-%s-%d", os.Getenv("GINNEL_STORE_ROUND"), i)
		if err := s.Update(func(tx *Tx) error { return Keys.Put(tx, id, key(id)) }); err != nil {
			t.Fatal(err)
		}
		fmt.Println("acked " + id)
	}
}

func TestPanicTakesTheStoreOutOfOrder(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	if err := s.guard(func(func(*bbolt.Tx) error) error { panic("page 7: invalid type") }, nil); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrDegraded) {
		t.Error(err)
	}
	if s.Degraded() == nil {
		t.Error("not degraded")
	}
}
