package automaton

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// sets works out which bytes each instruction reads and from which of them a boundary is met.
func (b *builder) sets() {
	n := len(b.prog.Inst)
	b.reads = make([]Bytes, n)
	b.heeds = make([]bool, n)
	b.stamp = make([]int, n)
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
	b.contexts = 1
	if slices.Contains(b.heeds, true) {
		b.contexts = contexts
	}
	b.closures = make([][]int32, n*b.contexts)
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
	for _, r := range in.Rune { // one, and what folds to it
		b.reads[pc].Add(byte(r))
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if other <= 0xff {
				b.reads[pc].Add(byte(other))
			}
		}
	}
}

// classes groups the bytes that no instruction tells apart.
func (b *builder) classes() {
	split := func(in func(byte) bool) {
		var ids [512]uint16 // by class so far, and whether the byte is in: the class from now on, plus one
		n := 0
		for c := range 256 {
			p := int(b.a.class[c]) << 1
			if in(byte(c)) {
				p++
			}
			if ids[p] == 0 {
				n++
				ids[p] = uint16(n)
			}
			b.a.class[c] = uint8(ids[p] - 1)
		}
		b.a.width = n
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
