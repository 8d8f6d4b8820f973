package store

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// openKV opens the values of a store; its clock is the test's and nothing flushes by itself.
func openKV(t *testing.T, s *Store, now func() time.Time) *KV {
	t.Helper()
	kv, err := OpenKV(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	close(kv.stop)
	<-kv.done
	kv.stop = make(chan struct{})
	if kv.now = now; now == nil {
		kv.now = time.Now
	}
	return kv
}

func (kv *KV) text(owner, key string) string {
	b, ok := kv.Get(nil, owner, key)
	if !ok {
		return "none"
	}
	return string(b)
}

func TestValuesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openTest(t, path)
	kv, err := OpenKV(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []error{
		kv.Set("a\x00f", "k", []byte("one"), time.Hour), kv.Set("b\x00f", "k", []byte("two"), 0), kv.Set("a\x00g", "", nil, time.Hour),
		kv.Set("\x00f", "with\x00nul", []byte{0, 255}, time.Hour),
	} {
		if set != nil {
			t.Fatal(set)
		}
	}
	if n, err := kv.Add("a\x00f", "n", 41, time.Hour); n != 41 || err != nil {
		t.Fatal(n, err)
	}
	if err := errors.Join(kv.Close(), s.Check(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	kv = openKV(t, s, nil)
	got := strings.Join([]string{kv.text("a\x00f", "k"), kv.text("b\x00f", "k"), kv.text("a\x00g", ""), kv.text("\x00f", "with\x00nul"), kv.text("a\x00g", "k")}, ",")
	if got != "one,two,,\x00\xff,none" {
		t.Errorf("%q", got)
	}
	if n, err := kv.Add("a\x00f", "n", 1, time.Hour); n != 42 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestValuesExpire(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	now := time.Unix(1_700_000_000, 0)
	kv := openKV(t, s, func() time.Time { return now })
	kv.Set("t\x00f", "short", []byte("1"), time.Second)
	kv.Set("t\x00f", "long", []byte("2"), 0)
	kv.Add("t\x00f", "window", 1, time.Second)
	now = now.Add(500 * time.Millisecond)
	if n, _ := kv.Add("t\x00f", "window", 1, time.Second); n != 2 {
		t.Errorf("in the window: %d", n)
	}
	if err := kv.Flush(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(500 * time.Millisecond) // the window began with the first
	if n, _ := kv.Add("t\x00f", "window", 1, time.Second); n != 1 || kv.text("t\x00f", "short") != "none" || kv.text("t\x00f", "long") != "2" {
		t.Errorf("after it: %d, %s, %s", n, kv.text("t\x00f", "short"), kv.text("t\x00f", "long"))
	}
	now = now.Add(MaxKVTime)
	for i := range kv.shards {
		kv.sweep(&kv.shards[i])
	}
	if err := kv.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range kv.shards {
		kv.sweep(&kv.shards[i])
		if n := len(kv.shards[i].owners); n != 0 {
			t.Errorf("%d owners are left", n)
		}
	}
	left := 0
	s.View(func(tx *Tx) error {
		return FilterValues.Scan(tx, "", 0, func(string, FilterValue) bool { left++; return true })
	})
	if left != 0 || kv.total.Load() != 0 {
		t.Errorf("%d values are in the file, %d bytes in memory", left, kv.total.Load())
	}
}

func TestExpiredValuesAreNotLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openTest(t, path)
	kv := openKV(t, s, func() time.Time { return time.Unix(1_000_000, 0) })
	kv.Set("t\x00f", "k", []byte("old"), time.Second)
	if err := errors.Join(kv.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	kv = openKV(t, s, nil)
	if got := kv.text("t\x00f", "k"); got != "none" || kv.total.Load() != 0 {
		t.Errorf("%s, %d bytes", got, kv.total.Load())
	}
}

func TestValuesAreBounded(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	now := time.Unix(1_700_000_000, 0)
	kv := openKV(t, s, func() time.Time { return now })
	big := make([]byte, MaxKVValue)
	if err := kv.Set("t\x00f", strings.Repeat("k", MaxKVKey+1), nil, 0); err != ErrKVSize {
		t.Errorf("key: %v", err)
	}
	if err := kv.Set("t\x00f", "k", append(big, 0), 0); err != ErrKVSize {
		t.Errorf("value: %v", err)
	}
	for i := range MaxKVCount {
		if err := kv.Set("many\x00f", fmt.Sprint(i), nil, time.Second); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := kv.Set("many\x00f", "more", nil, 0); err != ErrKVFull {
		t.Errorf("count: %v", err)
	}
	if _, err := kv.Add("many\x00f", "more", 1, 0); err != ErrKVFull {
		t.Errorf("count of numbers: %v", err)
	}
	if err := kv.Set("many\x00f", "0", []byte("again"), time.Second); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	if err := kv.Set("other\x00f", "more", nil, 0); err != nil {
		t.Errorf("another owner: %v", err)
	}
	now = now.Add(time.Second)
	if err := kv.Set("many\x00f", "more", nil, 0); err != nil {
		t.Errorf("after the others have expired: %v", err)
	}
	n := 0
	for ; kv.Set("large\x00f", fmt.Sprint(n), big, 0) == nil; n++ {
	}
	if want := MaxKVOwner / (MaxKVValue + kvCost); n < want-1 || n > want {
		t.Errorf("%d values of %d bytes", n, MaxKVValue)
	}
}

func TestAdd(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	kv := openKV(t, s, nil)
	kv.Set("t\x00f", "text", []byte("x"), 0)
	kv.Set("t\x00f", "digits", []byte("7"), 0)
	kv.Set("t\x00f", "most", []byte(fmt.Sprint(int64(math.MaxInt64))), 0)
	for _, c := range []struct {
		key   string
		delta int64
		want  int64
		err   error
	}{
		{"new", 3, 3, nil}, {"new", -2, 1, nil}, {"new", -2, 0, ErrKVRange}, {"new", 0, 1, nil},
		{"text", 1, 0, ErrKVNumber}, {"digits", 1, 8, nil}, {"most", 1, 0, ErrKVRange}, {"most", -1, math.MaxInt64 - 1, nil},
		{"least", math.MinInt64, 0, ErrKVRange}, {strings.Repeat("k", 300), 1, 0, ErrKVSize},
	} {
		if n, err := kv.Add("t\x00f", c.key, c.delta, 0); n != c.want || err != c.err {
			t.Errorf("%.10s %+d: %d, %v", c.key, c.delta, n, err)
		}
	}
	if got := kv.text("t\x00f", "digits"); got != "8" {
		t.Errorf("a number reads as %q", got)
	}
}

func TestCountsAreExactUnderConcurrency(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := openTest(t, path)
	kv, err := OpenKV(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if _, err := kv.Add(fmt.Sprintf("t%d\x00f", i%3), "n", 1, time.Hour); err != nil {
					t.Error(err)
				}
				if i%500 == g {
					kv.Flush()
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(kv.Close(), s.Check(), s.Close()); err != nil {
		t.Fatal(err)
	}
	kv = openKV(t, openTest(t, path), nil)
	var sum int64
	for i := range 3 {
		n, _ := kv.Add(fmt.Sprintf("t%d\x00f", i), "n", 0, 0)
		sum += n
	}
	if sum != 8*2000 {
		t.Errorf("%d", sum)
	}
}

func TestAStoreOutOfOrderKeepsCountingInMemory(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "state.db"))
	kv := openKV(t, s, nil)
	s.fail(ErrCorrupt)
	for range 2 {
		if _, err := kv.Add("t\x00f", "n", 1, 0); err != nil {
			t.Fatal(err)
		}
		if err := kv.Flush(); !errors.Is(err, ErrDegraded) {
			t.Errorf("%v", err)
		}
	}
	if got := kv.text("t\x00f", "n"); got != "2" || len(kv.changes()) != 1 {
		t.Errorf("%s", got)
	}
	if err := kv.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkKV(b *testing.B) {
	s, err := Open(Needs{Path: filepath.Join(b.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	kv, err := OpenKV(s, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			kv.Add("t\x00f", "n", 1, 0)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		var buf [32]byte
		for b.Loop() {
			kv.Get(buf[:0], "t\x00f", "n")
		}
	})
	kv.Close()
	s.Close()
}
