package meter

// instr is one decoded instruction.
type instr struct {
	at, end int    // where it stands in the body
	op      byte   // the opcode or its prefix
	sub     byte   // the opcode after a prefix
	index   uint64 // the function, type, local or label that it names
	labels  []uint64
	params  int // of a block
	results int // of a block
}

// next decodes the instruction at r into in, whose labels it reuses.
func (m *module) next(r *reader, in *instr) {
	*in = instr{at: r.at, labels: in.labels[:0]}
	in.op = r.byte()
	switch o := in.op; {
	case o == opBlock || o == opLoop || o == opIf:
		in.params, in.results = m.blockType(r)
	case o == opBr || o == opBrIf || o == opCall || o >= opLocalGet && o <= opTableSet || o == opRefFunc:
		in.index = r.u32()
	case o == opBrTable:
		for n := r.u32(); ; n-- {
			in.labels = append(in.labels, r.u32())
			if n == 0 {
				break
			}
		}
	case o == opCallIndirect:
		in.index = r.u32()
		r.u32()
	case o == opSelectTyped:
		r.take(r.u32())
	case o >= opLoad && o <= opStoreLast:
		r.u32()
		r.u32()
	case o == opMemorySize || o == opMemoryGrow:
		if r.byte() != 0 {
			refuse("more than one memory")
		}
	case o == opI32Const:
		r.skipSigned(5)
	case o == opI64Const:
		r.skipSigned(10)
	case o == opF32Const:
		r.take(4)
	case o == opF64Const:
		r.take(8)
	case o == opRefNull:
		r.byte()
	case o == opMisc:
		misc(r, in)
	case o == opVector:
		vector(r, in)
	case o == opUnreachable || o == opNop || o == opElse || o == opEnd || o == opReturn || o == opDrop || o == opSelect ||
		o >= opI32Eqz && o <= opExtendLast || o == opRefIsNull:
	default: // exceptions, tail calls, typed references, garbage collection, threads
		refuse("opcode %#x", o)
	}
	in.end = r.at
}

// blockType reads how many values a block takes and leaves.
func (m *module) blockType(r *reader) (params, results int) {
	switch c := r.byte(); {
	case c == typeEmpty:
		return 0, 0
	case c&0xc0 == 0x40: // a value type is a negative number of one byte
		return 0, 1
	}
	r.at--
	t := m.typeAt(r.u32()) // a type index is a signed number that is not negative: the same bytes
	return t.params, len(t.results)
}

// misc decodes what follows the prefix of saturating conversions and bulk operations. The opcode is
// a number that may be spelt in several ways: only its shortest is accepted.
func misc(r *reader, in *instr) {
	in.sub = r.byte()
	switch s := in.sub; {
	case s <= miscTruncLast:
	case s == miscMemoryInit:
		in.index = r.u32()
		r.u32()
	case s == miscMemoryCopy || s == miscTableInit || s == miscTableCopy:
		r.u32()
		r.u32()
	case s == miscMemoryFill || s == miscDataDrop || s == miscElemDrop || s == miscTableSize || s == miscTableFill:
		r.u32()
	case s == miscTableGrow: // it copies the table, and no filter needs it
		refuse("table.grow")
	default:
		refuse("opcode 0xfc %#x", s)
	}
}

// vector decodes a SIMD instruction. The compiler behind reads the opcode as one byte and takes the
// second byte of its two-byte form, always 1, for a nop. Any other spelling would be read
// differently here and there.
func vector(r *reader, in *instr) {
	in.sub = r.byte()
	if in.sub > 0x7f && r.byte() != 1 {
		refuse("opcode 0xfd %#x in another form than its shortest", in.sub)
	}
	switch s := in.sub; {
	case s <= vecStore || s == vecLoad32Zero || s == vecLoad64Zero:
		r.u32()
		r.u32()
	case s == vecConst || s == vecShuffle:
		r.take(16)
	case s >= vecLane && s <= vecLaneLast:
		r.byte()
	case s >= vecLoadLane && s <= vecStoreLane:
		r.u32()
		r.u32()
		r.byte()
	}
}
