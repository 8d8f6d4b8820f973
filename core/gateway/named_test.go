package gateway

import (
	"slices"
	"testing"
)

// TestOnce: a body that repeats a file's id costs one look at the state, and stays as it is.
func TestOnce(t *testing.T) {
	ids := []string{"b", "a", "b", "", "a", "b"}
	if got := once(ids); !slices.Equal(got, []string{"", "a", "b"}) || ids[0] != "b" {
		t.Errorf("%q of %q", got, ids)
	}
	if got := once(ids[:1]); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%q", got)
	}
}
