package meter

// point is one payment: a place in a body where weight is taken from the fuel.
type point struct {
	at     int // the charge goes before this offset
	parent int // the point that dominates this one; -1 for the entry's
	depth  int // in the tree of points
	head   bool
	mined  bool   // it leaves the loop to tick, see walker.loop
	weight uint64 // of all instructions assigned to it
	early  uint64 // the part of the weight that may not run
}

// label is one open block, loop or if.
type label struct {
	op      byte
	entry   int  // the point current at its start
	live    bool // its start can be reached
	split   bool // its start may not be reached although the entry point was paid
	escaped bool // an edge leaves it for a label further out
	mined   bool
	head    int      // the point at the head of a loop
	arity   int      // how many values travel along an edge to it
	join    int      // the nearest common ancestor of the points of all edges to its end; -1 for none
	sets    []uint64 // the locals that it assigns, a bit each
}

// dynamic is an operation whose price depends on the number on top of the stack.
type dynamic struct {
	at    int
	scale int64  // units for one; 0 = one unit for 1<<bytesShift
	long  uint64 // the hidden function that does it in pieces; 0 for none
	end   int
}

// edit replaces bytes of the original.
type edit struct {
	at, end int
	by      []byte
}

// walker assigns the instructions of one body to points.
type walker struct {
	m        *module
	body     []byte
	in       instr
	points   []point
	dynamics []dynamic
	edits    []edit
	labels   []label
	locals   int
	now      int  // the current point
	live     bool // this instruction can be reached
	split    bool // it may not run although the current point was paid
	called   bool // a call came before
	counted  bool // the function counts the stack
	hidden   bool // it is one of the rewriter's own
}

// walk goes through a body whose declarations r has passed.
func (w *walker) walk(r *reader, results int) {
	w.body, w.live = r.b, true
	w.points = append(w.points, point{at: r.at, parent: -1, head: true})
	w.points[0].weight = costEntry + uint64(w.locals) + uint64(results) + uint64(len(r.b)-r.at)/32
	w.open(opBlock, results)
	for len(w.labels) > 0 {
		w.m.next(r, &w.in)
		if o := w.in.op; o != opEnd && o != opElse && o != opLoop {
			w.add(weight(&w.in))
		}
		w.step()
	}
	if r.more() {
		refuse("code after the end of a function")
	}
}

func (w *walker) step() {
	switch in := &w.in; in.op {
	case opBlock:
		w.open(in.op, in.results)
	case opLoop:
		w.loop()
	case opIf:
		w.open(in.op, in.results)
		w.split = true
	case opElse:
		w.otherwise()
	case opEnd:
		w.end()
	case opBr, opBrIf, opBrTable:
		w.branches()
	case opReturn:
		w.leave(true)
	case opUnreachable:
		w.leave(false)
	case opCall, opCallIndirect:
		w.call()
	case opRefFunc:
		w.replace(op(nil, opRefFunc, w.m.shifted(in.index)))
	case opLocalSet, opLocalTee:
		if in.index >= uint64(w.locals) {
			refuse("local %d of %d", in.index, w.locals)
		}
		w.labels[len(w.labels)-1].sets[in.index/64] |= 1 << (in.index % 64)
	case opTableSet:
		w.m.stats.NoReset = "it writes a table"
	case opMemorySize:
		w.replace(op(nil, opGlobalGet, w.m.pages()))
	case opMemoryGrow:
		if w.hidden {
			w.pay(perPage, 0)
		}
		w.replace(op(nil, opCall, w.m.grow()))
	case opMisc:
		w.bulk()
	}
}

// add assigns n units at the current instruction to a point that dominates it.
func (w *walker) add(n uint64) {
	if !w.live || n == 0 {
		return
	}
	if w.m.exact {
		w.place(w.in.at, false)
	}
	p := &w.points[w.now]
	switch {
	case !w.split:
		p.weight += n
	case p.early+n <= slack:
		p.weight += n
		p.early += n
	default:
		w.place(w.in.at, false)
		w.points[w.now].weight += n
	}
}

// place makes a new current point.
func (w *walker) place(at int, head bool) {
	w.points = append(w.points, point{at: at, parent: w.now, depth: w.points[w.now].depth + 1, head: head})
	w.now, w.split = len(w.points)-1, false
}

// ancestor is the nearest common one of two points.
func (w *walker) ancestor(a, b int) int {
	for a != b {
		if w.points[a].depth < w.points[b].depth {
			a, b = b, a
		}
		a = w.points[a].parent
	}
	return a
}

// joins adds an edge to the end of a label from code paid at point p.
func (w *walker) joins(l *label, p int) {
	if l.join < 0 {
		l.join = p
	} else {
		l.join = w.ancestor(l.join, p)
	}
}

func (w *walker) open(o byte, arity int) {
	w.labels = append(w.labels, label{
		op: o, entry: w.now, live: w.live, split: w.split, arity: arity, join: -1, sets: make([]uint64, (w.locals+63)/64),
	})
}

// loop places the point at the head of a loop, which tests. A call in the loop would cost it its
// registers, so a loop that takes no parameters branches out to tick, and comes back:
//
//	block $exit; loop $again; block $tick; loop  <no fuel: br $tick>  body  end; br $exit; end; call tick; br $again; end; unreachable; end
func (w *walker) loop() {
	w.open(opLoop, w.in.params)
	if !w.live {
		return
	}
	if w.now == 0 && !w.split && !w.called && !w.counted {
		w.points[0].head = false // this loop is always reached, and before any call: its test will do
	}
	w.place(w.in.end, true)
	p, l := &w.points[w.now], &w.labels[len(w.labels)-1]
	p.weight = costPlain
	l.head = w.now
	if w.in.params == 0 {
		p.mined, l.mined = true, true
		// the type, which is no index where there are no parameters, or one of results alone
		kind := w.body[w.in.at+1 : w.in.end]
		by := append(append([]byte{opBlock}, kind...), opLoop, typeEmpty, opBlock, typeEmpty, opLoop)
		w.replace(append(by, kind...))
	}
}

