package meter

import "strings"

// The ids of the sections.
const (
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
)

// sectionOrder is the order in which sections stand in a module.
const sectionOrder = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0c\x0a\x0b"

const magic = "\x00asm\x01\x00\x00\x00"

// funcType is a function's signature.
type funcType struct {
	params  int
	results []byte // value types
}

// module is a parsed module: the sections as they came, and what the rewriter must know of them.
// All indexes are those of the original.
type module struct {
	sections  [secDataCount + 1][]byte // without id and length
	types     []funcType
	functions []uint64 // the type of each function, the imported first
	imported  int      // how many of them are
	bodies    [][]byte // of the others
	globals   uint64
	mutable   []uint64 // those of the globals that are
	addressed []uint64 // functions that call_indirect may reach
	memory    bool
	memoryMin uint64 // pages
	passive   []int  // bytes of each data segment, 0 for an active one

	frames []int64 // bytes of stack that each own function counts, 0 for none
	exact  bool
	stats  Stats
}

// parse takes a valid module apart.
func parse(wasm []byte) *module {
	r := &reader{b: wasm}
	if len(wasm) < len(magic) || string(r.take(uint64(len(magic)))) != magic {
		refuse("not a core WebAssembly module of version 1")
	}
	m := &module{}
	last := -1
	for r.more() {
		id := r.byte()
		data := r.take(r.u32())
		if id == 0 { // custom: names and debug information would be wrong after the rewrite
			continue
		}
		place := strings.IndexByte(sectionOrder, id)
		if place < 0 {
			refuse("a section with id %d", id)
		}
		if place <= last {
			refuse("section %d in the wrong place", id)
		}
		last = place
		m.sections[id] = data
	}
	m.readTypes()
	m.readImports()
	m.readFunctions()
	m.readTables()
	m.readMemory()
	m.readGlobals()
	m.readExports()
	m.readElements()
	m.readBodies()
	m.readData()
	return m
}

// each calls f for every element of a section.
func (m *module) each(id byte, f func(r *reader)) {
	if m.sections[id] == nil {
		return
	}
	r := &reader{b: m.sections[id]}
	for n := r.u32(); n > 0; n-- {
		f(r)
	}
}

func (m *module) typeAt(i uint64) *funcType {
	if i >= uint64(len(m.types)) {
		refuse("type %d of %d", i, len(m.types))
	}
	return &m.types[i]
}

// signature returns the type of a function.
func (m *module) signature(function uint64) *funcType {
	if function >= uint64(len(m.functions)) {
		refuse("function %d of %d", function, len(m.functions))
	}
	return m.typeAt(m.functions[function])
}

func (m *module) readTypes() {
	m.each(secType, func(r *reader) {
		if form := r.byte(); form != typeFunc {
			refuse("a type of the form %#x", form)
		}
		params := r.u32()
		r.take(params)
		m.types = append(m.types, funcType{int(params), r.take(r.u32())})
	})
}

func (m *module) readImports() {
	m.each(secImport, func(r *reader) {
		reserved(r.name())
		reserved(r.name())
		if kind := r.byte(); kind != 0 {
			refuse("an import that is not a function")
		}
		m.functions = append(m.functions, r.u32())
	})
	m.imported = len(m.functions)
}

func reserved(name string) {
	if strings.HasPrefix(name, Prefix) {
		refuse("the name %q is reserved", name)
	}
}

func (m *module) readFunctions() {
	m.each(secFunction, func(r *reader) { m.functions = append(m.functions, r.u32()) })
	for _, t := range m.functions {
		m.typeAt(t)
	}
	m.stats.Functions = len(m.functions) - m.imported
}

func (m *module) readTables() {
	m.each(secTable, func(r *reader) {
		r.byte()
		if n := r.limits(); n > maxTable {
			refuse("a table of %d entries, more than %d", n, maxTable)
		}
	})
}

func (m *module) readMemory() {
	m.each(secMemory, func(r *reader) {
		if m.memory {
			refuse("more than one memory")
		}
		m.memory, m.memoryMin = true, r.limits()
	})
}

func (m *module) readGlobals() {
	m.each(secGlobal, func(r *reader) {
		kind := r.byte()
		if r.byte() == 1 {
			m.mutable = append(m.mutable, m.globals)
			if kind < typeF64 || kind > typeI32 {
				m.stats.NoReset = "it has a mutable global that is no number"
			}
		}
		m.initial(r)
		m.globals++
	})
}

// initial passes a constant expression and keeps the function whose address it takes.
func (m *module) initial(r *reader) {
	at := r.at
	r.constant()
	if r.b[at] == opRefFunc {
		m.addressed = append(m.addressed, (&reader{b: r.b, at: at + 1}).u32())
	}
}

func (m *module) readExports() {
	m.each(secExport, func(r *reader) {
		reserved(r.name())
		r.byte()
		r.u32()
	})
}

// The bits of an element segment's flags.
const (
	segPassive     = 1 // or declarative
	segIndexed     = 2 // the table is named; of a passive segment: it is declarative
	segExpressions = 4 // the elements are expressions, not indexes
)

func (m *module) readElements() {
	m.each(secElement, func(r *reader) {
		flags := r.u32()
		if flags > segPassive|segIndexed|segExpressions {
			refuse("an element segment of the form %d", flags)
		}
		if flags&segPassive == 0 {
			if flags&segIndexed != 0 {
				r.u32()
			}
			r.constant()
		}
		if flags&(segPassive|segIndexed) != 0 {
			r.byte() // the kind or type
		}
		for n := r.u32(); n > 0; n-- {
			if flags&segExpressions != 0 {
				m.initial(r)
			} else {
				m.addressed = append(m.addressed, r.u32())
			}
		}
	})
}

func (m *module) readBodies() {
	m.each(secCode, func(r *reader) {
		b := r.take(r.u32())
		if len(b) > maxBody {
			refuse("function %d has %d bytes, more than %d", m.imported+len(m.bodies), len(b), maxBody)
		}
		m.bodies = append(m.bodies, b)
	})
	if len(m.bodies) != len(m.functions)-m.imported {
		refuse("%d functions have %d bodies", len(m.functions)-m.imported, len(m.bodies))
	}
}

func (m *module) readData() {
	m.each(secData, func(r *reader) {
		flags := r.u32()
		if flags > 2 {
			refuse("a data segment of the form %d", flags)
		}
		if flags == 2 {
			r.u32()
		}
		if flags != 1 {
			r.constant()
		}
		n := len(r.take(r.u32()))
		if flags != 1 {
			n = 0
		}
		m.passive = append(m.passive, n)
	})
}
