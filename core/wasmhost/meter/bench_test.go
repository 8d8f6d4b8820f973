package meter

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// BenchmarkStop runs every hostile program against a deadline of 10 ms. stop-ms is the longest that
// one ran, slice-ms the longest between two of its looks at the clock, gc-wait-ms the longest that a
// collection took meanwhile less what one takes beside an idle guest.
func BenchmarkStop(b *testing.B) {
	all := hostile()
	for b.Loop() {
		var worst stopped
		quiet := collecting()
		time.Sleep(200 * time.Millisecond)
		idle := quiet()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			s := stop(b, name, all[name], 10*time.Millisecond, 2)
			worst.took, worst.longest, worst.collect = max(worst.took, s.took), max(worst.longest, s.longest), max(worst.collect, s.collect)
		}
		b.ReportMetric(ms(worst.took), "stop-ms")
		b.ReportMetric(ms(worst.longest), "slice-ms")
		b.ReportMetric(ms(max(0, worst.collect-idle)), "gc-wait-ms")
		b.ReportMetric(float64(len(all)), "programs")
	}
}

// BenchmarkTax is what metering costs: the time of metered code over that of the original, in
// interleaved rounds. The workloads are a sieve, an fnv hash, and the recursive Fibonacci numbers,
// whose functions do nothing but count and call.
func BenchmarkTax(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			r := newRuntime(b)
			m := &Meter{}
			m.Begin(time.Hour)
			ctx, metered, err := instantiate(r, compile(b, r, w.bytes()), m)
			if err != nil {
				b.Fatal(err)
			}
			original, err := r.InstantiateWithConfig(context.Background(), w.bytes(), wazeroConfig())
			if err != nil {
				b.Fatal(err)
			}
			var spent, base []float64
			for b.Loop() {
				begin := time.Now()
				if _, err := original.ExportedFunction("run").Call(ctx, w.arg); err != nil {
					b.Fatal(err)
				}
				base = append(base, float64(time.Since(begin)))
				m.Arm(metered, time.Hour)
				begin = time.Now()
				if _, err := metered.ExportedFunction("run").Call(ctx, w.arg); err != nil {
					b.Fatal(err)
				}
				spent = append(spent, float64(time.Since(begin)))
			}
			slices.Sort(spent)
			slices.Sort(base)
			b.ReportMetric(spent[len(spent)/2]/base[len(base)/2], "x")
		})
	}
	runtime.GC()
}

func wazeroConfig() wazero.ModuleConfig { return wazero.NewModuleConfig().WithName("") }

type workload struct {
	name string
	arg  uint64
	program
}

func workloads() []workload {
	one := func(name string, arg uint64, locals []byte, code ...[]byte) workload {
		return workload{name, arg, program{min: 4, max: 4, funcs: []function{{[]byte{typeI32}, []byte{typeI32}, locals, cat(code...)}}}}
	}
	// for i in 0..n: h = (h ^ memory[i & 0xffff]) * prime
	hash := one("hash", 200_000, []byte{typeI32, typeI32}, []byte{opLoop, typeEmpty, opLocalGet, 1, opLocalGet, 2}, number(0xffff), []byte{0x71, 0x2d, 0, 0, 0x73},
		number(16777619), []byte{0x6c, opLocalSet, 1, opLocalGet, 2, opI32Const, 1, opI32Add, opLocalTee, 2, opLocalGet, 0, 0x49, opBrIf, 0, opEnd, opLocalGet, 1})
	// for i in 2..n: if !memory[i]: for j in 2i..n step i: memory[j] = 1
	sieve := one("sieve", 60_000, []byte{typeI32, typeI32}, []byte{opI32Const, 2, opLocalSet, 1, opLoop, typeEmpty,
		opLocalGet, 1, 0x2d, 0, 0, opI32Eqz, opIf, typeEmpty, opLocalGet, 1, opI32Const, 1, 0x74, opLocalSet, 2,
		opBlock, typeEmpty, opLoop, typeEmpty, opLocalGet, 2, opLocalGet, 0, 0x4f, opBrIf, 1, opLocalGet, 2, opI32Const, 1, 0x3a, 0, 0,
		opLocalGet, 2, opLocalGet, 1, opI32Add, opLocalSet, 2, opBr, 0, opEnd, opEnd, opEnd,
		opLocalGet, 1, opI32Const, 1, opI32Add, opLocalTee, 1, opLocalGet, 0, 0x49, opBrIf, 0, opEnd},
		[]byte{opI32Const, 0, opI32Const, 0}, number(1<<16), []byte{opMisc, miscMemoryFill, 0, opLocalGet, 1})
	// f(n) = n < 2 ? n : f(n-1) + f(n-2)
	fib := one("calls", 22, nil, []byte{opLocalGet, 0, opI32Const, 2, opI32LtS, opIf, typeI32, opLocalGet, 0, opElse,
		opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, 0, opLocalGet, 0, opI32Const, 2, opI32Sub, opCall, 0, opI32Add, opEnd})
	return []workload{hash, sieve, fib}
}
