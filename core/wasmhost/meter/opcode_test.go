package meter

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
)

// operandValues are constants of each type.
func operandValues() [][]byte {
	return [][]byte{
		number(0), long(0), {opF32Const, 0, 0, 0, 0}, {opF64Const, 0, 0, 0, 0, 0, 0, 0, 0},
		append([]byte{opVector, vecConst}, make([]byte, 16)...), {opRefNull, typeRef},
	}
}

// operandLists are all sequences of up to three operands.
func operandLists() [][]byte {
	all := [][]byte{nil}
	for _, a := range operandValues() {
		all = append(all, a)
		for _, b := range operandValues() {
			all = append(all, cat(a, b))
			for _, c := range operandValues() {
				all = append(all, cat(a, b, c))
			}
		}
	}
	return all
}

// opcodes are all of them, behind every prefix.
func opcodes() [][]byte {
	var all [][]byte
	for i := range 256 {
		switch i {
		case opMisc:
			for j := range 20 {
				all = append(all, []byte{opMisc, byte(j)})
			}
		case opVector:
			for j := range uint64(280) { // from 256 on: relaxed SIMD
				all = append(all, unsigned([]byte{opVector}, j))
			}
		case 0xfb, 0xfe: // garbage collection, threads
			all = append(all, []byte{byte(i), 0}, []byte{byte(i), 3, 0}, []byte{byte(i), 0x10, 2, 0})
		default:
			all = append(all, []byte{byte(i)})
		}
	}
	return all
}

// TestOpcodes offers every opcode with every plausible shape of operands and immediates. What the
// compiler accepts must be rewritten into something that it accepts, or be refused.
func TestOpcodes(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	operands := operandLists()
	immediates := [][]byte{nil, {0}, {0, 0}, {0, 0, 0}, {typeEmpty, opEnd}, {1, typeI32}, make([]byte, 4), make([]byte, 8), make([]byte, 16), {typeRef}}
	accepted := 0
	relaxed := 0
	var refused []string
	for _, code := range opcodes() {
		wasm, ok := findValid(ctx, r, code, operands, immediates)
		if !ok {
			continue
		}
		accepted++
		for _, exact := range []bool{false, true} {
			out, _, err := instrument(wasm, exact)
			if err != nil && code[0] == opVector && code[len(code)-1] == 2 { // numbers from 256 on, which the compiler misreads
				relaxed++
				break
			}
			if err != nil {
				refused = append(refused, err.Error())
				break
			}
			if _, err := r.CompileModule(ctx, out); err != nil {
				t.Errorf("% x: %v", code, err)
			}
		}
	}
	t.Logf("%d opcodes are valid; refused: %d relaxed ones, %q", accepted, relaxed, refused)
	if accepted < 430 || len(refused) != 1 { // table.grow
		t.Error("the walk misses opcodes, or more than table.grow is refused")
	}
}

// findValid makes a valid module out of an opcode.
func findValid(ctx context.Context, r wazero.Runtime, code []byte, operands, immediates [][]byte) ([]byte, bool) {
	for _, immediate := range immediates {
		for _, before := range operands {
			wasm := program{
				min: 1, max: 2, table: 2, elements: []uint64{0}, passive: 1, globals: [][]byte{global(typeI32, number(0))},
				funcs: []function{{locals: []byte{typeI32}, code: cat(before, code, immediate, []byte{opUnreachable})}},
			}.bytes()
			if c, err := r.CompileModule(ctx, wasm); err == nil {
				c.Close(ctx)
				return wasm, true
			}
		}
	}
	return nil, false
}
