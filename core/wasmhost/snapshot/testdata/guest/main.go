// Command guest keeps what it is told in every kind of place that a reset must wipe.
package main

import (
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

var (
	input  []byte
	kept   string
	byName = map[string]string{}
	pool   = sync.Pool{New: func() any { return new([256]byte) }}
	ask    = make(chan chan string)
	large  [][]byte
	calls  uint32
)

func main() {}

//go:wasmexport alloc
func alloc(n uint32) uint32 {
	if uint32(cap(input)) < n {
		input = make([]byte, n)
	}
	input = input[:n]
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(input))))
}

// plant keeps the input in a global, a map, a pool, on a goroutine's stack and in memory that grew.
//
//go:wasmexport plant
func plant(n uint32) uint32 {
	calls++
	secret := string(input[:n])
	kept = secret
	byName[secret] = strings.ToUpper(secret)
	b := pool.Get().(*[256]byte)
	copy(b[:], secret)
	pool.Put(b)
	go func() {
		for answer := range ask {
			answer <- secret
		}
	}()
	runtime.Gosched()
	large = append(large, []byte(strings.Repeat(secret, 20_000)))
	return calls
}

// found counts the places where something is kept.
//
//go:wasmexport found
func found() uint32 {
	n := uint32(len(byName) + len(large))
	if kept != "" {
		n++
	}
	if calls > 0 {
		n++
	}
	if b := pool.Get().(*[256]byte); b[0] != 0 {
		n++
	}
	answer := make(chan string, 1)
	select {
	case ask <- answer:
		n++
	default:
	}
	return n
}

// work allocates and checks itself.
//
//go:wasmexport work
func work(n uint32) uint32 {
	m := map[uint32]string{}
	for i := range n {
		m[i] = strings.Repeat("x", int(i%97))
	}
	sum := uint32(0)
	for i, s := range m {
		sum += i ^ uint32(len(s))
	}
	return sum
}
