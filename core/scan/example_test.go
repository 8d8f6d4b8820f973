package scan

import (
	"math/rand/v2"
	"testing"
)

// expand is Expand for tests.
func expand(t testing.TB, rnd *rand.Rand, example string) string {
	t.Helper()
	return Expand(rnd, example)
}
