package automaton

import (
	"regexp/syntax"
	"slices"
)

// sets works out which bytes each instruction reads and from which of them a boundary is met.
func (b *builder) sets() {
	n := len(b.prog.Inst)
	b.reads = make([]Bytes, n)
	b.heeds = make([]bool, n)
	b.stamp = make([]int, n)
	b.closures = make([][]int32, n*9)
	for pc := range b.prog.Inst {
		in := &b.prog.Inst[pc]
		switch in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			b.read(pc, in)
		}
	}
	// A boundary is met from where an empty path leads to it.
	for changed := true; changed; {
		changed = false
		for pc := range b.prog.Inst {
			in := &b.prog.Inst[pc]
			h := b.heeds[pc]
			switch in.Op {
			case syntax.InstAlt, syntax.InstAltMatch:
				h = h || b.heeds[in.Out] || b.heeds[in.Arg]
			case syntax.InstCapture, syntax.InstNop:
				h = h || b.heeds[in.Out]
			case syntax.InstEmptyWidth:
				h = true
			}
			changed = changed || h != b.heeds[pc]
			b.heeds[pc] = h
		}
	}
}

// read collects the bytes that an instruction consumes; every rune of a pattern is a byte.
func (b *builder) read(pc int, in *syntax.Inst) {
	if len(in.Rune) > 1 || len(in.Rune) == 1 && syntax.Flags(in.Arg)&syntax.FoldCase == 0 {
		for i := 0; i < len(in.Rune); i += 2 {
			hi := in.Rune[min(i+1, len(in.Rune)-1)]
			for c := in.Rune[i]; c <= min(hi, 0xff); c++ {
				b.reads[pc].Add(byte(c))
			}
		}
		return
	}
	for c := range 256 {
		if in.MatchRune(rune(c)) {
			b.reads[pc].Add(byte(c))
		}
	}
}

// classes groups the bytes that no instruction tells apart.
func (b *builder) classes() {
	type part struct {
		old uint8
		in  bool
	}
	split := func(in func(byte) bool) {
		ids := map[part]uint8{}
		for c := range 256 {
			p := part{b.a.class[c], in(byte(c))}
			id, ok := ids[p]
			if !ok {
				id = uint8(len(ids))
				ids[p] = id
			}
			b.a.class[c] = id
		}
		b.a.width = len(ids)
	}
	split(func(byte) bool { return true })
	if slices.Contains(b.heeds, true) {
		split(wordByte)
	}
	seen := map[Bytes]bool{{}: true}
	for _, set := range b.reads {
		if !seen[set] {
			seen[set] = true
			split(set.Has)
		}
	}
	b.reps = make([]byte, b.a.width)
	for c := range 256 {
		b.reps[b.a.class[c]] = byte(c)
	}
	b.a.width++
}
