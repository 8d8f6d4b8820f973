// Package literal finds, for a pattern, a set of literals of which at least one stands in every
// match, and how far from the match's beginning. A scanner then tries the pattern only where such
// a literal is. It reads patterns as package automaton parses them and matches nothing itself.
package literal

import (
	"errors"
	"math"
	"regexp/syntax"
	"slices"

	"github.com/ginnel/ginnel/core/scan/automaton"
	"github.com/ginnel/ginnel/core/scan/keyword"
)

// Bounds of a pattern's set.
const (
	maxKeys  = 520
	maxLen   = 24
	maxClass = 48 // bytes of a class that are worth spelling out
	enough   = 64 // words, where there is a set already
)

// ErrNone is the error of a pattern without a usable literal.
var ErrNone = errors.New("no literal of four bytes stands in every match: name keywords or a trigger")

// Key is a literal in lower case that begins Min to Max bytes into the match.
type Key struct {
	Text     string
	Min, Max int
}

// Required returns the set of literals that is expected to wake the pattern least often.
func Required(re *syntax.Regexp) ([]Key, error) {
	var c choice
	c.sequence(flatten(nil, re.Simplify()), 0, 0)
	if c.keys == nil {
		return nil, ErrNone
	}
	return c.keys, nil
}

// choice is the best set so far; bits is -log2 of how often it wakes the rule, per byte.
type choice struct {
	keys []Key
	bits float64
}

func (c *choice) take(keys []Key, bits float64) {
	if len(keys) > 0 && len(keys) <= maxKeys && (c.keys == nil || bits >= c.bits) {
		c.keys, c.bits = keys, bits
	}
}

func (c *choice) offer(words []string, lo, hi int) {
	wakes := 0.0
	for _, w := range words {
		if len(w) < keyword.MinLen {
			return
		}
		// The second term is a chance hit in the bitmap.
		wakes += math.Exp2(-float64(keyword.Rarity(w))) + math.Exp2(-17)
	}
	bits := -math.Log2(wakes * float64(1+(hi-lo)/2))
	if c.keys != nil && bits < c.bits {
		return
	}
	keys := make([]Key, len(words))
	for i, w := range words {
		keys[i] = Key{w, lo, hi}
	}
	c.take(keys, bits)
}

// sequence tries every run of neighbours that spell a few words, from every place.
func (c *choice) sequence(seq []*syntax.Regexp, lo, hi int) {
	spelled := make([][]string, len(seq))
	for i, re := range seq {
		if i > 0 && re == seq[i-1] {
			spelled[i] = spelled[i-1]
			continue
		}
		spelled[i] = spell(re)
	}
	for i := range seq {
		words := []string{""}
		for j := i; j < len(seq); j++ {
			if c.keys != nil && len(words)*len(spelled[j]) > enough {
				break
			}
			if words = cross(words, spelled[j]); words == nil {
				if seq[j].Op == syntax.OpAlternate {
					c.alternate(seq[i:j], seq[j], lo, hi)
				}
				break
			}
			c.offer(words, lo, hi)
		}
		a, b := automaton.Width(seq[i])
		lo, hi = lo+a, hi+b
	}
}

// alternate takes a set from each branch, read together with what stands before it.
func (c *choice) alternate(before []*syntax.Regexp, re *syntax.Regexp, lo, hi int) {
	var all []Key
	wakes := 0.0
	for _, s := range re.Sub {
		var branch choice
		branch.sequence(flatten(slices.Clone(before), s), lo, hi)
		if branch.keys == nil {
			return
		}
		all = append(all, branch.keys...)
		wakes += math.Exp2(-branch.bits)
	}
	c.take(all, -math.Log2(wakes))
}

// flatten lists what a pattern matches one after the other.
func flatten(out []*syntax.Regexp, re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpConcat, syntax.OpCapture:
		for _, s := range re.Sub {
			out = flatten(out, s)
		}
		return out
	case syntax.OpEmptyMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpBeginText, syntax.OpEndText:
		return out
	}
	return append(out, re)
}

func cross(a, b []string) []string {
	if b == nil || len(a)*len(b) > maxKeys {
		return nil
	}
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxLen {
				return nil
			}
			out = append(out, x+y)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// spell lists every string that a node matches, in lower case, or returns nil where they are many.
func spell(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		b := make([]byte, len(re.Rune))
		for i, r := range re.Rune {
			b[i] = byte(r)
		}
		return []string{keyword.Lower(string(b))}
	case syntax.OpCharClass:
		return spellClass(re)
	case syntax.OpQuest:
		if s := spell(re.Sub[0]); s != nil && !slices.Contains(s, "") {
			return append([]string{""}, s...)
		}
	case syntax.OpEmptyMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpBeginText, syntax.OpEndText:
		return []string{""}
	case syntax.OpCapture, syntax.OpConcat:
		words := []string{""}
		for _, s := range re.Sub {
			if words = cross(words, spell(s)); words == nil {
				return nil
			}
		}
		return words
	case syntax.OpAlternate:
		var out []string
		for _, s := range re.Sub {
			words := spell(s)
			if words == nil || len(out)+len(words) > maxKeys {
				return nil
			}
			out = append(out, words...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return nil
}

func spellClass(re *syntax.Regexp) []string {
	var seen [256]bool
	var out []string
	for i := 0; i < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			b := byte(r)
			if b-'A' < 26 {
				b |= 0x20
			}
			if seen[b] {
				continue
			}
			if seen[b] = true; len(out) == maxClass {
				return nil
			}
			out = append(out, letters[b:b+1])
		}
	}
	return out
}

// letters holds every byte once.
var letters = func() string {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	return string(b[:])
}()
