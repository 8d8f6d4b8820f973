package main

import (
	"strconv"
	"strings"
)

// entry is a placeholder and what it stands for.
type entry struct{ placeholder, original string }

// kept is what was taken out of one request.
type kept []entry

// placeholder returns what stands for the original.
func (k *kept) placeholder(word, original string) string {
	n := 1
	for _, e := range *k {
		if e.original == original {
			return e.placeholder
		}
		if strings.HasPrefix(e.placeholder, "["+word+"_") {
			n++
		}
	}
	p := "[" + word + "_" + strconv.Itoa(n) + "]"
	*k = append(*k, entry{p, original})
	return p
}

// begun returns how many bytes at the end of text may be the beginning of a placeholder.
func (k kept) begun(text []byte) int {
	at := strings.LastIndexByte(string(text), '[')
	if at < 0 {
		return 0
	}
	tail := string(text[at:])
	for _, e := range k {
		if len(tail) < len(e.placeholder) && strings.HasPrefix(e.placeholder, tail) {
			return len(tail)
		}
	}
	return 0
}

// encode writes the entries for PutState, NUL after each part: no text that the rules find has one.
func (k kept) encode() []byte {
	var b []byte
	for _, e := range k {
		b = append(append(append(append(b, e.placeholder...), 0), e.original...), 0)
	}
	return b
}

func decode(b []byte) (k kept) {
	parts := strings.Split(string(b), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		k = append(k, entry{parts[i], parts[i+1]})
	}
	return k
}
