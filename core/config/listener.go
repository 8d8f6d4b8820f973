package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/ginnel/ginnel/sdk/schema"
)

// The modes of a listener's TLS.
const (
	TLSOff      = "off"
	TLSInternal = "internal"
	TLSFiles    = "files"
)

// Listener is a listener block.
type Listener struct {
	Name    string
	Address string // host:port
	Admin   bool   // serve names parts of the admin side instead of routes
	Serve   []string
	TLS     TLS
}

// TLS is a listener's tls block.
type TLS struct {
	Mode      string // off, internal or files
	Names     []string
	Cert, Key string // paths
}

func listenerShape() *schema.Block {
	return &schema.Block{
		Doc: "An address that the gateway listens on.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "address", Kind: schema.String, Doc: "Host and port, such as `127.0.0.1:8080` or `:443`."},
			{Name: "serve", Kind: schema.Strings, Optional: true, Doc: "What an admin listener serves: `admin_api`, `metrics`. Without it the listener serves routes."},
		},
		Blocks: map[string]*schema.Block{"tls": {
			Doc: "Where the certificate comes from: `tls \"internal\" {}` (an authority of the daemon's own, whose root is `ca.pem` in the data directory), `tls \"files\" { cert = ... key = ... }` (read again when they change) or `tls \"off\" {}`. A listener that is not on loopback must say one.",
			Max: 1, Labels: []string{"mode"},
			Attrs: []schema.Attr{
				{Name: "names", Kind: schema.Strings, Optional: true, Doc: "For `internal`: the names and addresses clients use, besides localhost and the listener's own."},
				{Name: "cert", Kind: schema.String, Optional: true, Doc: "For `files`: the certificate chain, PEM."},
				{Name: "key", Kind: schema.String, Optional: true, Doc: "For `files`: the private key, PEM."},
			},
		}},
	}
}

func (b *builder) listener(n *node) {
	l := &Listener{Name: n.label(), Address: get[string](n, "address"), Serve: get[[]string](n, "serve")}
	l.Admin = len(l.Serve) > 0
	for _, s := range l.Serve {
		if parts := []string{"admin_api", "metrics"}; !slices.Contains(parts, s) {
			b.errorf(n.attrs["serve"].rng, "Invalid value", "serve: %q is none of admin_api, metrics.%s", s, suggestion(s, parts))
		}
	}
	host, port, err := net.SplitHostPort(l.Address)
	if at := n.attrs["address"]; at.v != nil {
		if p, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || p > 65535 {
			b.errorf(at.rng, "Invalid value", "address: %q is not host:port.", l.Address)
		}
	}
	b.tls(n, l, loopback(host))
	b.define(n, l)
	b.cfg.Listeners = append(b.cfg.Listeners, l)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (b *builder) tls(n *node, l *Listener, loopback bool) {
	t := n.one("tls")
	if t == nil {
		l.TLS.Mode = TLSOff
		if at := n.attrs["address"]; !loopback && at.v != nil {
			b.errorf(at.rng, "TLS not decided", "%s is not on loopback: say tls \"internal\" {}, tls \"files\" {...} or, where something in front ends TLS, tls \"off\" {}.", l.Address)
		}
		return
	}
	l.TLS = TLS{Mode: t.label(), Names: get[[]string](t, "names"), Cert: get[string](t, "cert"), Key: get[string](t, "key")}
	switch l.TLS.Mode {
	case TLSOff, TLSInternal:
		if l.TLS.Cert != "" || l.TLS.Key != "" {
			b.errorf(t.rng, "Unsupported argument", "cert and key belong to tls \"files\".")
		}
		if l.Admin && l.TLS.Mode == TLSOff && !loopback {
			b.errorf(t.rng, "Admin listener without TLS", "An admin listener that is not on loopback needs tls \"internal\" or \"files\".")
		}
	case TLSFiles:
		if l.TLS.Cert == "" || l.TLS.Key == "" {
			b.errorf(t.rng, "Missing argument", "tls \"files\" needs cert and key.")
		}
		l.TLS.Cert, l.TLS.Key = b.eval.path(l.TLS.Cert), b.eval.path(l.TLS.Key)
	case "acme":
		b.errorf(t.rng, "Not in this version", "tls \"acme\" comes with a later version; use \"internal\" or \"files\".")
	default:
		modes := []string{TLSInternal, TLSFiles, TLSOff}
		b.errorf(t.rng, "Invalid TLS mode", "%q is none of internal, files, off.%s", l.TLS.Mode, suggestion(l.TLS.Mode, modes))
	}
}
