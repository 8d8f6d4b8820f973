package meter

import "fmt"

// The indexes of what the rewriter adds. Types, globals and functions follow the module's own; the
// import of tick is the last import, so that all own functions move up by one.

func (m *module) fuel() uint64  { return m.globals }
func (m *module) stack() uint64 { return m.globals + 1 }
func (m *module) pages() uint64 { return m.globals + 2 }

func (m *module) tick() uint64     { return uint64(m.imported) }
func (m *module) grow() uint64     { return uint64(len(m.functions)) + 1 }
func (m *module) longFill() uint64 { return m.grow() + 1 }
func (m *module) longCopy() uint64 { return m.grow() + 2 }

func (m *module) tickType() uint64 { return uint64(len(m.types)) }
func (m *module) growType() uint64 { return uint64(len(m.types)) + 1 }
func (m *module) bulkType() uint64 { return uint64(len(m.types)) + 2 }

// addedTypes are the signatures behind those: of tick, of memory.grow, of the bulk operations.
const addedTypes = "\x60\x00\x00" + "\x60\x01\x7f\x01\x7f" + "\x60\x03\x7f\x7f\x7f\x00"

// multiType is the type of a block with the results of type t, where they are several.
func (m *module) multiType(t uint64) uint64 {
	n := m.bulkType() + 1
	for i := range m.types[:t] {
		if len(m.types[i].results) > 1 {
			n++
		}
	}
	return n
}

// shifted maps the index of a function of the original to the rewritten one's.
func (m *module) shifted(f uint64) uint64 {
	if f >= uint64(m.imported) {
		f++
	}
	return f
}

// encode writes the module anew.
func (m *module) encode(size int) []byte {
	out := append(make([]byte, 0, size*5/4), magic...)
	for _, id := range []byte(sectionOrder) {
		if b := m.section(id); b != nil {
			out = sized(append(out, id), b)
		}
	}
	return out
}

// section returns the bytes of a rewritten section, nil where the module has none.
func (m *module) section(id byte) []byte {
	old := m.sections[id]
	switch id {
	case secType:
		return m.encodeTypes(old)
	case secImport:
		return extended(old, 1, op(text(text(nil, hostName), tickName), 0, m.tickType()))
	case secFunction:
		if m.memory {
			types := unsigned(unsigned(unsigned(nil, m.growType()), m.bulkType()), m.bulkType())
			return extended(old, len(m.hiddenBodies()), types)
		}
	case secGlobal:
		return m.encodeGlobals(old)
	case secExport:
		return m.encodeExports(old)
	case secStart:
		if old != nil {
			return unsigned(nil, m.shifted((&reader{b: old}).u32()))
		}
	case secElement:
		return m.encodeElements()
	case secCode:
		return m.encodeCode()
	case secData:
		return m.encodeData()
	}
	return old
}

func (m *module) encodeTypes(old []byte) []byte {
	n, more := 3, []byte(addedTypes)
	for _, t := range m.types {
		if len(t.results) > 1 {
			more = sized(append(more, typeFunc, 0), t.results)
			n++
		}
	}
	return extended(old, n, more)
}

func (m *module) encodeGlobals(old []byte) []byte {
	var own []byte
	if old != nil {
		r := &reader{b: old}
		own = unsigned(nil, r.u32())
		for r.more() {
			own = m.expression(append(own, r.take(2)...), r)
		}
	}
	more := append(i64Const([]byte{typeI64, 1}, DefaultSlice), opEnd)
	more = append(i64Const(append(more, typeI64, 1), stackSize), opEnd)
	n := 2
	if m.memory {
		more = append(i32Const(append(more, typeI32, 1), int32(m.memoryMin)), opEnd)
		n++
	}
	return extended(own, n, more)
}

// expression copies a constant expression, with the function that it names moved.
func (m *module) expression(out []byte, r *reader) []byte {
	at := r.at
	r.constant()
	if r.b[at] == opRefFunc {
		f := (&reader{b: r.b, at: at + 1}).u32()
		return append(op(out, opRefFunc, m.shifted(f)), opEnd)
	}
	return append(out, r.b[at:r.at]...)
}

// encodeExports moves the functions and adds the hidden globals, those of Stats.Globals among them.
func (m *module) encodeExports(old []byte) []byte {
	var own []byte
	if old != nil {
		r := &reader{b: old}
		own = unsigned(nil, r.u32())
		for r.more() {
			own = text(own, r.name())
			kind, index := r.byte(), r.u32()
			if kind == 0 {
				index = m.shifted(index)
			}
			own = op(own, kind, index)
		}
	}
	var more []byte
	n := 0
	export := func(name string, global uint64) {
		more = op(text(more, name), 3, global)
		n++
	}
	export(fuelName, m.fuel())
	export(stackName, m.stack())
	m.stats.Globals = nil
	for _, g := range m.mutable {
		name := fmt.Sprintf("%sg%d", Prefix, g)
		export(name, g)
		m.stats.Globals = append(m.stats.Globals, name)
	}
	if m.memory {
		export(pagesName, m.pages())
		m.stats.Globals = append(m.stats.Globals, pagesName)
	}
	return extended(own, n, more)
}

func (m *module) encodeElements() []byte {
	if m.sections[secElement] == nil {
		return nil
	}
	r := &reader{b: m.sections[secElement]}
	out := unsigned(nil, r.u32())
	for r.more() {
		flags := r.u32()
		out = unsigned(out, flags)
		if flags&segPassive == 0 {
			if flags&segIndexed != 0 {
				out = unsigned(out, r.u32())
			}
			out = m.expression(out, r)
		}
		if flags&(segPassive|segIndexed) != 0 {
			out = append(out, r.byte())
		}
		n := r.u32()
		out = unsigned(out, n)
		for range n {
			if flags&segExpressions != 0 {
				out = m.expression(out, r)
			} else {
				out = unsigned(out, m.shifted(r.u32()))
			}
		}
	}
	return out
}

func (m *module) encodeCode() []byte {
	hidden := m.hiddenBodies()
	if len(m.bodies)+len(hidden) == 0 {
		return m.sections[secCode]
	}
	out := unsigned(make([]byte, 0, len(m.sections[secCode])*5/4), uint64(len(m.bodies)+len(hidden)))
	for i, b := range m.bodies {
		t := m.functions[m.imported+i]
		out = sized(out, m.body(b, m.typeAt(t), t, m.frames[i], false))
	}
	for i, b := range hidden {
		t := &funcType{params: 3}
		if i == 0 {
			t = &funcType{params: 1, results: []byte{typeI32}}
		}
		out = sized(out, m.body(b, t, 0, 0, true))
	}
	return out
}
