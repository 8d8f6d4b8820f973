package meter

import (
	"errors"
	"strings"
	"testing"
)

// TestRefused lists valid modules that cannot be metered, and modules that are not valid.
func TestRefused(t *testing.T) {
	one := func(locals []byte, code ...[]byte) program {
		return program{min: 1, max: 2, table: 2, elements: []uint64{0}, funcs: []function{{locals: locals, code: cat(code...)}}}
	}
	whole := one(nil).bytes()
	hidden := one(nil)
	hidden.export = fuelName
	wide := one(nil)
	wide.table = maxTable + 1
	segment := one(nil, number(0), number(0), number(1), []byte{opMisc, miscMemoryInit, 0, 0})
	segment.passive = maxPassive + 1
	for name, c := range map[string]struct {
		wasm    []byte
		want    string
		invalid bool
	}{
		"nothing":             {nil, "", true},
		"a component":         {[]byte("\x00asm\x0d\x00\x01\x00"), "", true},
		"cut off":             {whole[:len(whole)-3], "", true},
		"a hidden export":     {hidden.bytes(), `"$ginnel.fuel" is reserved`, false},
		"the hidden global":   {one(nil, long(9), []byte{opGlobalSet, 0}).bytes(), "", true},
		"the hidden function": {one(nil, []byte{opCall, 2}).bytes(), "", true},
		"a tail call":         {one(nil, []byte{0x12, 0}).bytes(), "", true},
		"many locals":         {one(rep(maxLocals+1, typeI64)).bytes(), "more than 5000 locals", false},
		"a large function":    {one(nil, rep(maxBody+1, opNop)).bytes(), "more than 262144", false},
		"table.grow":          {one(nil, []byte{opRefNull, typeRef, opI32Const, 1, opMisc, miscTableGrow, 0, opDrop}).bytes(), "table.grow", false},
		"a wide table":        {wide.bytes(), "more than 100000", false},
		"a large init":        {segment.bytes(), "more than 1048576 bytes", false},
		"a long misc opcode":  {one(nil, number(0), number(0), number(0), []byte{opMisc, miscMemoryFill | 0x80, 0, 0}).bytes(), "", true},
		// the compiler behind reads i16x8.shr_s and unreachable where the format says v128.const
		"a long vector opcode": {longVector(), "than its shortest", false},
	} {
		_, _, err := Instrument(c.wasm, validate)
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case !c.invalid && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%-22s %v", name, err)
	}
}

func longVector() []byte {
	code := cat([]byte{opLocalGet, 0, opI32Const, 1, opVector, vecConst | 0x80, 0}, make([]byte, 16))
	return program{funcs: []function{{locals: []byte{typeV128}, code: code}}}.bytes()
}

// TestCustomSectionsGo: names and debug information would be wrong, a manifest is read before.
func TestCustomSectionsGo(t *testing.T) {
	wasm := cat(program{funcs: []function{{}}}.bytes(), []byte{0}, sized(nil, append(text(nil, "ginnel"), 1)))
	out, _, err := Instrument(wasm, validate)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "\x06ginnel") {
		t.Error("a custom section is left")
	}
}

func FuzzInstrument(f *testing.F) {
	for seed := range int64(20) {
		f.Add(randomProgram(seed).bytes())
	}
	for _, p := range hostile() {
		if b := p.bytes(); len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, stats, err := instrument(wasm, false)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		again, stats2, err := instrument(wasm, false)
		if err != nil || string(again) != string(out) || stats.Charges != stats2.Charges {
			t.Fatal("not the same twice")
		}
		if validate(wasm) == nil {
			if err := validate(out); err != nil {
				t.Fatal(err)
			}
		}
	})
}
