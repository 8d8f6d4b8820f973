package meter

import (
	"bytes"
	"context"
	"math/rand"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// generator writes random structured code. Local 0 is the parameter and a random state, local 1
// bounds how often the function's loops go around.
type generator struct {
	*rand.Rand
	out    []byte
	labels int
	left   int // pieces still to write
	fns    int // functions that may be called: the earlier ones
}

func (g *generator) put(b ...byte) { g.out = append(g.out, b...) }

// bit leaves a random bit.
func (g *generator) bit() {
	g.out = cat(g.out, []byte{opLocalGet, 0}, number(1103515245), []byte{0x6c}, number(12345), []byte{opI32Add, opLocalTee, 0},
		number(int64(8+g.Intn(16))), []byte{0x76, opI32Const, 1, 0x71})
}

// bound returns from the function when its loops went around often enough.
func (g *generator) bound() {
	g.put(opLocalGet, 1, opI32Const, 1, opI32Sub, opLocalTee, 1, opI32Const, 0, opI32LtS, opIf, typeEmpty, opLocalGet, 0, opReturn, opEnd)
}

func (g *generator) label() byte { return byte(g.Intn(g.labels)) }

func (g *generator) sequence(n int) {
	for range n {
		if g.left--; g.left < 0 {
			return
		}
		switch k := g.Intn(16); {
		case k < 4:
			for range g.Intn(12) {
				g.put(opLocalGet, 0, opI32Const, 3, []byte{opI32Add, 0x6c, 0x6e, 0x73, 0x77}[g.Intn(5)], opLocalSet, 0)
			}
		case k < 6:
			g.open(opBlock)
		case k < 7:
			g.open(opLoop)
		case k < 9:
			g.bit()
			g.open(opIf)
		case k < 11:
			g.bit()
			g.put(opBrIf, g.label())
		case k < 12 && g.fns > 0:
			g.put(opLocalGet, 0, opCall, byte(g.Intn(g.fns)), opLocalSet, 0)
		case k < 13:
			g.put(opI32Const, 0, opLocalGet, 0, opI32Const, byte(g.Intn(64)), opMisc, miscMemoryFill, 0)
		case k < 14:
			g.put(opI32Const, byte(g.Intn(2)), opMemoryGrow, 0, opLocalGet, 0, opI32Add, opLocalSet, 0)
		case k == 14:
			if g.jump() {
				g.sequence(g.Intn(3)) // dead code
				return
			}
		}
	}
}

// jump writes what may end a sequence and reports whether it does.
func (g *generator) jump() bool {
	switch g.Intn(4) {
	case 0:
		g.put(opBr, g.label())
		return true
	case 1:
		g.bit()
		n := byte(g.Intn(5))
		g.put(opBrTable, n)
		for range n + 1 {
			g.put(g.label())
		}
		return true
	case 2:
		g.bit()
		g.put(opIf, typeEmpty, opLocalGet, 0, opReturn, opEnd)
	}
	return false
}

func (g *generator) open(o byte) {
	g.put(o, typeEmpty)
	g.labels++
	if o == opLoop {
		g.bound()
	}
	g.sequence(1 + g.Intn(5))
	if o == opIf && g.Intn(2) == 0 {
		g.put(opElse)
		g.sequence(1 + g.Intn(4))
	}
	g.put(opEnd)
	g.labels--
}

// randomProgram makes up to four functions that call each other without recursion, and one more
// that calls itself a few times.
func randomProgram(seed int64) program {
	r := rand.New(rand.NewSource(seed))
	p := program{min: 1, max: 40}
	n := 1 + r.Intn(4)
	for i := range n {
		g := &generator{Rand: r, fns: i, left: 120, labels: 1, out: []byte{opI32Const, 40, opLocalSet, 1, opBlock, typeEmpty}}
		g.sequence(20)
		g.put(opEnd, opLocalGet, 0)
		p.funcs = append(p.funcs, function{[]byte{typeI32}, []byte{typeI32}, []byte{typeI32}, g.out})
	}
	// again(x) = x & 7 ? again(x - 1) : x, with the answer of the others
	again := []byte{opLocalGet, 0, opI32Const, 7, 0x71, opIf, typeI32, opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, byte(n), opReturn, opElse,
		opLocalGet, 0, opCall, byte(n - 1), opEnd}
	p.funcs = append(p.funcs, function{[]byte{typeI32}, []byte{typeI32}, nil, again})
	p.run = n
	return p
}

// plenty is fuel that does not run out.
const plenty = 1 << 50

// paid runs a program on fuel that does not run out and returns what it used.
func paid(t *testing.T, r wazero.Runtime, wasm []byte, seed int64, exact bool) (used int64, result uint64) {
	t.Helper()
	out, _, err := instrument(wasm, exact)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	code, err := r.CompileModule(context.Background(), out)
	if err != nil {
		t.Fatalf("seed %d: rewritten: %v", seed, err)
	}
	defer code.Close(context.Background())
	m := &Meter{most: plenty}
	ctx, mod, err := instantiate(r, code, m)
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close(ctx)
	m.Arm(mod, time.Hour)
	v, err := mod.ExportedFunction("run").Call(ctx, uint64(seed))
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if left := int64(m.stack.Get()); left != stackSize {
		t.Errorf("seed %d: %d bytes of stack are left, not %d", seed, left, stackSize)
	}
	return plenty - int64(m.fuel.Get()), v[0]
}

// plain runs the original.
func plain(t *testing.T, r wazero.Runtime, wasm []byte, seed int64) uint64 {
	t.Helper()
	ctx := context.Background()
	mod, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close(ctx)
	v, err := mod.ExportedFunction("run").Call(ctx, uint64(seed))
	if err != nil {
		t.Fatalf("seed %d: the original: %v", seed, err)
	}
	return v[0]
}

// TestSound compares what random programs pay with the sum over every instruction that ran, their
// results with the originals', and both with ticks in the midst of everything.
func TestSound(t *testing.T) {
	var worst, sum float64
	valid, ticks := 0, 0
	r := newRuntime(t)
	for seed := range int64(1000) {
		wasm := randomProgram(seed).bytes()
		if validate(wasm) != nil {
			continue
		}
		valid++
		want := plain(t, r, wasm, seed)
		exact, a := paid(t, r, wasm, seed, true)
		used, b := paid(t, r, wasm, seed, false)
		if used < exact {
			t.Errorf("seed %d: it paid %d for %d", seed, used, exact)
		}
		code := compile(t, r, wasm)
		m := &Meter{most: 60}
		m.Begin(time.Hour)
		ctx, mod, err := instantiate(r, code, m)
		if err != nil {
			t.Fatal(err)
		}
		m.Arm(mod, time.Hour)
		c, err := mod.ExportedFunction("run").Call(ctx, uint64(seed))
		if err != nil || a != want || b != want || c[0] != want {
			t.Errorf("seed %d: %d, %d, %v %v, not %d", seed, a, b, c, err, want)
		}
		ticks += m.Ticks
		x := float64(used) / float64(exact)
		worst, sum = max(worst, x), sum+x
		mod.Close(ctx)
		code.Close(ctx)
	}
	t.Logf("%d programs: %d ticks; over-charged %.2f on average, %.2f at worst", valid, ticks, sum/float64(valid), worst)
	if valid < 900 || ticks < valid {
		t.Error("too few programs, or ticks")
	}
}

// TestBulkOperations compares those that are done in pieces with Go's, at lengths around the pieces'.
func TestBulkOperations(t *testing.T) {
	three := []byte{typeI32, typeI32, typeI32}
	args := []byte{opLocalGet, 0, opLocalGet, 1, opLocalGet, 2}
	for name, code := range map[string][]byte{"fill": {opMisc, miscMemoryFill, 0}, "copy": {opMisc, miscMemoryCopy, 0, 0}} {
		r := newRuntime(t)
		m := &Meter{}
		m.Begin(time.Minute)
		ctx, mod, err := instantiate(r, compile(t, r, program{min: 96, max: 96, funcs: []function{{params: three, code: cat(args, code)}}}.bytes()), m)
		if err != nil {
			t.Fatal(err)
		}
		memory, _ := mod.Memory().Read(0, mod.Memory().Size())
		rand.New(rand.NewSource(1)).Read(memory)
		want := bytes.Clone(memory)
		for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 3*chunk + 7} {
			for _, at := range [][2]int{{0, 5}, {5, 0}, {chunk, 0}, {0, chunk}, {chunk/2 + 3, 77}, {77, chunk/2 + 3}} {
				m.Arm(mod, time.Minute)
				if _, err := mod.ExportedFunction("run").Call(ctx, uint64(at[0]), uint64(at[1]), uint64(n)); err != nil {
					t.Fatalf("%s %d %v: %v", name, n, at, err)
				}
				if name == "copy" {
					copy(want[at[0]:at[0]+n], want[at[1]:at[1]+n])
				} else {
					copy(want[at[0]:at[0]+n], bytes.Repeat([]byte{byte(at[1])}, n))
				}
				if !bytes.Equal(memory, want) {
					t.Fatalf("%s of %d at %v is wrong", name, n, at)
				}
			}
		}
		for _, bad := range [][3]uint64{{uint64(len(memory)) - chunk, 0, 2 * chunk}, {1<<32 - 5, 0, 2 * chunk}, {0, 0, 1<<32 - 1}} {
			m.Arm(mod, time.Minute)
			if _, err := mod.ExportedFunction("run").Call(ctx, bad[0], bad[1], bad[2]); err == nil {
				t.Errorf("%s: no trap for %v", name, bad)
			}
		}
	}
}

