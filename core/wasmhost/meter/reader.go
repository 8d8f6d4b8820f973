package meter

import "encoding/binary"

// reader takes a module apart. It refuses what is malformed; the caller need not look for errors.
type reader struct {
	b  []byte
	at int
}

func (r *reader) more() bool { return r.at < len(r.b) }

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)-r.at) {
		refuse("the module ends too early")
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) byte() byte { return r.take(1)[0] }

// u32 reads an unsigned number, of at most five bytes as the format says.
func (r *reader) u32() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || n > 5 || v > 1<<32-1 {
		refuse("a malformed number")
	}
	r.at += n
	return v
}

// skipSigned passes a signed number of at most n bytes.
func (r *reader) skipSigned(n int) {
	for r.byte()&0x80 != 0 {
		if n--; n == 0 {
			refuse("a malformed number")
		}
	}
}

func (r *reader) name() string { return string(r.take(r.u32())) }

// limits reads the size of a memory or table.
func (r *reader) limits() (least uint64) {
	form := r.byte()
	if form > 1 {
		refuse("shared and 64-bit memories")
	}
	least = r.u32()
	if form == 1 {
		r.u32()
	}
	return least
}

// constant passes a constant expression: one instruction and its end.
func (r *reader) constant() {
	switch op := r.byte(); op {
	case opI32Const:
		r.skipSigned(5)
	case opI64Const:
		r.skipSigned(10)
	case opF32Const:
		r.take(4)
	case opF64Const:
		r.take(8)
	case opGlobalGet, opRefFunc:
		r.u32()
	case opRefNull:
		r.byte()
	case opVector:
		if r.byte() != vecConst {
			refuse("a constant expression of another kind than v128.const")
		}
		r.take(16)
	default:
		refuse("a constant expression with opcode %#x", op)
	}
	if r.byte() != opEnd {
		refuse("constant expressions of more than one instruction")
	}
}
