//go:build race

package scan

const raceEnabled = true // the pool drops at random
