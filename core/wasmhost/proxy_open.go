package wasmhost

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// openProxy finishes the making of a filter whose module speaks proxy-wasm.
func (f *Filter) openProxy(s Spec) error {
	f.vms = f.newProxyVMs(clusters(s.Grant))
	for name, origin := range s.Grant.Clusters {
		if !granted(s.Grant.HTTP, origin) {
			f.Close(context.Background())
			return fmt.Errorf("filter %s: the cluster %q is at %s, which grant.http does not name: %w", s.Name, name, origin, ErrGrant)
		}
	}
	if err := f.vms.prepare(); err != nil {
		f.Close(context.Background())
		return fmt.Errorf("filter %s: %w", s.Name, err)
	}
	return nil
}

func granted(origins []string, origin string) bool {
	for _, o := range origins {
		if strings.TrimSuffix(o, "/") == strings.TrimSuffix(origin, "/") {
			return true
		}
	}
	return false
}

// clusters maps the names that a guest may call by to the granted origins: those of the grant, the
// origin itself, its host, and its host and port.
func clusters(g Grant) map[string]string {
	all := make(map[string]string)
	for _, origin := range g.HTTP {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			continue // what makes the calls refuses it
		}
		at := u.Scheme + "://" + u.Host
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		for _, name := range []string{origin, at, u.Hostname(), u.Host, u.Hostname() + ":" + port} {
			if _, taken := all[name]; !taken {
				all[name] = at
			}
		}
	}
	for name, origin := range g.Clusters {
		all[name] = strings.TrimSuffix(origin, "/")
	}
	return all
}

// cluster returns the origin of a cluster's name. Envoy's own form, outbound|PORT||HOST, means the
// host and the port.
func (set *proxyVMs) cluster(name string) (string, bool) {
	if origin, ok := set.clusters[name]; ok {
		return origin, true
	}
	parts := strings.Split(name, "|")
	if len(parts) == 4 && parts[0] == "outbound" {
		for _, host := range []string{parts[3], strings.TrimSuffix(parts[3], ".dns"), strings.TrimSuffix(parts[3], ".static")} {
			if origin, ok := set.clusters[host+":"+parts[1]]; ok {
				return origin, true
			}
		}
	}
	return "", false
}