// TestGrow holds memory.grow and memory.size to what they are without the rewriter.
func TestGrow(t *testing.T) {
	p := program{min: 2, max: 500, funcs: []function{{params: []byte{typeI32}, results: []byte{typeI64}, code: cat(
		[]byte{opLocalGet, 0, opMemoryGrow, 0, opI64ExtendU, opI64Const, 32, 0x86, opMemorySize, 0, opI64ExtendU, opI64Or})}}}
	r := newRuntime(t)
	m := &Meter{}
	m.Begin(time.Minute)
	ctx, mod, err := instantiate(r, compile(t, r, p.bytes()), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ by, old, size uint64 }{
		{0, 2, 2}, {1, 2, 3}, {40, 3, 43}, {400, 43, 443}, {100, 1<<32 - 1, 443}, {1<<32 - 1, 1<<32 - 1, 443}, {57, 443, 500}, {1, 1<<32 - 1, 500},
	} {
		m.Arm(mod, time.Minute)
		v, err := mod.ExportedFunction("run").Call(ctx, c.by)
		if err != nil || v[0]>>32 != c.old || v[0]&(1<<32-1) != c.size {
			t.Errorf("by %d: %d, %d pages, %v", c.by, v[0]>>32, v[0]&(1<<32-1), err)
		}
	}
	// as after a reset: fewer pages than there is memory
	mod.ExportedGlobal(pagesName).(api.MutableGlobal).Set(2)
	m.Arm(mod, time.Minute)
	if v, err := mod.ExportedFunction("run").Call(ctx, 300); err != nil || v[0] != 2<<32|302 {
		t.Errorf("after a reset: %x, %v", v, err)
	}
}
