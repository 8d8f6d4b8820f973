package meter

import "slices"

// chunk is how many bytes a bulk operation works on between two looks at the fuel.
const chunk = 1 << 20

// chunkPages is the same for memory.grow, in pages.
const chunkPages = chunk >> 16

// hiddenBodies are the functions that the rewriter adds where there is a memory, in the order of
// their indexes. They are written as a guest's code would be, and metered like it.
func (m *module) hiddenBodies() [][]byte {
	if !m.memory {
		return nil
	}
	return [][]byte{m.growBody(), fillBody(), copyBody()}
}

// growBody is memory.grow on the hidden count of pages. An instance that was put back to an earlier
// state has more real memory than pages, all zero: it is handed out again before more is asked for.
//
//	grow(n): if pages+n > 65536 { return -1 }
//	         while memory.size < pages+n { if memory.grow(min(pages+n-memory.size, chunkPages)) < 0 { return -1 } }
//	         n, pages = pages, pages+n; return n
func (m *module) growBody() []byte {
	const n, want, step = 0, 1, 2
	pages := op(nil, opGlobalGet, m.pages())
	return slices.Concat([]byte{1, 2, typeI32},
		pages, []byte{opI64ExtendU, opLocalGet, n, opI64ExtendU, opI64Add}, i64Const(nil, 65536), []byte{opI64GtU},
		[]byte{opIf, typeEmpty}, i32Const(nil, -1), []byte{opReturn, opEnd},
		pages, []byte{opLocalGet, n, opI32Add, opLocalSet, want},
		[]byte{opLoop, typeEmpty},
		[]byte{opLocalGet, want, opMemorySize, 0, opI32GtU, opIf, typeEmpty},
		[]byte{opLocalGet, want, opMemorySize, 0, opI32Sub, opLocalSet, step},
		[]byte{opLocalGet, step}, i32Const(nil, chunkPages), []byte{opI32GtU, opIf, typeEmpty},
		i32Const(nil, chunkPages), []byte{opLocalSet, step, opEnd},
		[]byte{opLocalGet, step, opMemoryGrow, 0, opI32Const, 0, opI32LtS, opIf, typeEmpty},
		i32Const(nil, -1), []byte{opReturn, opEnd},
		[]byte{opBr, 1, opEnd, opEnd},
		pages, []byte{opLocalGet, want}, op(nil, opGlobalSet, m.pages()), []byte{opEnd})
}

// The locals of the bulk functions: a destination, a value or source, a length.
const (
	bulkTo = iota
	bulkFrom
	bulkLength
)

// fillBody is memory.fill in pieces. What lies outside of the memory traps in its piece, with the
// pieces before it written, which nobody sees: an instance that trapped is thrown away.
func fillBody() []byte {
	return slices.Concat([]byte{0},
		pieces(
			[]byte{opLocalGet, bulkTo, opLocalGet, bulkFrom}, i32Const(nil, chunk), []byte{opMisc, miscMemoryFill, 0},
			step(bulkTo, opI32Add), step(bulkLength, opI32Sub),
		),
		[]byte{opLocalGet, bulkTo, opLocalGet, bulkFrom, opLocalGet, bulkLength, opMisc, miscMemoryFill, 0, opEnd})
}

// copyBody is memory.copy in pieces, from the end where the destination lies above the source.
func copyBody() []byte {
	move := []byte{opMisc, miscMemoryCopy, 0, 0}
	rest := slices.Concat([]byte{opLocalGet, bulkTo, opLocalGet, bulkFrom, opLocalGet, bulkLength}, move)
	return slices.Concat([]byte{0},
		[]byte{opLocalGet, bulkTo, opLocalGet, bulkFrom, opI32GtU, opIf, typeEmpty},
		pieces(
			step(bulkLength, opI32Sub),
			[]byte{opLocalGet, bulkTo, opLocalGet, bulkLength, opI32Add, opLocalGet, bulkFrom, opLocalGet, bulkLength, opI32Add},
			i32Const(nil, chunk), move,
		),
		rest, []byte{opReturn, opEnd},
		pieces(
			[]byte{opLocalGet, bulkTo, opLocalGet, bulkFrom}, i32Const(nil, chunk), move,
			step(bulkTo, opI32Add), step(bulkFrom, opI32Add), step(bulkLength, opI32Sub),
		),
		rest, []byte{opEnd})
}

// pieces is a loop over work while the length is more than a chunk.
func pieces(work ...[]byte) []byte {
	return slices.Concat(
		[]byte{opLoop, typeEmpty, opLocalGet, bulkLength}, i32Const(nil, chunk), []byte{opI32GtU, opIf, typeEmpty},
		slices.Concat(work...),
		[]byte{opBr, 1, opEnd, opEnd})
}

// step moves a local by a chunk.
func step(local byte, by byte) []byte {
	return slices.Concat([]byte{opLocalGet, local}, i32Const(nil, chunk), []byte{by, opLocalSet, local})
}
