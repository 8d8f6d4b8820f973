package meter

// stackSize is how many bytes of stack, as frame estimates them, a callback may use. The compiler's
// own limit is tens of megabytes, and growing to it takes longer than a callback may.
const stackSize = 1 << 20

// frame estimates the stack that a function needs: its locals, and values that are spilled, of which
// a body can hold no more than it has instructions to make.
func frame(locals, results, code int) int64 {
	return 64 + 16*int64(locals+results) + int64(code)/2
}

// graph is who calls whom. Beside the own functions, numbered from 0, it has one node, the last, for
// whatever call_indirect may reach.
type graph struct {
	calls  [][]int
	frames []int64

	// Tarjan's algorithm for strongly connected components (SIAM Journal on Computing 1, 1972).
	order, low []int // 0 = not visited
	next       int
	open       []int
	isOpen     []bool

	cyclic []bool
	below  []int64 // the deepest stack of functions that are not cyclic, from the node on
}

// count decides which functions count the stack: those that may be on it twice. The others cannot
// add up to more than the longest chain of calls; where that is longer than the limit all count.
func (m *module) count() {
	g := m.callGraph()
	deepest := int64(0)
	for v := range g.calls {
		if g.order[v] == 0 {
			g.visit(v)
		}
		deepest = max(deepest, g.below[v])
	}
	m.frames = make([]int64, len(m.bodies))
	for i := range m.bodies {
		if g.cyclic[i] || deepest > stackSize {
			m.frames[i] = g.frames[i]
			m.stats.Counted++
		}
	}
}

// callGraph reads the bodies for their calls.
func (m *module) callGraph() *graph {
	n := len(m.bodies) + 1
	g := &graph{
		calls: make([][]int, n), frames: make([]int64, n), order: make([]int, n), low: make([]int, n),
		isOpen: make([]bool, n), cyclic: make([]bool, n), below: make([]int64, n),
	}
	anywhere := n - 1
	in := &instr{}
	for i, body := range m.bodies {
		r := &reader{b: body}
		signature := m.signature(uint64(m.imported + i))
		locals := signature.params + readLocals(r)
		g.frames[i] = frame(locals, len(signature.results), len(body)-r.at)
		for r.more() {
			m.next(r, in)
			switch in.op {
			case opCall:
				m.signature(in.index)
				if f := int(in.index) - m.imported; f >= 0 {
					g.calls[i] = append(g.calls[i], f)
				}
			case opCallIndirect:
				g.calls[i] = append(g.calls[i], anywhere)
			case opRefFunc:
				m.addressed = append(m.addressed, in.index)
			}
		}
	}
	for _, f := range m.addressed {
		m.signature(f)
		if own := int(f) - m.imported; own >= 0 {
			g.calls[anywhere] = append(g.calls[anywhere], own)
		}
	}
	return g
}

// readLocals passes the declarations at the start of a body and returns how many locals they make.
func readLocals(r *reader) int {
	n := uint64(0)
	for groups := r.u32(); groups > 0; groups-- {
		n += r.u32()
		r.byte()
		if n > maxLocals {
			refuse("a function with more than %d locals", maxLocals)
		}
	}
	return int(n)
}

// visit finds the components that can be reached from v, the callees' before the callers'.
func (g *graph) visit(v int) {
	g.next++
	g.order[v], g.low[v] = g.next, g.next
	g.open = append(g.open, v)
	g.isOpen[v] = true
	own := false
	for _, w := range g.calls[v] {
		own = own || w == v
		switch {
		case g.order[w] == 0:
			g.visit(w)
			g.low[v] = min(g.low[v], g.low[w])
		case g.isOpen[w]:
			g.low[v] = min(g.low[v], g.order[w])
		}
	}
	if g.low[v] == g.order[v] {
		g.close(v, own)
	}
}

// close takes the component that v is the root of off the open nodes.
func (g *graph) close(v int, own bool) {
	at := len(g.open) - 1
	for g.open[at] != v {
		at--
	}
	component := g.open[at:]
	below := int64(0)
	for _, w := range component {
		for _, c := range g.calls[w] {
			below = max(below, g.below[c])
		}
	}
	for _, w := range component {
		g.isOpen[w] = false
		g.cyclic[w] = own || len(component) > 1
	}
	if !g.cyclic[v] {
		below += g.frames[v]
	}
	for _, w := range component {
		g.below[w] = below
	}
	g.open = g.open[:at]
}
