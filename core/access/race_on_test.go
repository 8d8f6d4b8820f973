//go:build race

package access

const raceEnabled = true // the pool drops at random
