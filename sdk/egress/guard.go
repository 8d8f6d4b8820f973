package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrAddress is the error of a name that leads nowhere an origin may go to.
var ErrAddress = errors.New("the name leads to an address that it may not lead to")

// Reach says which addresses an origin may be at. It is decided by what the operator wrote and never by
// what a name leads to, so that nobody who answers for a name can change it.
type Reach uint8

// The reaches.
const (
	// ByName is Private for an address, for localhost and for a name that the public DNS does not have
	// (one label, or below .internal, .local, .lan and their like), and Public for any other name.
	ByName  Reach = iota
	Public        // public addresses only
	Private       // also private ones: of a private network, or of this machine
)

// ReachOf returns the reach that an operator's word means, nil being none.
func ReachOf(private *bool) Reach {
	switch {
	case private == nil:
		return ByName
	case *private:
		return Private
	}
	return Public
}

// class says what kind of address one is.
type class uint8

const (
	classPublic  class = iota
	classPrivate       // of a private network, of this machine, or behind a translator
	classNever         // no place of a server: a name that leads there was made for harm, or by mistake
)

func (c class) String() string { return [...]string{"public", "private", "special"}[c] }

// ranges are those that are not public, the narrower first. Of IPv6 only 2000::/3 is public.
var ranges = []struct {
	prefix netip.Prefix
	class  class
}{
	{netip.MustParsePrefix("10.0.0.0/8"), classPrivate},
	{netip.MustParsePrefix("172.16.0.0/12"), classPrivate},
	{netip.MustParsePrefix("192.168.0.0/16"), classPrivate},
	{netip.MustParsePrefix("127.0.0.0/8"), classPrivate},
	{netip.MustParsePrefix("100.64.0.0/10"), classPrivate}, // shared by a carrier's customers
	{netip.MustParsePrefix("198.18.0.0/15"), classPrivate}, // for measurements; tunnels use it
	{netip.MustParsePrefix("0.0.0.0/8"), classNever},
	{netip.MustParsePrefix("169.254.0.0/16"), classNever}, // link-local: the clouds' metadata
	{netip.MustParsePrefix("192.0.0.0/24"), classNever},
	{netip.MustParsePrefix("192.0.2.0/24"), classNever},
	{netip.MustParsePrefix("192.88.99.0/24"), classNever},
	{netip.MustParsePrefix("198.51.100.0/24"), classNever},
	{netip.MustParsePrefix("203.0.113.0/24"), classNever},
	{netip.MustParsePrefix("224.0.0.0/4"), classNever}, // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), classNever}, // reserved, and the broadcast

	{netip.MustParsePrefix("::1/128"), classPrivate},
	{netip.MustParsePrefix("fd00:ec2::/32"), classNever}, // metadata of a cloud, in the middle of private ones
	{netip.MustParsePrefix("fc00::/7"), classPrivate},
	{netip.MustParsePrefix("2001::/23"), classNever},     // Teredo and others that hold an IPv4 address
	{netip.MustParsePrefix("2001:db8::/32"), classNever}, // for documents
	{netip.MustParsePrefix("2002::/16"), classNever},     // 6to4 holds an IPv4 address
	{netip.MustParsePrefix("3fff::/20"), classNever},     // for documents
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	translated    = netip.MustParsePrefix("64:ff9b::/96") // NAT64: its last four bytes are IPv4
)

// classOf returns the class of an address. An IPv4 address in an IPv6 one (::ffff:10.0.0.1) is what it
// holds: that is what would be connected to.
func classOf(a netip.Addr) class {
	a = a.WithZone("").Unmap()
	if translated.Contains(a) { // a translator may stand in the private network or lead into it
		all := a.As16()
		return max(classPrivate, classOf(netip.AddrFrom4([4]byte(all[12:]))))
	}
	for _, r := range ranges {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	if a.Is4() || globalUnicast.Contains(a) {
		return classPublic
	}
	return classNever
}

// permitted returns the addresses that a name of that reach may lead to.
func (r Reach) permitted(host string, found []netip.Addr) ([]netip.Addr, error) {
	most := classPublic
	if r == Private {
		most = classPrivate
	}
	var ok []netip.Addr
	for _, a := range found {
		if classOf(a) <= most {
			ok = append(ok, a.Unmap())
		}
	}
	if len(ok) > 0 {
		return ok, nil
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s leads to none", ErrAddress, host)
	}
	c, hint := classOf(found[0]), ""
	if c == classPrivate {
		hint = "; private = true allows it"
	}
	return nil, fmt.Errorf("%w: %s leads to %s, a %s address%s", ErrAddress, host, found[0].Unmap(), c, hint)
}

// outside are the top-level names that the public DNS does not have (RFC 6761, RFC 8375, ICANN's
// .internal, RFC 6762's appendix G, and what clusters use).
var outside = map[string]bool{
	"localhost": true, "local": true, "internal": true, "test": true, "lan": true, "home": true, "corp": true,
	"intranet": true, "private": true, "localdomain": true, "svc": true,
}

// reachOf returns the reach of a name that nobody said one for.
func reachOf(host string) Reach {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == host || outside[last] || strings.HasSuffix(host, ".home.arpa") {
		return Private
	}
	return Public
}
