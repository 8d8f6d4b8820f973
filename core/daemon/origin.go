package daemon

import (
	"fmt"
	"slices"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/sdk/egress"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
)

// PlaceOf returns where and how a provider's calls are made, and which attributes of its block, beside
// base_url, say so. What a third party's plugin names by itself is public unless the operator says otherwise,
// even if it is written as an address.
func PlaceOf(p *config.Provider) (place sdkprovider.Place, declared []string) {
	place = sdkprovider.Place{BaseURL: p.BaseURL, Reach: egress.ReachOf(p.Private), Proxy: p.Proxy, TLS: p.TLS}
	if p.BaseURL == "" && config.IsPath(p.Plugin) && p.Private == nil {
		place.Reach = egress.Public
	}
	for _, a := range []struct {
		name string
		set  bool
	}{{"private", p.Private != nil}, {"proxy", p.Proxy != ""}, {"tls", !p.TLS.None()}} {
		if a.set {
			declared = append(declared, a.name)
		}
	}
	return place, declared
}

// originOf declares the place a provider's calls go to, with the path of its base URL: the operator's, or
// the one of the plugin's own that its lease is for.
func originOf(p *config.Provider, own string) (c egress.Config, prefix string, err error) {
	if p.BaseURL == "" && p.Locked != nil && own != "" && !slices.Contains(p.Locked.Origins, own) {
		return c, "", fmt.Errorf("it says that it is at %s, which the lock file does not list", own)
	}
	place, _ := PlaceOf(p)
	c, prefix, err = place.Config(own)
	c.Name = p.Name
	return c, prefix, err
}
