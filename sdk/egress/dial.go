package egress

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// nextPlace is how long one address of a name has before the next is tried beside it (RFC 8305).
const nextPlace = 250 * time.Millisecond

// proxy is an HTTP proxy that stands between.
type proxy struct {
	credentials string // the value of Proxy-Authorization, or ""
	target      string // of CONNECT, or of a plain request in front of its path
}

// via has the origin reached by a proxy, http://[user:password@]host[:port]. Its name is the operator's
// word and may lead to a private address; the origin's own name is for the proxy to resolve.
func (o *Origin) via(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || !validHost(u.Host) || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the proxy is not http://host:port") // the text may hold a password
	}
	p := &proxy{target: "http://" + o.host}
	if o.tls != nil {
		p.target = net.JoinHostPort(o.name.host, strconv.Itoa(int(o.port)))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.credentials = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	if o.port, err = portOf(u, 80); err != nil {
		return err
	}
	o.proxy = p
	o.name, err = o.t.newName(u.Hostname(), Private)
	return err
}

// portOf returns a URL's port, or the one that is meant where it has none.
func portOf(u *url.URL, or uint16) (uint16, error) {
	if u.Port() == "" {
		return or, nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("the URL's port is none")
	}
	return uint16(n), nil
}

// dial opens a connection to where the origin may be reached now.
func (o *Origin) dial(ctx context.Context) (net.Conn, error) {
	if o.socket != "" {
		return o.t.dial(ctx, "unix", o.socket)
	}
	places, err := o.name.addresses(ctx)
	o.tell(err)
	if err != nil {
		return nil, err
	}
	raw, err := o.dialFirst(ctx, inTurns(places))
	if err != nil && ctx.Err() == nil {
		o.name.doubt()
	}
	return raw, err
}

// tell logs that the origin's name leads to where it may not, once until it leads elsewhere.
func (o *Origin) tell(err error) {
	if refused := errors.Is(err, ErrAddress); o.refused.Swap(refused) != refused && refused {
		o.t.log.Error("calls cannot be made until the configuration allows it", "origin", o.label, "error", err)
	}
}

// inTurns orders addresses so that the two families take turns, the resolver's first one first.
func inTurns(places []netip.Addr) []netip.Addr {
	if len(places) < 3 {
		return places
	}
	var first, second, out []netip.Addr
	for _, a := range places {
		if a.Is4() == places[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}

type dialled struct {
	conn net.Conn
	err  error
}

// dialFirst returns the first connection that is made. The next address is tried when one fails or
// takes its time.
func (o *Origin) dialFirst(ctx context.Context, places []netip.Addr) (net.Conn, error) {
	if len(places) == 1 {
		return o.t.dial(ctx, "tcp", netip.AddrPortFrom(places[0], o.port).String())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialled, len(places))
	open, next := 0, 0
	try := func() {
		address := netip.AddrPortFrom(places[next], o.port).String()
		open, next = open+1, next+1
		go func() {
			c, err := o.t.dial(ctx, "tcp", address)
			results <- dialled{c, err}
		}()
	}
	try()
	turn := time.NewTicker(nextPlace)
	defer turn.Stop()
	var errs []error
	for {
		select {
		case <-turn.C:
			if next < len(places) {
				try()
			}
		case r := <-results:
			if open--; r.err == nil {
				go closeRest(results, open)
				return r.conn, nil
			}
			errs = append(errs, r.err)
			if next < len(places) && ctx.Err() == nil {
				try()
			} else if open == 0 {
				return nil, errors.Join(errs...)
			}
		}
	}
}

func closeRest(results <-chan dialled, open int) {
	for range open {
		if r := <-results; r.conn != nil {
			r.conn.Close()
		}
	}
}

// tunnel asks the proxy for a connection to the origin.
func (o *Origin) tunnel(ctx context.Context, c *conn) error {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	request := "CONNECT " + o.proxy.target + " HTTP/1.1\r\nHost: " + o.proxy.target + "\r\n"
	if o.proxy.credentials != "" {
		request += "Proxy-Authorization: " + o.proxy.credentials + "\r\n"
	}
	if err := c.send([]byte(request+"\r\n"), -1); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	var h head
	var resp Response
	switch err := c.readHead(&h, &resp, true); {
	case err != nil:
		return fmt.Errorf("proxy: %w", err)
	case resp.Status > 299:
		return fmt.Errorf("the proxy answered %d", resp.Status)
	case c.r < c.w:
		return errors.New("the proxy sent more than its answer")
	}
	c.r, c.w = 0, 0
	return nil
}
