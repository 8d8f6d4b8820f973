package wasmhost

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// openProxy finishes the making of a filter whose module speaks proxy-wasm.
func (f *Filter) openProxy(s Spec) error {
	f.vms = f.newProxyVMs(clustersOf(s.Grant))
	for name, at := range s.Grant.Clusters {
		list, of := "http", s.Grant.HTTP
		if !isOrigin(at) {
			list, of = "redis", s.Grant.Redis
		}
		if !granted(of, at) {
			f.Close(context.Background())
			return fmt.Errorf("filter %s: the cluster %q is at %s, which grant.%s does not name: %w", s.Name, name, at, list, ErrGrant)
		}
	}
	if err := f.vms.prepare(); err != nil {
		f.Close(context.Background())
		return fmt.Errorf("filter %s: %w", s.Name, err)
	}
	return nil
}

func granted(places []string, place string) bool {
	for _, p := range places {
		if strings.TrimSuffix(p, "/") == strings.TrimSuffix(place, "/") {
			return true
		}
	}
	return false
}

// isOrigin reports whether a place is called by HTTP.
func isOrigin(place string) bool { return strings.HasPrefix(strings.ToLower(place), "http") }

// clusters are the granted places, as scheme://host[:port], by the names that guests use.
type clusters map[string]string

// usualPorts are the ports of URLs without one.
var usualPorts = map[string]string{"http": "80", "https": "443", "redis": "6379", "rediss": "6379"}

// clustersOf names the granted places: those of the grant, the place itself, its host, and its host and
// port.
func clustersOf(g Grant) clusters {
	all := make(clusters)
	for _, place := range append(append([]string(nil), g.HTTP...), g.Redis...) {
		u, err := url.Parse(place)
		if err != nil || u.Host == "" {
			continue // what makes the calls refuses it
		}
		at := u.Scheme + "://" + u.Host
		port := u.Port()
		if port == "" {
			port = usualPorts[u.Scheme]
		}
		for _, name := range []string{place, at, u.Hostname(), u.Host, u.Hostname() + ":" + port} {
			if _, taken := all[name]; !taken {
				all[name] = at
			}
		}
	}
	for name, place := range g.Clusters {
		all[name] = strings.TrimSuffix(place, "/")
	}
	return all
}

// find returns the place of a cluster's name. Envoy's own form, outbound|PORT||HOST, means the host and
// the port.
func (c clusters) find(name string) (string, bool) {
	if place, ok := c[name]; ok {
		return place, true
	}
	parts := strings.Split(name, "|")
	if len(parts) == 4 && parts[0] == "outbound" {
		for _, host := range []string{parts[3], strings.TrimSuffix(parts[3], ".dns"), strings.TrimSuffix(parts[3], ".static")} {
			if place, ok := c[host+":"+parts[1]]; ok {
				return place, true
			}
		}
	}
	return "", false
}
