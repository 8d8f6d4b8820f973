package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	protocol "github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
)

// providerOrigins returns where the calls of a provider that relays go, and what its plugin says against its block,
// for a plugin of this binary; what another cannot be told is known from the lock file. It hands out no call and reaches
// nobody.
func providerOrigins(p *config.Provider) ([]string, error) {
	make, ok := builtinProviders()[p.Plugin]
	if !ok {
		return nil, daemon.Untold(p)
	}
	origins, err := originsBy(make(), p)
	var said *llm.Error
	if errors.As(err, &said) {
		err = errors.New(said.Message) // its code is for programs
	}
	return origins, err
}

func originsBy(plugin provider.Provider, p *config.Provider) ([]string, error) {
	raw, err := p.Config.JSON()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	info, err := plugin.Describe(ctx)
	if err != nil {
		return nil, err
	}
	relayer, relays := plugin.(provider.Relayer)
	if !relays {
		if err := told(plugin, info, p); err != nil {
			return nil, err
		}
	}
	if err := plugin.Configure(ctx, raw); err != nil || !relays {
		return nil, err
	}
	lease := new(provider.Relay)
	if l, ok := plugin.(provider.Locator); ok {
		lease.Origin = l.Origin()
	} else if lease, err = relayer.Relay(ctx); err != nil {
		return nil, err
	}
	origin, err := info.Leads(lease)
	if err != nil {
		return nil, err
	}
	if err := reachable(p, origin, lease); err != nil || origin == "" {
		return nil, err
	}
	return []string{origin}, nil
}

// reachable reports what is wrong with the place that a provider's calls go to, as far as that is known without asking
// anybody.
func reachable(p *config.Provider, own string, lease *provider.Relay) error {
	place, _ := daemon.PlaceOf(p)
	c, prefix, err := place.Config(own)
	if err != nil {
		return err
	}
	c.Name = p.Name
	o, err := egress.New(egress.Needs{}).Origin(c)
	if err != nil {
		return err
	}
	if twice := overlap(prefix, lease); twice != "" {
		err = fmt.Errorf("base_url ends with %s, which the plugin's own paths have: leave it out", twice)
	}
	return errors.Join(err, o.Close())
}

// overlap returns what the base URL's path ends with and all operations' paths begin with, or the path of a chat: it would
// stand there twice.
func overlap(base string, lease *provider.Relay) string {
	if base == "" || len(lease.Ops) == 0 {
		return ""
	}
	common, _, _ := strings.Cut(lease.Ops[0].Path, "?")
	for i := range lease.Ops {
		path, _, _ := strings.Cut(lease.Ops[i].Path, "?")
		if lease.Ops[i].Op == llm.OpChat && strings.HasSuffix(base, path) {
			return path
		}
		for common != "" && path != common && !strings.HasPrefix(path, common+"/") {
			common = common[:strings.LastIndexByte(common, '/')]
		}
	}
	for ; common != ""; common = common[:strings.LastIndexByte(common, '/')] {
		if strings.HasSuffix(base, common) {
			return common
		}
	}
	return ""
}

// told tells a plugin of this binary where and how it makes its calls.
func told(plugin provider.Provider, info *provider.Info, p *config.Provider) error {
	place, declared := daemon.PlaceOf(p)
	if placer, ok := plugin.(provider.Placer); ok {
		return placer.Place(place)
	}
	return pluginhost.Untold(info, protocol.Version2, place, declared)
}
