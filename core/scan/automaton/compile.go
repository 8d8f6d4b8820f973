package automaton

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
)

// MaxStates bounds one automaton, maxWork the steps it takes to build it: patterns come from third
// parties too.
const (
	MaxStates = 4000
	maxWork   = 8 << 20
)

// ErrStates is the error of a pattern that needs more than MaxStates states.
var ErrStates = errors.New("too many states: use narrower repeats or classes")

// What stands before a byte, and what the next byte is.
const (
	beforeOther = iota
	beforeWord
	beforeText

	nextOther = 0
	nextWord  = 1
	nextEnd   = 2
)

// Compile builds the automaton of a pattern that Parse returned.
func Compile(re *syntax.Regexp) (*Automaton, error) {
	_, n := Width(re)
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	b := &builder{prog: prog, ids: map[string]uint16{}, a: &Automaton{maxLen: n}}
	b.sets()
	b.classes()
	if err := b.states(); err != nil {
		return nil, fmt.Errorf("%w (more than %d)", err, MaxStates)
	}
	b.finish()
	return b.a, nil
}

// Class returns the bytes of a pattern that stands for one byte, such as [0-9a-f].
func Class(pattern string) (*Bytes, error) {
	re, err := Parse(pattern)
	if err != nil {
		return nil, err
	}
	if lo, hi := Width(re); lo != 1 || hi != 1 {
		return nil, errors.New("not a class of single bytes")
	}
	a, err := Compile(re)
	if err != nil {
		return nil, err
	}
	heads := a.Heads()
	return &heads, nil
}

// builder makes states of sets of instructions: those that wait to be followed.
type builder struct {
	a        *Automaton
	prog     *syntax.Prog
	reads    []Bytes   // by instruction: the bytes that it consumes
	heeds    []bool    // by instruction: a boundary is met before the next byte
	reps     []byte    // by class, the end left out: one of its bytes
	closures [][]int32 // by instruction and context; see closure
	contexts int       // 1 where no instruction heeds one
	ids      map[string]uint16
	todo     []todo
	key      []byte
	stamp    []int
	gen      int
	work     int
}

type todo struct {
	pcs    []int32
	before int
}

// contexts are what may stand before a byte, times what the byte is.
const contexts = 9

// matched stands in a closure for the end of a match.
const matched = -1

// states explores every state from the three beginnings.
func (b *builder) states() error {
	b.todo = make([]todo, first) // dead and done
	b.a.table = make([]uint16, first*b.a.width)
	for before := range b.a.start {
		id, err := b.state([]int32{int32(b.prog.Start)}, before)
		if err != nil {
			return err
		}
		b.a.start[before] = id
	}
	var follow, pcs []int32
	for at := first; at < len(b.todo); at++ {
		t := b.todo[at]
		for next := range 3 {
			follow = b.follow(follow[:0], t, next)
			match := uint16(0)
			if len(follow) > 0 && follow[0] == matched {
				match, follow = accepts, follow[1:]
			}
			if next == nextEnd {
				b.put(at, b.a.width-1, match)
				continue
			}
			for class, rep := range b.reps {
				if wordByte(rep) != (next == nextWord) {
					continue
				}
				pcs = pcs[:0]
				if b.work += len(follow); b.work > maxWork {
					return ErrStates
				}
				for _, pc := range follow {
					if b.reads[pc].Has(rep) {
						pcs = append(pcs, int32(b.prog.Inst[pc].Out))
					}
				}
				id, err := b.state(pcs, next)
				if err != nil {
					return err
				}
				b.put(at, class, id|match)
			}
		}
	}
	return nil
}

func (b *builder) put(state, class int, v uint16) {
	b.a.table[state*b.a.width+class] = v
}

// state returns the number of a state, which is new where its instructions are.
func (b *builder) state(pcs []int32, before int) (uint16, error) {
	if len(pcs) == 0 {
		return dead, nil
	}
	slices.Sort(pcs)
	pcs = slices.Compact(pcs)
	heeds := false
	b.key = b.key[:0]
	for _, pc := range pcs {
		heeds = heeds || b.heeds[pc]
		b.key = binary.LittleEndian.AppendUint32(b.key, uint32(pc))
	}
	if !heeds {
		before = beforeOther
	}
	b.key = append(b.key, byte(before))
	if id, ok := b.ids[string(b.key)]; ok {
		return id, nil
	}
	if len(b.todo) >= MaxStates {
		return 0, ErrStates
	}
	id := uint16(len(b.todo))
	b.ids[string(b.key)] = id
	b.todo = append(b.todo, todo{slices.Clone(pcs), before})
	b.a.table = append(b.a.table, make([]uint16, b.a.width)...)
	return id, nil
}

// follow appends the consuming instructions that a state leads to without a byte, before next;
// matched comes first where the pattern may end here.
func (b *builder) follow(dst []int32, t todo, next int) []int32 {
	match := false
	for _, pc := range t.pcs {
		for _, c := range b.closure(pc, t.before, next) {
			if c == matched {
				match = true
			} else {
				dst = append(dst, c)
			}
		}
	}
	if match {
		dst = slices.Insert(dst, 0, matched)
	}
	return dst
}

func (b *builder) closure(pc int32, before, next int) []int32 {
	if !b.heeds[pc] {
		before, next = 0, 0
	}
	at := &b.closures[int(pc)*b.contexts+before*3+next]
	if *at == nil {
		b.gen++
		*at = b.walk(make([]int32, 0, 2), uint32(pc), empties(before, next))
	}
	return *at
}

func (b *builder) walk(dst []int32, pc uint32, flags syntax.EmptyOp) []int32 {
	if b.stamp[pc] == b.gen {
		return dst
	}
	b.stamp[pc] = b.gen
	in := &b.prog.Inst[pc]
	switch in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return b.walk(b.walk(dst, in.Out, flags), in.Arg, flags)
	case syntax.InstCapture, syntax.InstNop:
		return b.walk(dst, in.Out, flags)
	case syntax.InstEmptyWidth:
		if syntax.EmptyOp(in.Arg)&^flags == 0 {
			return b.walk(dst, in.Out, flags)
		}
	case syntax.InstMatch:
		return append(dst, matched)
	case syntax.InstFail:
	default:
		return append(dst, int32(pc))
	}
	return dst
}

func empties(before, next int) syntax.EmptyOp {
	var flags syntax.EmptyOp
	if before == beforeText {
		flags |= syntax.EmptyBeginText
	}
	if next == nextEnd {
		flags |= syntax.EmptyEndText
	}
	if (before == beforeWord) != (next == nextWord) {
		return flags | syntax.EmptyWordBoundary
	}
	return flags | syntax.EmptyNoWordBoundary
}

// finish points the transitions into states that only accept at done, and collects the first bytes.
func (b *builder) finish() {
	a := b.a
	only := make([]bool, len(b.todo))
	for s := first; s < len(only); s++ {
		only[s] = true
		for _, v := range a.table[s*a.width : (s+1)*a.width] {
			only[s] = only[s] && v == accepts
		}
	}
	for i, v := range a.table {
		if only[v&^accepts] {
			a.table[i] = v&accepts | done
		}
	}
	for c := range 256 {
		k := int(a.class[c])
		for i, s := range a.start {
			if s != dead && a.table[int(s)*a.width+k] != dead { // a match of nothing may end there
				a.heads[i].Add(byte(c))
			}
		}
	}
}
