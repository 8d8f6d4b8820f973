package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/sdk/egress"
)

// originOf declares the place a provider's calls go to, with the path of its base URL: the operator's, or
// the plugin's own. An origin that a third party's plugin names is public unless the operator says
// otherwise, even if it is written as an address.
func originOf(p *config.Provider, own string, secure *tls.Config) (c egress.Config, prefix string, err error) {
	c = egress.Config{Name: p.Name, Proxy: p.Proxy, TLS: secure, Reach: egress.ReachOf(p.Private)}
	if p.BaseURL == "" && config.IsPath(p.Plugin) && p.Private == nil {
		c.Reach = egress.Public
	}
	if c.URL, prefix, err = baseOf(p, own); err != nil {
		return c, "", err
	}
	if secure != nil && strings.HasPrefix(c.URL, "http:") {
		return c, "", errors.New("tls is declared, and its base URL is http")
	}
	return c, prefix, nil
}

// baseOf returns the origin and the path of a provider's base URL: the operator's, or the one of the
// plugin's own that its lease is for.
func baseOf(p *config.Provider, own string) (origin, prefix string, err error) {
	base := p.BaseURL
	if base == "" {
		base = own
		if p.Locked != nil && own != "" && !slices.Contains(p.Locked.Origins, own) {
			return "", "", fmt.Errorf("it says that it is at %s, which the lock file does not list", own)
		}
	}
	if base == "" {
		return "", "", errors.New("it needs a base_url: the plugin has none of its own")
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", "", fmt.Errorf("base_url: %w", err)
	}
	return u.Scheme + "://" + u.Host, strings.TrimSuffix(u.EscapedPath(), "/"), nil
}
