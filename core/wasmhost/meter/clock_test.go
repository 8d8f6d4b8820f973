package meter

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestNobodyGaveItTime(t *testing.T) {
	r := newRuntime(t)
	p := program{start: 1, funcs: []function{{code: forever()}}}
	_, err := r.InstantiateModule(context.Background(), compile(t, r, p.bytes()), wazeroConfig())
	if !errors.Is(err, ErrTime) {
		t.Error(err)
	}
}

func TestChargeEndsTheCallback(t *testing.T) {
	r := newRuntime(t)
	m := &Meter{}
	m.Begin(time.Minute)
	ctx, mod, err := instantiate(r, compile(t, r, program{imports: 1, funcs: []function{{code: []byte{opCall, 0}}}}.bytes()), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Arm(mod, time.Minute)
	if _, err := mod.ExportedFunction("run").Call(ctx); err != nil || m.Ticks != 0 {
		t.Errorf("%d ticks, %v", m.Ticks, err)
	}
	m.Arm(mod, -time.Second)
	m.fuel.Set(0)
	if _, err := mod.ExportedFunction("run").Call(ctx); !errors.Is(err, ErrTime) {
		t.Error(err)
	}
	m.Arm(mod, time.Minute)
	m.Charge(mod, 10*DefaultSlice)
	if left := int64(m.fuel.Get()); left != DefaultSlice || m.Ticks != 1 {
		t.Errorf("%d units after a dear operation, %d ticks", left, m.Ticks)
	}
	m.Charge(mod, DefaultSlice+10)
	if left := int64(m.fuel.Get()); left != DefaultSlice-10 {
		t.Errorf("%d units: the debt is forgotten", left)
	}
}

// TestABusyMachineIsNotTheGuests: a slice counts longestSlice at most, so a guest that was kept from running
// is not stopped, and one that goes on and on is, however slow the machine.
func TestABusyMachineIsNotTheGuests(t *testing.T) {
	r := newRuntime(t)
	m := &Meter{}
	m.Begin(time.Minute)
	_, mod, err := instantiate(r, compile(t, r, program{funcs: []function{{}}}.bytes()), m)
	if err != nil {
		t.Fatal(err)
	}
	slices := func(budget, each time.Duration) (n int) {
		defer func() {
			if p := recover(); p != nil && p != ErrTime {
				panic(p)
			}
		}()
		m.Arm(mod, budget)
		for n = 0; n < 100; n++ {
			m.last -= each // as though it had lasted so long
			m.began -= each
			m.end -= each
			m.tick()
		}
		return n
	}
	if n := slices(time.Minute, 5*time.Second); n != 100 {
		t.Errorf("a guest that was kept from running was stopped after %d slices", n)
	}
	if n := slices(10*longestSlice, 5*time.Second); n < 8 || n > 11 {
		t.Errorf("an endless guest on a slow machine was stopped after %d slices", n)
	}
}

func TestOnlyRecursionCountsTheStack(t *testing.T) {
	chain := func(n int, locals []byte) program {
		p := program{funcs: []function{{locals: locals}}}
		for i := range n {
			p.funcs = append(p.funcs, function{locals: locals, code: op(nil, opCall, uint64(i))})
		}
		return p
	}
	for name, c := range map[string]struct {
		program
		counted int
	}{
		"a chain":      {chain(20, nil), 0},
		"a long chain": {chain(200, rep(1000, typeI64)), 201},
		"itself":       {program{funcs: []function{{}, {code: []byte{opCall, 1}}, {code: []byte{opCall, 1}}}}, 1},
		"each other":   {program{funcs: []function{{code: []byte{opCall, 1}}, {code: []byte{opCall, 0}}, {}}}, 2},
		"indirectly": {program{table: 2, elements: []uint64{0, 1}, funcs: []function{
			{code: []byte{opI32Const, 0, opCallIndirect, 1, 0}}, {}, {code: []byte{opI32Const, 0, opCallIndirect, 1, 0}}}}, 1},
	} {
		_, stats, err := Instrument(c.bytes(), validate)
		if err != nil || stats.Counted != c.counted {
			t.Errorf("%s: %d counted, not %d, %v", name, stats.Counted, c.counted, err)
		}
	}
}

func TestReturnsGiveTheStackBack(t *testing.T) {
	two := []byte{typeI32, typeI64}
	for name, f := range map[string]function{
		"no results": {code: []byte{opLocalGet, 0, opIf, typeEmpty, opReturn, opEnd, opI32Const, 0, opCall, 0}},
		"one":        {results: two[:1], code: []byte{opLocalGet, 0, opIf, typeEmpty, opI32Const, 4, opReturn, opEnd, opI32Const, 1, opCall, 0}},
		"two": {results: two, code: []byte{opLocalGet, 0, opIf, typeEmpty, opLoop, typeEmpty, opI32Const, 4, opI64Const, 5, opReturn, opEnd, opEnd,
			opI32Const, 1, opCall, 0}},
		"a branch": {results: two, code: []byte{opI32Const, 4, opI64Const, 5, opLocalGet, 0, opBrIf, 0, opDrop, opDrop, opI32Const, 1, opCall, 0}},
	} {
		f.params = []byte{typeI32}
		r := newRuntime(t)
		m := &Meter{}
		m.Begin(time.Minute)
		ctx, mod, err := instantiate(r, compile(t, r, program{funcs: []function{f}}.bytes()), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range []uint64{0, 1} {
			m.Arm(mod, time.Minute)
			m.stack.Set(1000)
			v, err := mod.ExportedFunction("run").Call(ctx, arg)
			switch {
			case name == "no results" && arg == 0: // endless
				if !errors.Is(err, ErrStack) {
					t.Errorf("%s: %v", name, err)
				}
			case err != nil || m.stack.Get() != 1000 || len(v) > 0 && v[0] != 4 || len(v) > 1 && v[1] != 5:
				t.Errorf("%s(%d): %v, %d bytes left, %v", name, arg, v, m.stack.Get(), err)
			}
		}
	}
}

func TestArmDoesNotAllocate(t *testing.T) {
	r := newRuntime(t)
	m := &Meter{}
	m.Begin(time.Minute)
	_, mod, err := instantiate(r, compile(t, r, program{funcs: []function{{}}}.bytes()), m)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { m.Arm(mod, time.Minute); m.Charge(mod, 60) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
