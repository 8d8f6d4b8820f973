package gateway

import "testing"

// TestUnderWay: what is larger takes more places, and what is larger than all of them goes alone.
func TestUnderWay(t *testing.T) {
	var u underWay
	for i, step := range []struct {
		tenant string
		places int64 // below 0: they are given back
		want   bool
	}{
		{"a", 2, true}, {"a", 1, true}, {"a", 1, false}, {"b", 3, true}, {"b", 1, false}, {"a", -2, true}, {"a", 3, false}, {"a", 2, true}, {"a", -1, true}, {"a", -2, true},
		{"a", 9, true}, {"a", 1, false}, {"a", -9, true}, {"a", 1, true}, {"a", -1, true}, {"b", -3, true},
	} {
		if step.places < 0 {
			u.leave(step.tenant, -step.places)
		} else if got := u.enter(step.tenant, step.places, 3); got != step.want {
			t.Errorf("%d: %+v: %t", i, step, got)
		}
	}
	if len(u.n) > 0 {
		t.Errorf("left: %v", u.n)
	}
	for range 5 {
		if !u.enter("a", 1, 0) {
			t.Error("there may be any")
		}
	}
}
