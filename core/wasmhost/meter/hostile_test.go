package meter

import (
	"context"
	"errors"
	"maps"
	"math/rand"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// hostile returns programs that never end, each slow in a way of its own.
func hostile() map[string]program {
	all := map[string]program{}
	for _, part := range []func(map[string]program){hostileNumbers, hostileVectors, hostileMemory, hostileBranches, hostileCalls, hostileBulk} {
		part(all)
	}
	return all
}

// repeated is an endless loop over n copies of a piece of code.
func repeated(n int, locals, before []byte, piece ...byte) program {
	return program{min: 1, max: 512, funcs: []function{{locals: locals, code: cat(before, forever(rep(n, piece...)))}}}
}

func hostileNumbers(all map[string]program) {
	setup := cat(long(-3), []byte{opLocalSet, 0}, long(3), []byte{opLocalSet, 1})
	for name, code := range map[string]byte{"div_s": 0x7f, "div_u": 0x80, "rem_s": 0x81, "mul": opI64Mul, "add": opI64Add} {
		piece := []byte{opI64Const, 0x7d, opLocalGet, 0, opI64Or, opLocalGet, 1, code, opLocalSet, 0}
		all["i64."+name+", 250 KB of it"] = repeated(25000, []byte{typeI64, typeI64}, setup, piece...)
		all["i64."+name+", tight"] = repeated(1, []byte{typeI64, typeI64}, setup, piece...)
	}
	denormal := []byte{opF64Const, 3, 0, 0, 0, 0, 0, 0, 0, opLocalSet, 0}
	one := []byte{opF64Const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}
	for name, code := range map[string][]byte{
		"sqrt": {0x9f}, "nearest": {0x9e}, "trunc to u64 and back": {opMisc, 7, 0xba}, "demote and promote": {0xb6, 0xbb},
		"div": append(one, 0xa3), "mul": append(one, 0xa2), "min": append(one, 0xa4),
	} {
		all["f64."+name+" of a denormal"] = repeated(2000, []byte{typeF64}, denormal, cat([]byte{opLocalGet, 0}, code, []byte{opLocalSet, 0})...)
	}
}

func hostileVectors(all map[string]program) {
	before := []byte{opF64Const, 0, 0, 0, 0, 0, 0, 8, 0x40, opVector, 20, opLocalSet, 0}
	for name, code := range map[string][]byte{
		"i8x16.popcnt": {opVector, 0x62}, "i8x16.shr_s": {opI32Const, 3, opVector, 0x6c}, "i64x2.mul": {opLocalGet, 0, opVector, 0xd5, 1},
		"f64x2.sqrt": {opVector, 0xef, 1}, "f64x2.div": {opLocalGet, 0, opVector, 0xf3, 1}, "f64x2.min": {opLocalGet, 0, opVector, 0xf4, 1},
		"i32x4.trunc_sat_f64x2_u": {opVector, 0xfd, 1}, "swizzle": {opLocalGet, 0, opVector, 0x0e},
	} {
		all[name] = repeated(1000, []byte{typeV128}, before, cat([]byte{opLocalGet, 0}, code, []byte{opLocalSet, 0})...)
	}
}

func hostileMemory(all map[string]program) {
	memory := func(name string, locals []byte, code []byte) {
		all[name] = program{min: 512, max: 512, funcs: []function{{locals: locals, code: forever(rep(64, code...))}}}
	}
	random := cat(number(1664525), []byte{opLocalGet, 0, 0x6c}, number(1013904223), []byte{opI32Add, opLocalTee, 0}, number(0x1ffffc0), []byte{0x71})
	memory("pointer chase over 32 MiB", []byte{typeI32}, []byte{opLocalGet, 0, opLoad, 2, 0, opLocalSet, 0})
	memory("random loads", []byte{typeI32, typeI32}, cat(random, []byte{opLocalGet, 1, opI32Add, opLoad, 2, 0, opLocalSet, 1}))
	memory("random stores", []byte{typeI32}, cat(random, []byte{opLocalGet, 0, 0x36, 2, 0}))
	memory("a store a page", []byte{typeI32}, cat([]byte{opLocalGet, 0}, number(4096), []byte{opI32Add, opLocalTee, 0}, number(0x1ffffff), []byte{0x71, opLocalGet, 0, 0x36, 2, 0}))
	for name, pages := range map[string]int64{"nothing": 0, "a page at a time": 1, "30 pages at a time": 30} {
		all["memory.grow by "+name] = program{min: 1, max: 512, funcs: []function{{code: forever(rep(20, cat(number(pages), []byte{opMemoryGrow, 0, opDrop})...))}}}
	}
	all["globals"] = program{globals: [][]byte{global(typeI64, long(1))}, funcs: []function{{code: forever(rep(200, opGlobalGet, 0, opI64Const, 1, opI64Add, opGlobalSet, 0))}}}
}

func hostileBranches(all map[string]program) {
	all["an empty loop"] = program{funcs: []function{{code: forever()}}}
	all["a loop in the start section"] = program{start: 1, funcs: []function{{code: forever()}}}
	all["nested loops"] = program{funcs: []function{{locals: []byte{typeI32}, code: cat(rep(30, opLoop, typeEmpty),
		[]byte{opLocalGet, 0, opI32Const, 1, opI32Add, opLocalSet, 0}, rep(30, opLocalGet, 0, opBrIf, 0, opEnd))}}}
	random := cat(number(1103515245), []byte{opLocalGet, 0, 0x6c}, number(12345), []byte{opI32Add, opLocalTee, 0})
	for name, n := range map[string]int{"16": 16, "4000": 4000} {
		table := unsigned(cat([]byte{opLoop, typeEmpty}, rep(n, opBlock, typeEmpty), random, number(12), []byte{0x76}, number(int64(n)), []byte{0x70, opBrTable}), uint64(n))
		for i := range n + 1 {
			table = unsigned(table, uint64(i))
		}
		all["br_table of "+name] = program{funcs: []function{{locals: []byte{typeI32},
			code: cat(table, rep(n, opEnd, opLocalGet, 0, opI32Const, 1, opI32Add, opLocalSet, 0), []byte{opBr, 0, opEnd})}}}
	}
	all["unpredictable branches"] = program{funcs: []function{{locals: []byte{typeI32}, code: forever(rep(200, cat([]byte{opBlock, typeEmpty}, random, number(16),
		[]byte{0x76, opI32Const, 1, 0x71, opBrIf, 0, opLocalGet, 0, opI32Const, 3, 0x73, opLocalSet, 0, opEnd})...))}}}
	all["branches that are taken"] = program{funcs: []function{{code: forever(rep(2000, opBlock, typeEmpty, opI32Const, 1, opBrIf, 0, opEnd))}}}
	var set, rotate []byte
	for i := range uint64(1000) {
		set = op(append(op(append(set, opI64Const, 1), opLocalGet, i), opI64Add), opLocalSet, i)
		rotate = op(rotate, opLocalGet, i)
	}
	for i := range uint64(1000) {
		rotate = op(rotate, opLocalSet, i)
	}
	globals := [][]byte{global(typeI32, number(1)), global(typeI64, long(1))}
	all["merges of 1000 locals"] = program{globals: globals, funcs: []function{{locals: rep(1000, typeI64),
		code: forever(rep(20, cat([]byte{opBlock, typeEmpty, opGlobalGet, 0, opBrIf, 0}, set, []byte{opEnd})...))}}}
	all["a loop that moves 1000 locals"] = program{globals: globals, funcs: []function{{locals: rep(1000, typeI64),
		code: cat([]byte{opLoop, typeEmpty}, rotate, []byte{opLocalGet, 0, opGlobalSet, 1, opGlobalGet, 0, opBrIf, 0, opEnd})}}}
}

func hostileCalls(all map[string]program) {
	all["recursion"] = program{funcs: []function{{code: []byte{opCall, 0}}}}
	for name, n := range map[string]int{"1000": 1000, "20000": 20000} { // values that live across a call, on a path not taken
		all["recursion with "+name+" values"] = program{globals: [][]byte{global(typeI32, number(0)), global(typeI64, long(1))}, funcs: []function{{
			code: cat([]byte{opGlobalGet, 0, opIf, typeEmpty}, rep(n, opGlobalGet, 1), []byte{opCall, 0}, rep(n, opGlobalSet, 1), []byte{opElse, opCall, 0, opEnd})}}}
	}
	all["recursion with 4000 locals"] = program{funcs: []function{{locals: rep(4000, typeI64), code: []byte{opCall, 0}}}}
	all["mutual recursion"] = program{funcs: []function{{code: []byte{opCall, 1}}, {code: []byte{opCall, 0}}}}
	all["recursion by call_indirect"] = program{table: 1, elements: []uint64{0}, funcs: []function{{code: []byte{opI32Const, 0, opCallIndirect, 1, 0}}}}
	all["recursion in a loop"] = program{funcs: []function{{code: forever([]byte{opCall, 0})}}}
	var pass []byte
	for i := range uint64(500) {
		pass = op(pass, opLocalGet, i)
	}
	all["calls with 500 parameters"] = program{run: 1, funcs: []function{{params: rep(500, typeI64)}, {locals: rep(500, typeI64), code: forever(pass, []byte{opCall, 0})}}}
	all["call_indirect"] = program{run: 1, table: 2, elements: []uint64{0}, funcs: []function{{}, {code: forever(rep(100, opI32Const, 0, opCallIndirect, 1, 0))}}}
	all["host calls"] = program{imports: 1, funcs: []function{{code: forever(rep(50, opCall, 0))}}}
	all["host calls by call_indirect"] = program{imports: 1, table: 2, elements: []uint64{0}, funcs: []function{{code: forever(rep(50, opI32Const, 0, opCallIndirect, 0, 0))}}}
}

func hostileBulk(all map[string]program) {
	bulk := func(name string, a, b, n int64, code ...byte) {
		all[name] = program{min: 512, max: 512, passive: 60000, funcs: []function{{code: forever(number(a), number(b), number(n), code)}}}
	}
	bulk("memory.fill of 32 MiB", 0, 7, 32<<20, opMisc, miscMemoryFill, 0)
	bulk("memory.fill of 64 KiB", 0, 7, 64<<10, opMisc, miscMemoryFill, 0)
	bulk("memory.fill of a byte", 0, 7, 1, opMisc, miscMemoryFill, 0)
	bulk("memory.copy of 31 MiB up", 1<<20, 0, 31<<20, opMisc, miscMemoryCopy, 0, 0)
	bulk("memory.copy of 31 MiB down", 0, 1<<20, 31<<20, opMisc, miscMemoryCopy, 0, 0)
	bulk("memory.copy of 9 bytes", 1, 7, 9, opMisc, miscMemoryCopy, 0, 0)
	bulk("memory.init of 60 KB", 0, 0, 60000, opMisc, miscMemoryInit, 0, 0)
	table := func(name string, code ...byte) {
		all[name] = program{table: maxTable, elements: []uint64{0}, funcs: []function{{code: forever(code)}}}
	}
	table("table.fill", cat(number(0), []byte{opRefNull, typeRef}, number(maxTable), []byte{opMisc, miscTableFill, 0})...)
	table("table.copy", cat(number(1), number(0), number(maxTable-1), []byte{opMisc, miscTableCopy, 0, 0})...)
	table("table.set", rep(50, opI32Const, 0, opRefFunc, 0, opTableSet, 0)...)
}

// makeResident touches all pages, as the host's allocator does: what a page fault costs is paid where
// memory grows.
func makeResident(mod api.Module) {
	for at := uint32(0); at < mod.Memory().Size(); at += 4096 {
		mod.Memory().WriteByte(at, 0)
	}
}

// makeChase makes one random cycle of the memory's cache lines.
func makeChase(mod api.Module) {
	lines := rand.New(rand.NewSource(1)).Perm(int(mod.Memory().Size() / 64))
	for i, line := range lines {
		mod.Memory().WriteUint32Le(uint32(line*64), uint32(lines[(i+1)%len(lines)]*64))
	}
}

// stopped is how a hostile program ended.
type stopped struct {
	err     error
	took    time.Duration
	longest time.Duration // between two looks at the clock
	collect time.Duration // the longest time that a collection took meanwhile
}

// stop runs a hostile program to its deadline while another goroutine collects garbage.
func stop(t testing.TB, name string, p program, deadline time.Duration, rounds int) (worst stopped) {
	t.Helper()
	r := newRuntime(t)
	defer r.Close(context.Background())
	code := compile(t, r, p.bytes())
	for range rounds {
		m := &Meter{}
		m.Begin(deadline)
		begin, quiet := time.Now(), collecting()
		ctx, mod, err := instantiate(r, code, m)
		if err == nil {
			if p.max > 0 {
				makeResident(mod)
			}
			if name == "pointer chase over 32 MiB" {
				makeChase(mod)
			}
			quiet()
			quiet = collecting()
			m.Arm(mod, deadline)
			begin = time.Now()
			_, err = mod.ExportedFunction("run").Call(ctx)
			mod.Close(ctx)
		}
		took := time.Since(begin)
		collected := quiet()
		worst = stopped{err, max(worst.took, took), max(worst.longest, m.Longest), max(worst.collect, collected)}
	}
	return worst
}

// collecting collects garbage until the result is called, which returns the longest collection.
func collecting() func() time.Duration {
	end, done := make(chan struct{}), make(chan time.Duration)
	go func() {
		var worst time.Duration
		for {
			begin := time.Now()
			runtime.GC()
			worst = max(worst, time.Since(begin))
			select {
			case <-end:
				done <- worst
				return
			default:
			}
		}
	}()
	return func() time.Duration {
		close(end)
		return <-done
	}
}

func TestHostileProgramsAreStopped(t *testing.T) {
	all := hostile()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := stop(t, name, all[name], 10*time.Millisecond, 1)
		if !errors.Is(s.err, ErrTime) && !errors.Is(s.err, ErrStack) {
			t.Errorf("%s: %v", name, s.err)
		}
		t.Logf("%-36s %8.2f ms to the end, %6.2f ms longest slice, %6.2f ms collecting", name, ms(s.took), ms(s.longest), ms(s.collect))
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
