package meter

// The opcodes that the rewriter knows by name; the numbers are those of the core specification's
// index of instructions, https://webassembly.github.io/spec/core/appendix/index-instructions.html.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opLoad         = 0x28 // the first that accesses memory
	opStoreLast    = 0x3e
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45 // the first without an immediate
	opI32LtS       = 0x48
	opI32GtU       = 0x4b
	opI64LtS       = 0x53
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Mul       = 0x7e
	opI64Or        = 0x84
	opI64ShrU      = 0x88
	opI32WrapI64   = 0xa7
	opI64ExtendU   = 0xad
	opExtendLast   = 0xc4 // the last without an immediate
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opMisc         = 0xfc // a prefix
	opVector       = 0xfd // a prefix
)

// The opcodes after opMisc.
const (
	miscTruncLast  = 7
	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableSize  = 16
	miscTableFill  = 17
)

// Those after opVector that have immediates.
const (
	vecStore      = 11 // 0 to 11 access memory
	vecConst      = 12
	vecShuffle    = 13
	vecLane       = 21 // to vecLaneLast name a lane
	vecLaneLast   = 34
	vecLoadLane   = 84 // to 91 name memory and a lane
	vecStoreLane  = 91
	vecLoad32Zero = 92
	vecLoad64Zero = 93
)

// Value and block types.
const (
	typeI32   = 0x7f
	typeI64   = 0x7e
	typeF64   = 0x7c // the last of the numbers
	typeFunc  = 0x60
	typeEmpty = 0x40
)
