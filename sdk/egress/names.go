package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	nameFresh   = 30 * time.Second // an answer of the resolver is not asked for again so soon
	nameFailed  = 2 * time.Second  // nor a failure
	nameStale   = 10 * time.Minute // an old answer is used for so long while the resolver fails
	nameTimeout = 5 * time.Second
	mostPlaces  = 16 // addresses of a name that are kept
)

// name is the name an origin is reached by, with where it led to last. Each origin has its own, so what
// is kept is bounded by what is declared. It is safe for concurrent use.
type name struct {
	host   string
	reach  Reach // Public or Private
	fixed  []netip.Addr
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	mu     sync.Mutex // protects what follows
	found  []netip.Addr
	at     time.Time // when found was found
	err    error     // of the last lookup
	until  time.Time // when the next may be made
	flight chan struct{}
}

// newName reads a host: an address is taken as it stands, localhost is this machine whatever a resolver
// says.
func (t *Transport) newName(host string, reach Reach) (*name, error) {
	n := &name{host: strings.TrimSuffix(strings.ToLower(host), "."), reach: reach, lookup: t.look}
	if n.host == "" {
		return nil, errors.New("the URL has no host")
	}
	if reach == ByName {
		n.reach = reachOf(n.host)
	}
	a, err := netip.ParseAddr(n.host)
	switch last := n.host[strings.LastIndexByte(n.host, '.')+1:]; {
	case err == nil:
		n.fixed = []netip.Addr{a.Unmap()}
		if reach == ByName {
			n.reach = Private
		}
		if reach == Public && classOf(a) != classPublic {
			return nil, fmt.Errorf("%w: %s is a %s address", ErrAddress, a, classOf(a))
		}
	case last == "localhost":
		n.fixed = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
		if reach == Public {
			return nil, fmt.Errorf("%w: %s is this machine", ErrAddress, n.host)
		}
	case last[0] >= '0' && last[0] <= '9' && strings.Trim(last, "0123456789abcdefx") == "":
		return nil, fmt.Errorf("%s is no address as such are written", n.host) // 127.1, 0x7f000001
	}
	return n, nil
}

// addresses returns where a connection may go now. What the name leads to is judged each time, whether
// it was looked up just now or before.
func (n *name) addresses(ctx context.Context) ([]netip.Addr, error) {
	if n.fixed != nil {
		return n.fixed, nil
	}
	found, err := n.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return n.reach.permitted(n.host, found)
}

// resolve returns what the name leads to. One lookup is under way at a time.
func (n *name) resolve(ctx context.Context) ([]netip.Addr, error) {
	n.mu.Lock()
	if time.Now().After(n.until) {
		flight := n.flight
		if flight == nil {
			flight = make(chan struct{})
			n.flight = flight
			go n.look(context.WithoutCancel(ctx), flight)
		}
		n.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		n.mu.Lock()
	}
	defer n.mu.Unlock()
	return n.found, n.err
}

// look asks the resolver. Where it cannot say, what it said before goes on for a while; where it says
// that there is no such name, it does not.
func (n *name) look(ctx context.Context, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	host := n.host
	if n.reach == Public && strings.Contains(host, ".") {
		host += "." // or a search list could make another name of it
	}
	found, err := n.lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no address", Name: n.host, IsNotFound: true}
	}
	var dns *net.DNSError
	gone := errors.As(err, &dns) && dns.IsNotFound
	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(flight)
	n.flight = nil
	now := time.Now()
	switch {
	case err == nil:
		n.found, n.at, n.err, n.until = found[:min(len(found), mostPlaces)], now, nil, now.Add(nameFresh)
	case !gone && n.found != nil && now.Sub(n.at) < nameStale:
		n.err, n.until = nil, now.Add(nameFailed)
	default:
		n.found, n.err, n.until = nil, err, now.Add(nameFailed)
	}
}

// doubt has the name looked up again soon: nothing answered where it led to.
func (n *name) doubt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if soon := n.at.Add(nameFailed); n.until.After(soon) {
		n.until = soon
	}
}
