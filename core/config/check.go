package config

import "slices"

// check looks at what only the whole configuration shows.
func (b *builder) check() {
	b.addresses()
	b.names()
	b.routes()
}

func (b *builder) addresses() {
	seen := make(map[string]string)
	for _, l := range b.cfg.Listeners {
		if l.Address == "" || hasPort0(l.Address) {
			continue
		}
		if first, twice := seen[l.Address]; twice {
			b.errorf(b.ranges["listener."+l.Name], "Address in use", "listener %q listens on %s already.", first, l.Address)
		}
		seen[l.Address] = l.Name
	}
}

func hasPort0(address string) bool {
	return len(address) > 2 && address[len(address)-2:] == ":0"
}

// names makes sure that no two models answer to one name on a route.
func (b *builder) names() {
	for _, r := range b.cfg.Routes {
		owner := make(map[string]string)
		for _, m := range r.Models {
			for _, name := range append([]string{m.Name}, m.Aliases...) {
				if first, taken := owner[name]; taken && first != m.Name {
					b.errorf(r.node.attrs["models"].rng, "Ambiguous model name", "On route %q the name %q means model %q and model %q.", r.Name, name, first, m.Name)
				}
				owner[name] = m.Name
			}
		}
	}
}

func (b *builder) routes() {
	for i, r := range b.cfg.Routes {
		if r.Listener == nil {
			continue
		}
		if r.Listener.Admin {
			b.errorf(r.node.attrs["listener"].rng, "Wrong listener", "listener %q is an admin listener: it serves no routes.", r.Listener.Name)
		}
		for _, other := range b.cfg.Routes[:i] {
			if other.Listener == r.Listener && other.Path == r.Path && overlap(other.Methods, r.Methods) {
				b.errorf(r.node.rng, "Routes overlap", "route %q matches the same requests.", other.Name)
			}
		}
		if len(r.Models) == 0 && r.node.attrs["models"].v != nil {
			b.warnf(r.node.attrs["models"].rng, "Route without models", "route %q can answer nothing.", r.Name)
		}
	}
	if len(b.cfg.Routes) == 0 && !b.diags.HasErrors() {
		b.warnf(b.cfg.root.rng, "No routes", "The configuration declares no route: every request will be answered 404.")
	}
}

// overlap reports whether two lists of methods share one; an empty list is all.
func overlap(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(m string) bool { return slices.Contains(b, m) })
}
