package meter

// body returns a function's rewritten body. bytes is how much stack it counts, 0 for none.
func (m *module) body(b []byte, t *funcType, typeIndex uint64, bytes int64, hidden bool) []byte {
	r := &reader{b: b}
	own := readLocals(r)
	w := &walker{m: m, locals: t.params + own, counted: bytes > 0, hidden: hidden}
	code := r.at
	w.walk(r, len(t.results))
	e := &emitter{walker: w, out: make([]byte, 0, len(b)+len(w.points)*16+64), at: code, fuel: uint64(w.locals), length: uint64(w.locals) + 1}
	e.declare(b[:code])
	e.points(bytes, t, typeIndex)
	if bytes > 0 {
		e.uncount(bytes)
	}
	return e.out
}

// emitter writes a body with its charges.
type emitter struct {
	*walker
	out    []byte
	at     int    // what is written of the original
	fuel   uint64 // the local that holds the fuel for a test
	length uint64 // the local that holds a dynamic operation's length
	edited int    // of the edits
	paid   int    // of the dynamics
}

// declare writes the locals with those that the charges need.
func (e *emitter) declare(original []byte) {
	r := &reader{b: original}
	groups, more := r.u32(), []byte{1, typeI64}
	n := groups + 1
	if len(e.dynamics) > 0 {
		n, more = n+1, append(more, 1, typeI32)
	}
	e.out = append(append(unsigned(e.out, n), original[r.at:]...), more...)
}

// points writes the code and the charges in it.
func (e *emitter) points(bytes int64, t *funcType, typeIndex uint64) {
	for i := range e.walker.points {
		p := &e.walker.points[i]
		if p.weight == 0 && !p.head {
			continue
		}
		e.dynamicsBefore(p.at)
		e.upTo(p.at)
		e.charge(p, i == 0 && bytes > 0, bytes)
		if i == 0 && bytes > 0 {
			e.out = append(e.out, opBlock)
			e.out = e.m.resultType(e.out, t, typeIndex)
		}
	}
	e.dynamicsBefore(len(e.body))
	e.upTo(len(e.body))
}

// upTo copies the original, edited, up to an offset.
func (e *emitter) upTo(to int) {
	for ; e.edited < len(e.edits) && e.edits[e.edited].at < to; e.edited++ {
		d := e.edits[e.edited]
		e.out = append(append(e.out, e.body[e.at:d.at]...), d.by...)
		e.at = d.end
	}
	if e.at < to {
		e.out = append(e.out, e.body[e.at:to]...)
		e.at = to
	}
}

// dynamicsBefore writes the operations that pay for their operand and begin before an offset. A
// static charge at the same place goes first: the operand must be on top when it is looked at.
func (e *emitter) dynamicsBefore(to int) {
	for ; e.paid < len(e.dynamics) && e.dynamics[e.paid].at < to; e.paid++ {
		e.dynamic(&e.dynamics[e.paid])
	}
}

// charge writes a payment, and the test where the point is a header.
func (e *emitter) charge(p *point, counts bool, bytes int64) {
	e.m.stats.Charges++
	e.out = i64Const(op(e.out, opGlobalGet, e.m.fuel()), int64(p.weight))
	e.out = append(e.out, opI64Sub)
	switch {
	case counts:
		e.out = op(op(e.out, opLocalTee, e.fuel), opGlobalSet, e.m.fuel())
		e.out = i64Const(op(e.out, opGlobalGet, e.m.stack()), bytes)
		e.out = op(append(e.out, opI64Sub), opGlobalSet, e.m.stack())
		e.out = op(op(e.out, opLocalGet, e.fuel), opGlobalGet, e.m.stack())
		e.tickIf(append(e.out, opI64Or)) // one is negative
	case p.mined:
		// It pays only if it stays, so that a body dearer than a slice makes progress.
		e.m.stats.Tests++
		e.out = append(op(e.out, opLocalTee, e.fuel), opI64Const, 0, opI64LtS, opBrIf, 1)
		e.out = op(op(e.out, opLocalGet, e.fuel), opGlobalSet, e.m.fuel())
	case p.head:
		e.test()
	default:
		e.out = op(e.out, opGlobalSet, e.m.fuel())
	}
}

// test keeps the fuel, which is on the stack, and ticks if it is negative.
func (e *emitter) test() {
	e.out = op(op(e.out, opLocalTee, e.fuel), opGlobalSet, e.m.fuel())
	e.tickIf(op(e.out, opLocalGet, e.fuel))
}

// tickIf ticks if the number that out leaves on the stack is negative.
func (e *emitter) tickIf(out []byte) {
	e.m.stats.Tests++
	out = append(out, opI64Const, 0, opI64LtS, opIf, typeEmpty)
	e.out = append(op(out, opCall, e.m.tick()), opEnd)
}

// dynamic writes an operation that pays for the number on top of the stack:
//
//	n > chunk ? the hidden function : (pay; the operation)
func (e *emitter) dynamic(d *dynamic) {
	e.upTo(d.at)
	e.out = op(e.out, opLocalTee, e.length)
	if d.long != 0 {
		e.out = append(i32Const(op(e.out, opLocalGet, e.length), chunk), opI32GtU, opIf)
		e.out = op(unsigned(e.out, e.m.bulkType()), opCall, d.long)
		e.out = append(e.out, opElse)
	}
	e.out = append(op(op(e.out, opGlobalGet, e.m.fuel()), opLocalGet, e.length), opI64ExtendU)
	if d.scale > 0 {
		e.out = append(i64Const(e.out, d.scale), opI64Mul)
	} else {
		e.out = append(e.out, opI64Const, bytesShift, opI64ShrU)
	}
	e.out = append(e.out, opI64Sub)
	e.test()
	e.upTo(d.end)
	if d.long != 0 {
		e.out = append(e.out, opEnd)
	}
}

// uncount gives the stack back where the function ends; its last end closed the block around it.
func (e *emitter) uncount(bytes int64) {
	e.out = i64Const(op(e.out, opGlobalGet, e.m.stack()), bytes)
	e.out = append(op(append(e.out, opI64Add), opGlobalSet, e.m.stack()), opEnd)
}

// resultType writes the type of a block that leaves what a function of type t does.
func (m *module) resultType(b []byte, t *funcType, typeIndex uint64) []byte {
	switch len(t.results) {
	case 0:
		return append(b, typeEmpty)
	case 1:
		return append(b, t.results[0])
	}
	return signed(b, int64(m.multiType(typeIndex)))
}
