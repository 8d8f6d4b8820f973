package meter

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The value types that only tests name.
const (
	typeF32  = 0x7d
	typeV128 = 0x7b
	typeRef  = 0x70
)

// function is one function of a test module; its code lacks the last end.
type function struct {
	params, results []byte
	locals          []byte // a type each
	code            []byte
}

// program is a test module. It imports `imports` functions env.h without parameters, exports its
// function `run`, by index behind the imports, and its memory.
type program struct {
	imports  int
	funcs    []function
	run      int
	min, max uint64 // pages; 0, 0 = no memory
	table    uint64
	elements []uint64
	globals  [][]byte
	start    int // a function's index + 1
	passive  int // bytes of one passive data segment
	data     [][]byte
	export   string
}

func rep(n int, b ...byte) []byte { return bytes.Repeat(b, n) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func number(v int64) []byte { return signed([]byte{opI32Const}, v) }

func long(v int64) []byte { return signed([]byte{opI64Const}, v) }

func global(kind byte, init []byte) []byte { return cat([]byte{kind, 1}, init, []byte{opEnd}) }

// forever is an endless loop.
func forever(body ...[]byte) []byte {
	return cat([]byte{opLoop, typeEmpty}, cat(body...), []byte{opBr, 0, opEnd})
}

func (p program) bytes() []byte {
	out := []byte(magic)
	section := func(id byte, n int, elements ...[]byte) {
		if n > 0 {
			out = sized(append(out, id), cat(unsigned(nil, uint64(n)), cat(elements...)))
		}
	}
	types, funcs, code := []byte{typeFunc, 0, 0}, []byte(nil), []byte(nil)
	for i, f := range p.funcs {
		types = sized(sized(append(types, typeFunc), f.params), f.results)
		funcs = unsigned(funcs, uint64(i+1))
		body := unsigned(nil, uint64(len(f.locals)))
		for _, l := range f.locals {
			body = append(body, 1, l)
		}
		code = sized(code, append(append(body, f.code...), opEnd))
	}
	section(secType, 1+len(p.funcs), types)
	section(secImport, p.imports, bytes.Repeat(append(text(text(nil, "env"), "h"), 0, 0), p.imports))
	section(secFunction, len(p.funcs), funcs)
	if p.table > 0 {
		section(secTable, 1, unsigned([]byte{typeRef, 0}, p.table))
	}
	if p.max > 0 {
		section(secMemory, 1, unsigned(unsigned([]byte{1}, p.min), p.max))
	}
	section(secGlobal, len(p.globals), p.globals...)
	name := p.export
	if name == "" {
		name = "run"
	}
	exports, n := op(text(nil, name), 0, uint64(p.imports+p.run)), 1
	if p.max > 0 {
		exports, n = append(text(exports, "memory"), 2, 0), 2
	}
	section(secExport, n, exports)
	if p.start > 0 {
		out = sized(append(out, secStart), unsigned(nil, uint64(p.start-1)))
	}
	if len(p.elements) > 0 {
		e := unsigned([]byte{0, opI32Const, 0, opEnd}, uint64(len(p.elements)))
		for _, f := range p.elements {
			e = unsigned(e, f)
		}
		section(secElement, 1, e)
	}
	if p.passive > 0 {
		section(secDataCount, 1)
	}
	section(secCode, len(p.funcs), code)
	if p.passive > 0 {
		section(secData, 1, sized([]byte{1}, make([]byte, p.passive)))
	}
	section(secData, len(p.data), p.data...)
	return out
}

// validate is what Instrument needs: the interpreter checks a module without compiling it.
func validate(wasm []byte) error {
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(context.Background())
	_, err := r.CompileModule(context.Background(), wasm)
	return err
}

// newRuntime has tick, and env.h, which pays for itself as every host function must.
func newRuntime(t testing.TB) wazero.Runtime {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(512).WithMemoryCapacityFromMax(true))
	t.Cleanup(func() { r.Close(ctx) })
	if err := Define(ctx, r); err != nil {
		t.Fatal(err)
	}
	h := api.GoModuleFunc(func(ctx context.Context, mod api.Module, _ []uint64) {
		ctx.Value(meterKey{}).(*Meter).Charge(mod, costHost)
	})
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithGoModuleFunction(h, nil, nil).Export("h").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// compile meters a module and compiles it.
func compile(t testing.TB, r wazero.Runtime, wasm []byte) wazero.CompiledModule {
	t.Helper()
	out, _, err := Instrument(wasm, validate)
	if err != nil {
		t.Fatal(err)
	}
	code, err := r.CompileModule(context.Background(), out)
	if err != nil {
		t.Fatalf("the rewritten module: %v", err)
	}
	return code
}

// instantiate makes an instance with its meter, which has `budget` for its start.
func instantiate(r wazero.Runtime, code wazero.CompiledModule, m *Meter) (context.Context, api.Module, error) {
	ctx := With(context.Background(), m)
	mod, err := r.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	return ctx, mod, err
}
