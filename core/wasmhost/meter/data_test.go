package meter

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
)

func active(at int64, b ...byte) []byte { return sized(append(number(at), opEnd), b) }

func data(segments ...[]byte) program {
	p := program{min: 1, max: 2, funcs: []function{{}}}
	for _, s := range segments {
		p.data = append(p.data, cat([]byte{0}, s))
	}
	return p
}

// segments returns how many pieces of data a module has.
func segments(wasm []byte) uint64 {
	for r := (&reader{b: wasm, at: len(magic)}); r.more(); {
		if id, b := r.byte(), r.take(r.u32()); id == secData {
			return (&reader{b: b}).u32()
		}
	}
	return 0
}

// begins returns the memory that a module begins with, or nil where it cannot begin.
func begins(t *testing.T, wasm []byte) []byte {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(context.Background())
	if err := Define(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	mod, err := r.InstantiateWithConfig(With(context.Background(), &Meter{}), wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil
	}
	b, _ := mod.Memory().Read(0, mod.Memory().Size())
	return bytes.Clone(b)
}

// TestDataIsMerged: a module has as few pieces of data as it takes, and begins with the same memory.
func TestDataIsMerged(t *testing.T) {
	small := make([]byte, zeroRun-1)
	for name, c := range map[string]struct {
		program
		want uint64
	}{
		"side by side":        {data(active(8, 1, 2), active(10, 3)), 1},
		"near":                {data(active(8, 1), active(8+zeroRun, 2), active(9+2*zeroRun, 3)), 2},
		"zeros inside":        {data(active(8, cat([]byte{1}, small, []byte{2}, small, []byte{3})...), active(4000, 1), active(4001, 1)), 2},
		"over one another":    {data(active(8, 1, 2, 3, 4), active(10, 0, 9), active(7, 5)), 1},
		"out of order":        {data(active(100, 1), active(50, 2), active(75, 3)), 1},
		"zeros alone":         {data(active(8, 0, 0), active(0, 0)), 0},
		"to the last byte":    {data(active(65535, 1), active(65534, 1)), 1},
		"an empty one beyond": {data(active(1, 1), active(65536), active(2, 1)), 1},
		"beyond":              {data(active(8, 1), active(9, 1), active(65535, 1, 2)), 3},
		"far beyond":          {data(active(8, 1), active(9, 1), active(-1, 1)), 3},
		"more than there was": {data(active(0, cat([]byte{1}, make([]byte, zeroRun), []byte{1})...)), 1},
		"a global's":          {program{min: 1, max: 2, funcs: []function{{}}, data: [][]byte{cat([]byte{0}, active(8, 1)), cat([]byte{2, 0}, active(9, 1))}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			original := c.bytes()
			out, _, err := Instrument(original, validate)
			if err != nil {
				t.Fatal(err)
			}
			if n := segments(out); n != c.want {
				t.Errorf("%d segments, not %d", n, c.want)
			}
			if want, got := begins(t, original), begins(t, out); !bytes.Equal(want, got) {
				t.Error("it begins with another memory")
			}
		})
	}
	p := program{min: 1, max: 2, passive: 3, funcs: []function{{}}}
	if out, _, err := Instrument(p.bytes(), validate); err != nil || segments(out) != 1 {
		t.Errorf("a passive one: %v", err)
	}
}

// TestAnyDataIsMerged compares what random modules begin with.
func TestAnyDataIsMerged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all [][]byte
		for range 1 + random.IntN(20) {
			b := make([]byte, random.IntN(100))
			for i := range b {
				b[i] = byte(random.IntN(3))
			}
			all = append(all, active(int64(random.IntN(1000)), b...))
		}
		original := data(all...).bytes()
		out, _, err := Instrument(original, validate)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := begins(t, original), begins(t, out); want == nil || !bytes.Equal(want, got) {
			t.Fatalf("%v", all)
		}
	}
}
