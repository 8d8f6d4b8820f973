package gateway

import (
	"net/netip"
	"testing"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
)

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

// TestWhose: where there is no key, an address counts, and a network of IPv6's.
func TestWhose(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1":         "address/192.0.2.1/32",
		"192.0.2.1:2":         "address/192.0.2.1/32",
		"[2001:db8:0:1::9]:1": "address/2001:db8:0:1::/64",
		"[fe80::1%eth0]:1":    "address/fe80::/64",
	} {
		s := &serving{x: &exchange.Exchange{Remote: netip.MustParseAddrPort(remote)}}
		if got := s.whose(); got != want {
			t.Errorf("%s is %s, not %s", remote, got, want)
		}
		if s.key, s.x.Tenant = new(access.Key), "team/a"; s.whose() != "team/a" {
			t.Errorf("a key's is %s", s.whose())
		}
	}
}
