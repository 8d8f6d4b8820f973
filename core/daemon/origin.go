package daemon

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/plugin"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
	sdktelemetry "github.com/ginnel/ginnel/sdk/telemetry"
)

// PlaceOf returns where and how a provider's calls are made, and which attributes of its block, beside
// base_url, say so. What a third party's plugin names by itself is public unless the operator says otherwise,
// even if it is written as an address.
func PlaceOf(p *config.Provider) (place sdkprovider.Place, declared []string) {
	place = sdkprovider.Place{BaseURL: p.BaseURL, Reach: egress.ReachOf(p.Private), Proxy: p.Proxy, TLS: p.TLS, Connect: p.Timeouts.Connect}
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

// LockOf returns what a provider's lock entry has of what its plugin says of itself.
func LockOf(info *sdkprovider.Info) *config.Locked {
	l := &config.Locked{Name: info.Name, Version: info.Version, Origins: info.Origins, Schema: info.Config, Calls: config.CallsGateway}
	if !info.Relays {
		l.Calls, l.Placed, l.Connects = config.CallsPlugin, info.Placed, info.Connects
	}
	return l
}

// LockOfSink is LockOf for a sink.
func LockOfSink(info *sdktelemetry.Info) *config.Locked {
	return &config.Locked{Name: info.Name, Version: info.Version, Schema: info.Config}
}

// Untold says what of its block a provider cannot be told that makes its calls itself, as far as the lock file knows.
func Untold(p *config.Provider) error {
	l := p.Locked
	if l == nil || l.Calls != config.CallsPlugin {
		return nil
	}
	place, declared := PlaceOf(p)
	return pluginhost.Untold(&sdkprovider.Info{Placed: l.Placed, Connects: l.Connects}, plugin.Version2, place, declared)
}

// asLocked holds a plugin to what the lock file says of it: what it is, who makes its calls and what it can be told of them.
func asLocked(p *config.Provider, info *sdkprovider.Info) error {
	l, is := p.Locked, LockOf(info)
	if err := identity(l, is); err != nil || l == nil {
		return err
	}
	if l.Calls == "" || l.Calls == is.Calls && l.Placed == is.Placed && l.Connects == is.Connects {
		return nil
	}
	say := func(l *config.Locked) string {
		if l.Calls == config.CallsGateway {
			return "the gateway makes its calls"
		}
		return fmt.Sprintf("it makes its calls itself (placed: %t, connects: %t)", l.Placed, l.Connects)
	}
	return fmt.Errorf("it says that %s, and the lock file that %s", say(is), say(l))
}

// identity holds a plugin to the name, the version and the shape of its config block that the lock file has, which
// `validate` has gone by. An entry without a version says nothing of them.
func identity(l, is *config.Locked) error {
	switch {
	case l == nil || l.Version == "":
		return nil
	case l.Name != is.Name || l.Version != is.Version:
		return fmt.Errorf("it says that it is %s %s, and the lock file that it is %s %s", is.Name, is.Version, l.Name, l.Version)
	}
	same, err := config.SameShape(is.Schema, l.Schema)
	if err == nil && !same {
		err = errors.New("the shape of its config block is another one than the lock file has")
	}
	return err
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
