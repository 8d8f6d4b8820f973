// Package meter rewrites a WebAssembly module so that the guest stops itself, and keeps the clock
// that says when. Without it a looping guest would freeze the whole process: compiled wasm cannot
// be preempted, and the garbage collector waits for it.
//
// A hidden i64 global holds the fuel of a slice. The rewritten code pays for every instruction
// before it runs; when the slice is spent it calls the host, which looks at the clock and refills
// or ends the callback. That call also lets the collector in. A second hidden global counts the
// bytes of stack that are left, so that recursion ends before the stack costs time to grow.
//
// # Soundness
//
// Call the entry of a function and the head of every loop a header. Each instruction is paid for at
// one point that dominates it and lies in the same innermost loop. Points form a tree: the parent of
// one is the point that was current where it was placed, and after a structured join the current
// point is the nearest common ancestor of those of all edges that reach the join, lifted out of the
// loops that an edge leaves. Control reaches an instruction again only through the head of a loop
// around it, and from there only through its point: what was paid is never less than what ran.
// Headers test the fuel; between two tests a path is acyclic and so bounded by the size of a
// function. An operation whose cost depends on an operand pays for the operand just before it runs,
// and a long one is split, so that it ticks too.
//
// The original must be valid: it is validated before it is rewritten. It cannot name the hidden
// globals and functions, because their indexes lie past its own.
//
// What happens to the state of an instance between callbacks is package snapshot's concern.
package meter

import (
	"errors"
	"fmt"
)

// Prefix begins the name of every hidden import and export; a module that uses such a name is refused.
const Prefix = "$ginnel."

const (
	fuelName  = Prefix + "fuel"
	stackName = Prefix + "stack"
	pagesName = Prefix + "pages"
	hostName  = Prefix + "host"
	tickName  = "tick"
)

// Version changes whenever the output for the same input does: it is part of cache keys.
const Version = 4

// The bounds of what is accepted. They keep the longest path between two tests short.
const (
	maxBody    = 256 << 10 // bytes of one function
	maxLocals  = 5000      // of one function
	maxTable   = 100_000   // entries of one table
	maxPassive = chunk     // bytes of one segment that memory.init may copy
)

// slack is how much weight that may not run is paid for early at one point, to save points.
const slack = 24

// Stats describes a rewritten module.
type Stats struct {
	Functions int // its own
	Counted   int // those of them that count the stack
	Charges   int // places that pay
	Tests     int // places that may tick
	// Globals are the exports, all mutable globals, that make up an instance's state beside its memory.
	Globals []string
	// NoReset says why an instance cannot be brought back to an earlier state; "" where it can.
	NoReset string
}

// ErrRefused is wrapped by the error for a module that is valid but cannot be metered.
var ErrRefused = errors.New("not accepted")

// refusal is thrown by the parser and caught by instrument.
type refusal struct{ error }

func refuse(format string, a ...any) {
	panic(refusal{fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, a...))})
}

// Instrument returns the metered form of a core WebAssembly module. validate is called with the
// original first and must fail for an invalid module. A module that is valid but cannot be metered
// gives an error that wraps ErrRefused.
func Instrument(wasm []byte, validate func(wasm []byte) error) ([]byte, Stats, error) {
	if err := validate(wasm); err != nil {
		return nil, Stats{}, err
	}
	return instrument(wasm, false)
}

// instrument makes every instruction a point of its own where exact is set, which tests compare with.
func instrument(wasm []byte, exact bool) (out []byte, st Stats, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case refusal:
			out, err = nil, e.error
		default:
			panic(e)
		}
	}()
	m := parse(wasm)
	m.exact = exact
	m.count()
	return m.encode(len(wasm)), m.stats, nil
}
