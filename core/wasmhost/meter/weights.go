package meter

// Weights, in units of fuel. A unit is roughly one cheap instruction. They were set by hand and
// corrected by what the hostile modules of the tests measure: a slice must not take long, whatever
// it is spent on.
const (
	costPlain    = 1  // integer arithmetic, compare, select, branches
	costMemory   = 8  // a load or store may miss every cache
	costGlobal   = 2  // a global lives in memory
	costFloat    = 4  // add, sub, mul, compare, round
	costDivide   = 20 // integers
	costFDivide  = 16 // floats, and the square root
	costConvert  = 10 // with range checks and branches
	costMinMax   = 12 // of floats: compare, branch, fix up
	costCall     = 10 // prologue, stack check, spills around it
	costIndirect = 24 // bounds, null and type checks
	costHost     = 60 // an imported function, which itself charges for its work
	costEntry    = 14 // a frame: stack check, stack growth, the stack's count
	costTable    = 40 // table.get, table.set, ref.func
	costBulk     = 60 // a bulk operation, beside its length
	costGrow     = 400
	costVector   = 4 // SIMD
	costVector2  = 8
	costVector4  = 16
	costTableBr  = 12 // an indirect jump, mispredicted
	costBranch   = 6  // a conditional one, possibly mispredicted

	perPage      = 16384 // one page of 64 KiB grown: page faults
	perTableSlot = 8
	bytesShift   = 2 // bulk memory: a unit for 4 bytes
)

// weight returns the static price of an instruction, without what its operands add.
func weight(in *instr) uint64 {
	switch in.op {
	case opMisc:
		if in.sub <= miscTruncLast {
			return costConvert
		}
		return costBulk
	case opVector:
		return vectorWeight(in.sub)
	}
	return plainWeight(in.op)
}

func plainWeight(o byte) uint64 {
	switch {
	case o <= opBlock || o == opLoop || o == opElse || o == opEnd || o == opDrop || o >= opLocalGet && o <= opLocalTee || o == opI32Const || o == opI64Const:
		return 0 // no machine code of their own; moves at merges are priced there
	case o == opBrIf || o == opIf:
		return costBranch
	case o == opBrTable:
		return costTableBr
	case o == opCall:
		return costCall
	case o == opCallIndirect:
		return costIndirect
	case o == opGlobalGet || o == opGlobalSet:
		return costGlobal
	case o == opTableGet || o == opTableSet || o == opRefFunc:
		return costTable
	case o >= opLoad && o <= opStoreLast:
		return costMemory
	case o == opMemoryGrow:
		return costGrow
	case o >= opI32Eqz && o <= opExtendLast:
		return numericWeight(o)
	}
	return costPlain
}

// numericWeight prices 0x45 to 0xc4; each range is a row of the specification's table.
func numericWeight(o byte) uint64 {
	switch {
	case o >= 0x5b && o <= 0x66: // float compare
		return costFloat
	case o == 0x69 || o == 0x7b: // popcnt
		return costFloat
	case o >= 0x6d && o <= 0x70 || o >= 0x7f && o <= 0x82: // integer div and rem
		return costDivide
	case o == 0x91 || o == 0x95 || o == 0x9f || o == 0xa3: // sqrt, div
		return costFDivide
	case o == 0x96 || o == 0x97 || o == 0xa4 || o == 0xa5: // min, max
		return costMinMax
	case o >= 0x8b && o <= 0xa6: // the other float arithmetic
		return costFloat
	case o >= 0xa8 && o <= 0xbb && o != 0xac && o != 0xad: // conversions, but for i64.extend
		return costConvert
	case o >= 0xbc && o <= 0xbf: // reinterpret
		return 2
	}
	return costPlain
}

func vectorWeight(s byte) uint64 {
	switch {
	case s <= vecStore || s >= vecLoadLane && s <= vecLoad64Zero:
		return costMemory + costVector
	case s == 0x62 || s >= 0x6b && s <= 0x6d || s == 0xcc || s == 0xd5: // popcnt, i8x16 shifts, i64x2 shr_s and mul
		return costVector4
	case s >= 0xf8 || s == 0x5e || s == 0x5f: // conversions
		return costVector4
	case s == 0xe3 || s == 0xe7 || s == 0xef || s == 0xf3: // sqrt, div
		return costVector4
	case s >= 0xe0: // float lanes
		return costVector2
	case s >= 0x67 && s <= 0x6a || s == 0x74 || s == 0x75 || s == 0x7a || s == 0x94: // round
		return costVector2
	}
	return costVector
}
