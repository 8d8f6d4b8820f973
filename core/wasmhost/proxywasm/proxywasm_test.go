package proxywasm

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

func TestPairsOfTheSpecification(t *testing.T) {
	var h llm.Header
	h.Add("A", "1")
	h.Add("b", "22")
	want := "\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00a\x001\x00b\x0022\x00"
	got := AppendPairs(nil, h)
	if string(got) != want || PairsSize(h) != len(want) {
		t.Fatalf("%q, size %d", got, PairsSize(h))
	}
	back, err := ParsePairs(got, 10)
	if err != nil || len(back) != 2 || back[0].Name != "a" || back[1].Value != "22" {
		t.Errorf("%v, %v", back, err)
	}
	if _, err := ParsePairs(got, 1); err == nil {
		t.Error("more pairs than allowed pass")
	}
	for _, empty := range []string{"", "\x00", "\x00\x00\x00\x00"} {
		if h, err := ParsePairs([]byte(empty), 10); err != nil || len(h) != 0 {
			t.Errorf("%q: %v, %v", empty, h, err)
		}
	}
	if AppendPairs(nil, nil) != nil {
		t.Error("an empty map has bytes")
	}
}

func FuzzParsePairs(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00a\x001\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00a\x001\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParsePairs(b, 100)
		if err != nil {
			return
		}
		back, err := ParsePairs(AppendPairs(nil, h), 100)
		if err != nil || len(back) != len(h) {
			t.Fatalf("%q: %v, %v", b, back, err)
		}
		for i := range h {
			if strings.ToLower(h[i].Name) != back[i].Name || h[i].Value != back[i].Value {
				t.Fatalf("%q became %q", h, back)
			}
		}
	})
}

func TestSharedDataIsSwappedByNumber(t *testing.T) {
	s := NewStore(new(atomic.Int64), 1<<30)
	if _, _, ok := s.Get([]byte("k")); ok {
		t.Fatal("there is something")
	}
	if st := s.Set([]byte("k"), []byte("v"), 7); st != CASMismatch {
		t.Errorf("a number for nothing: %d", st)
	}
	if st := s.Set([]byte("k"), []byte("v"), 0); st != OK {
		t.Fatal(st)
	}
	v, cas, ok := s.Get([]byte("k"))
	if !ok || string(v) != "v" || cas == 0 {
		t.Fatalf("%q %d %v", v, cas, ok)
	}
	if st := s.Set([]byte("k"), []byte("w"), cas); st != OK {
		t.Error(st)
	}
	if st := s.Set([]byte("k"), []byte("x"), cas); st != CASMismatch {
		t.Errorf("an old number: %d", st)
	}
}

// TestConcurrentSwapsLoseNothing: every swap that was accepted is counted.
func TestConcurrentSwapsLoseNothing(t *testing.T) {
	s := NewStore(new(atomic.Int64), 1<<30)
	s.Set([]byte("n"), []byte{0}, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				for {
					v, cas, _ := s.Get([]byte("n"))
					v[0]++
					if s.Set([]byte("n"), v, cas) == OK {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if v, _, _ := s.Get([]byte("n")); v[0] != 200 {
		t.Errorf("%d", v[0])
	}
}

func TestStoresAreBounded(t *testing.T) {
	total := new(atomic.Int64)
	s := NewStore(total, MaxShared)
	big := bytes.Repeat([]byte("x"), MaxShared/2)
	if st := s.Set([]byte("a"), big, 0); st != OK {
		t.Fatal(st)
	}
	id, _ := s.Queue([]byte("q"), true)
	if st := s.Enqueue(id, big); st != InternalFailure {
		t.Errorf("beyond the store: %d", st)
	}
	if st := NewStore(total, MaxShared).Set([]byte("a"), big, 0); st != InternalFailure {
		t.Errorf("beyond all stores: %d", st)
	}
	if st := s.Set([]byte("a"), nil, 0); st != OK {
		t.Error(st)
	}
	if st := s.Enqueue(id, big); st != OK {
		t.Errorf("the room that came free: %d", st)
	}
	if st := s.Set([]byte(strings.Repeat("k", MaxName+1)), nil, 0); st != InternalFailure {
		t.Errorf("a long key: %d", st)
	}
	for i := range MaxQueues {
		s.Queue([]byte{byte(i)}, true)
	}
	if _, st := s.Queue([]byte("one more"), true); st != InternalFailure {
		t.Errorf("queues: %d", st)
	}
}

func TestQueuesAreFirstInFirstOut(t *testing.T) {
	s := NewStore(new(atomic.Int64), 1<<30)
	if _, st := s.Queue([]byte("q"), false); st != NotFound {
		t.Error(st)
	}
	id, _ := s.Queue([]byte("q"), true)
	if same, st := s.Queue([]byte("q"), false); same != id || st != OK {
		t.Errorf("%d, %d", same, st)
	}
	for _, item := range []string{"a", "b"} {
		s.Enqueue(id, []byte(item))
	}
	for _, want := range []string{"a", "b"} {
		if got, st := s.Dequeue(id); st != OK || string(got) != want {
			t.Errorf("%q, %d", got, st)
		}
	}
	if _, st := s.Dequeue(id); st != Empty {
		t.Error(st)
	}
	if _, st := s.Dequeue(99); st != NotFound {
		t.Error(st)
	}
	if s.size != 0 {
		t.Errorf("%d bytes are left", s.size)
	}
}

func TestMetrics(t *testing.T) {
	s := NewStore(new(atomic.Int64), 1<<30)
	counter, _ := s.Define(Counter, "c")
	gauge, _ := s.Define(Gauge, "g")
	histogram, _ := s.Define(Histogram, "h")
	if again, _ := s.Define(Counter, "c"); again != counter {
		t.Error("one metric twice")
	}
	if _, st := s.Define(3, "x"); st != BadArgument {
		t.Error(st)
	}
	s.Increment(counter, 2)
	s.Record(counter, 3)
	s.Record(gauge, 9)
	s.Increment(gauge, -4)
	for id, want := range map[uint32]int64{counter: 5, gauge: 5} {
		if got, st := s.Metric(id); got != want || st != OK {
			t.Errorf("%d: %d, %d", id, got, st)
		}
	}
	for _, st := range []Status{
		func() Status { _, _, _, st := s.Increment(counter, -1); return st }(),
		func() Status { _, _, _, st := s.Increment(histogram, 1); return st }(),
		func() Status { _, st := s.Metric(histogram); return st }(),
	} {
		if st != BadArgument {
			t.Error(st)
		}
	}
	if _, st := s.Metric(99); st != NotFound {
		t.Error(st)
	}
}

func TestVersions(t *testing.T) {
	for export, want := range map[string]string{
		"proxy_abi_version_0_2_1": "0.2.1", "proxy_abi_version_0_2_100": "0.2.100", "proxy_on_tick": "", "memory": "",
	} {
		if got := Version(export); got != want {
			t.Errorf("%s: %q", export, got)
		}
	}
	if Supported("0.1.0") || !Supported("0.2.0") || !Supported(Higress) {
		t.Error("the wrong versions are supported")
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{"request\x00path": "request path", "plugin_name\x00": "plugin_name", "": ""} {
		if got := strings.Join(Path([]byte(path)), " "); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}
