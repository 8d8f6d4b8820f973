package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/ginnel/ginnel/core/wasmhost/meter"
)

// guest is testdata/guest, built once.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "ginnel-snapshot-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

// running is an instance of the guest with its meter.
type running struct {
	t     testing.TB
	ctx   context.Context
	mod   api.Module
	meter *meter.Meter
	stats meter.Stats
	fresh func() api.Module
}

func start(t testing.TB) *running {
	t.Helper()
	wasm, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	valid := func([]byte) error { return nil } // the toolchain made it
	metered, stats, err := meter.Instrument(wasm, valid)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, meter: &meter.Meter{}, stats: stats}
	r.ctx = meter.With(context.Background(), r.meter)
	rt := wazero.NewRuntimeWithConfig(r.ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1024))
	t.Cleanup(func() { rt.Close(r.ctx) })
	wasi_snapshot_preview1.MustInstantiate(r.ctx, rt)
	if err := meter.Define(r.ctx, rt); err != nil {
		t.Fatal(err)
	}
	code, err := rt.CompileModule(r.ctx, metered)
	if err != nil {
		t.Fatal(err)
	}
	r.fresh = func() api.Module {
		r.meter.Begin(time.Minute)
		mod, err := rt.InstantiateModule(r.ctx, code, wazero.NewModuleConfig().WithName("").WithSysNanotime().WithSysWalltime().WithStartFunctions("_initialize"))
		if err != nil {
			t.Fatal(err)
		}
		return mod
	}
	r.mod = r.fresh()
	return r
}

func (r *running) call(name string, args ...uint64) uint32 {
	r.t.Helper()
	r.meter.Arm(r.mod, time.Minute)
	v, err := r.mod.ExportedFunction(name).Call(r.ctx, args...)
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	return api.DecodeU32(v[0])
}

func (r *running) plant(secret string) {
	r.t.Helper()
	if !r.mod.Memory().WriteString(r.call("alloc", uint64(len(secret))), secret) {
		r.t.Fatal("alloc gave no memory")
	}
	r.call("plant", uint64(len(secret)))
}

// TestRestoreWipesEverything alternates two tenants on one instance.
func TestRestoreWipesEverything(t *testing.T) {
	r := start(t)
	want := r.call("work", 500)
	r.plant("warm") // code that ran once has its tables
	snap, err := Take(r.mod, r.stats.Globals)
	if err != nil {
		t.Fatal(err)
	}
	memory := func() []byte {
		b, _ := r.mod.Memory().Read(0, r.mod.Memory().Size())
		return b
	}
	was, found := bytes.Clone(memory()), r.call("found")
	snap.Restore()
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	for i := range rounds {
		secret := fmt.Sprintf("<secret of tenant %d in round %d>", i%2, i)
		r.plant(secret)
		if !bytes.Contains(memory(), []byte(secret)) {
			t.Fatal("nothing was planted")
		}
		if n := snap.Restore(); n == 0 {
			t.Fatal("nothing was written")
		}
		now := memory()
		if !bytes.Equal(now[:len(was)], was) || len(bytes.Trim(now[len(was):], "\x00")) > 0 {
			t.Fatalf("round %d: the memory differs", i)
		}
		if n := r.call("found"); n != found {
			t.Fatalf("round %d: %d places hold something, %d before", i, n, found)
		}
		if sum := r.call("work", 500); sum != want {
			t.Fatalf("round %d: %d, not %d", i, sum, want)
		}
		snap.Restore()
	}
}

func TestRestoreDoesNotAllocate(t *testing.T) {
	r := start(t)
	snap, err := Take(r.mod, r.stats.Globals)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { snap.Restore() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUnknownGlobalsAreErrors(t *testing.T) {
	r := start(t)
	if _, err := Take(r.mod, []string{"none"}); err == nil {
		t.Error("no error")
	}
}

// BenchmarkRestore compares a reset with a fresh instance: x is how many times dearer that is.
func BenchmarkRestore(b *testing.B) {
	r := start(b)
	snap, err := Take(r.mod, r.stats.Globals)
	if err != nil {
		b.Fatal(err)
	}
	var reset, fresh time.Duration
	for b.Loop() {
		r.call("work", 50)
		begin := time.Now()
		snap.Restore()
		reset += time.Since(begin)
		begin = time.Now()
		mod := r.fresh()
		fresh += time.Since(begin)
		mod.Close(r.ctx)
	}
	b.ReportMetric(float64(fresh)/float64(reset), "x")
}
