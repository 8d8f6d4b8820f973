package automaton

import (
	"errors"
	"regexp/syntax"
	"unicode"
)

// Errors of patterns that cannot be bounded or are not understood.
var (
	ErrUnbounded = errors.New("unbounded repeat: give every * + {n,} an upper bound")
	ErrAnchor    = errors.New("line anchors are not supported: use \\n, ^ or $ without the m flag")
	ErrClass     = errors.New("a class outside ASCII may hold at most 256 characters")
)

// Parse reads a pattern and rewrites it so that every rune in it is one byte. Counted repeats stay
// as they are.
func Parse(pattern string) (*syntax.Regexp, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return bytewise(re)
}

func bytewise(re *syntax.Regexp) (*syntax.Regexp, error) {
	for i, s := range re.Sub {
		sub, err := bytewise(s)
		if err != nil {
			return nil, err
		}
		re.Sub[i] = sub
	}
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return nil, ErrUnbounded
	case syntax.OpRepeat:
		if re.Max < 0 {
			return nil, ErrUnbounded
		}
	case syntax.OpBeginLine, syntax.OpEndLine:
		return nil, ErrAnchor
	case syntax.OpLiteral:
		return literal(re), nil
	case syntax.OpCharClass:
		return class(re)
	case syntax.OpAnyChar:
		return &syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{0, 0xff}}, nil
	case syntax.OpAnyCharNotNL:
		return &syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{0, 9, 11, 0xff}}, nil
	}
	return re, nil
}

// literal spells a literal out byte by byte, with every case of a folded non-ASCII rune.
func literal(re *syntax.Regexp) *syntax.Regexp {
	out := &syntax.Regexp{Op: syntax.OpConcat}
	for _, r := range re.Rune {
		if r < 0x80 {
			out.Sub = append(out.Sub, &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{r}, Flags: re.Flags})
			continue
		}
		forms := &syntax.Regexp{Op: syntax.OpAlternate, Sub: []*syntax.Regexp{encoded(r)}}
		if re.Flags&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				forms.Sub = append(forms.Sub, encoded(f))
			}
		}
		out.Sub = append(out.Sub, forms)
	}
	return out
}

// class keeps the ASCII part of a class and, where it reaches to the last code point, every byte
// above; a class without ASCII is spelled out.
func class(re *syntax.Regexp) (*syntax.Regexp, error) {
	out := &syntax.Regexp{Op: syntax.OpCharClass}
	top := false
	for i := 0; i < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		top = top || hi == unicode.MaxRune
		if lo < 0x80 {
			out.Rune = append(out.Rune, lo, min(hi, 0x7f))
		}
	}
	if top {
		out.Rune = append(out.Rune, 0x80, 0xff)
	}
	if out.Rune != nil {
		return out, nil
	}
	alt := &syntax.Regexp{Op: syntax.OpAlternate}
	for i := 0; i < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if len(alt.Sub) == 256 {
				return nil, ErrClass
			}
			alt.Sub = append(alt.Sub, encoded(r))
		}
	}
	if alt.Sub == nil {
		return &syntax.Regexp{Op: syntax.OpNoMatch}, nil
	}
	return alt, nil
}

// encoded matches the UTF-8 bytes of a rune.
func encoded(r rune) *syntax.Regexp {
	seq := &syntax.Regexp{Op: syntax.OpConcat}
	for _, b := range []byte(string(r)) {
		seq.Sub = append(seq.Sub, &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{rune(b)}})
	}
	return seq
}

// Width returns the numbers of bytes of the shortest and the longest match of a parsed pattern.
func Width(re *syntax.Regexp) (lo, hi int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune)
	case syntax.OpCharClass:
		return 1, 1
	case syntax.OpConcat, syntax.OpCapture:
		for _, s := range re.Sub {
			a, b := Width(s)
			lo, hi = lo+a, hi+b
		}
	case syntax.OpAlternate:
		for i, s := range re.Sub {
			a, b := Width(s)
			if i == 0 || a < lo {
				lo = a
			}
			hi = max(hi, b)
		}
	case syntax.OpQuest:
		_, hi = Width(re.Sub[0])
	case syntax.OpRepeat:
		a, b := Width(re.Sub[0])
		return a * re.Min, b * re.Max
	}
	return lo, hi
}