// extraLabels is how many labels a mined loop puts around itself.
const extraLabels = 3

func (w *walker) otherwise() {
	l := &w.labels[len(w.labels)-1]
	if l.op != opIf {
		refuse("else without if")
	}
	l.op = opElse
	if l.live {
		if w.live {
			w.joins(l, w.now)
		}
		w.now, w.split, w.live = l.entry, true, true
	}
}

// end closes a label. What a merge of control flow may move is paid for here, or by a loop's head.
func (w *walker) end() {
	l := w.labels[len(w.labels)-1]
	w.labels = w.labels[:len(w.labels)-1]
	if len(w.labels) == 0 {
		return
	}
	outer := w.labels[len(w.labels)-1].sets
	for i, x := range l.sets {
		outer[i] |= x
	}
	if l.mined {
		// end loop; br $exit; end $tick; call tick; br $again; end $again; unreachable; end $exit
		by := op([]byte{opEnd, opBr, 2, opEnd}, opCall, w.m.tick())
		w.replace(append(by, opBr, 0, opEnd, opUnreachable, opEnd))
	}
	if !l.live {
		w.live = false
		return
	}
	if l.op == opLoop {
		w.points[l.head].weight += l.moves()
		w.now, w.split = l.entry, l.split || l.escaped
		return
	}
	if w.live {
		w.joins(&l, w.now)
	}
	if l.op == opIf { // without else
		w.joins(&l, l.entry)
	}
	if w.live = l.join >= 0; !w.live {
		return
	}
	w.now = l.join
	w.split = l.escaped || l.split && l.join == l.entry
	w.in.at = w.in.end // a point placed now goes behind the end, where every edge arrives
	w.add(l.moves())
}

// moves bounds what a merge costs: one move for two locals that the construct assigns, and one for
// each value on the stack.
func (l *label) moves() (n uint64) {
	for _, x := range l.sets {
		for ; x != 0; x &= x - 1 {
			n++
		}
	}
	return n/2 + uint64(l.arity)
}

// branches is br, br_if or br_table.
func (w *walker) branches() {
	in := &w.in
	by := []byte{in.op}
	if in.op == opBrTable {
		by = unsigned(by, uint64(len(in.labels)-1))
		for _, l := range in.labels {
			by = unsigned(by, w.edge(l))
		}
	} else {
		by = unsigned(by, w.edge(in.index))
	}
	w.replace(by)
	if in.op == opBrIf {
		w.split = true
	} else {
		w.live = false
	}
}

// edge records a branch to the label with the given index and returns its index after the rewrite.
func (w *walker) edge(index uint64) uint64 {
	if index >= uint64(len(w.labels)) {
		refuse("a branch to label %d of %d", index, len(w.labels))
	}
	to := len(w.labels) - 1 - int(index)
	for _, l := range w.labels[to+1:] {
		if l.mined {
			index += extraLabels
		}
	}
	if !w.live {
		return index
	}
	p := w.now
	for i := len(w.labels) - 1; i > to; i-- {
		w.labels[i].escaped = true
		if w.labels[i].op == opLoop {
			p = w.labels[i].entry // code behind the target is outside of this loop
		}
	}
	if l := &w.labels[to]; l.op != opLoop {
		w.joins(l, p)
	}
	return index
}

// leave is return or unreachable. A function that counts its stack returns by way of its end.
func (w *walker) leave(returns bool) {
	if returns && w.counted {
		w.replace(op(nil, opBr, w.edge(uint64(len(w.labels)-1))))
	}
	for i := range w.labels {
		w.labels[i].escaped = true
	}
	w.live = false
}

func (w *walker) call() {
	in := &w.in
	w.called = true
	if in.op == opCallIndirect {
		t := w.m.typeAt(in.index)
		w.add(uint64(t.params + len(t.results)))
		return
	}
	t := w.m.signature(in.index)
	n := uint64(t.params + len(t.results))
	if in.index < uint64(w.m.imported) {
		n += costHost - costCall
	}
	w.add(n)
	w.replace(op(nil, opCall, w.m.shifted(in.index)))
}

// bulk is an instruction with the misc prefix.
func (w *walker) bulk() {
	in, m := &w.in, w.m
	switch in.sub {
	case miscMemoryInit:
		if in.index >= uint64(len(m.passive)) || m.passive[in.index] > maxPassive {
			refuse("memory.init from a segment of more than %d bytes", maxPassive)
		}
		w.pay(0, 0)
	case miscMemoryCopy:
		w.pay(0, m.longCopy())
	case miscMemoryFill:
		w.pay(0, m.longFill())
	case miscTableInit, miscTableCopy, miscTableFill:
		w.pay(perTableSlot, 0)
		m.stats.NoReset = "it writes a table"
	case miscDataDrop, miscElemDrop:
		m.stats.NoReset = "it drops segments"
	}
}

// pay notes an operation whose price depends on the number on top of the stack.
func (w *walker) pay(scale int64, long uint64) {
	if w.hidden {
		long = 0
	}
	if w.live {
		w.dynamics = append(w.dynamics, dynamic{w.in.at, scale, long, w.in.end})
	}
}

// replace puts other bytes in place of the current instruction.
func (w *walker) replace(by []byte) {
	if w.hidden && (w.in.op == opMemorySize || w.in.op == opMemoryGrow) {
		return // the rewriter's own code works on the real memory
	}
	w.edits = append(w.edits, edit{w.in.at, w.in.end, by})
}
