package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

func pluginsCommand() *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "List the built-in plugins", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := builtins(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tKIND\tVERSION\tREACHED BY\tOPERATIONS\tORIGINS")
			for _, p := range all {
				more := ""
				if len(p.Origins) > 1 {
					more = fmt.Sprintf(" and %d more (--json)", len(p.Origins)-1)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Kind, p.Version, p.Reached, strings.Join(p.Ops, ", "), strings.Join(p.Origins[:min(1, len(p.Origins))], "")+more)
			}
			return w.Flush()
		},
	}
	jsonFlag(list, &asJSON)
	return group("plugins", "Look at, lock and check plugins", list, lockCommand(), verifyCommand())
}

// pluginInfo is a line of `ginnel plugins list`.
type pluginInfo struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	Version string        `json:"version"`
	Reached string        `json:"reached_by,omitempty"` // relay or invoke
	Ops     []string      `json:"operations,omitempty"`
	Origins []string      `json:"origins,omitempty"` // one of which it reaches without a base_url
	Config  *schema.Block `json:"config,omitempty"`
}

func builtins(ctx context.Context) (all []pluginInfo, err error) {
	for _, name := range builtinNames() {
		if make, ok := builtinProviders()[name]; ok {
			p := make()
			info, err := p.Describe(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, pluginInfo{name, "provider", info.Version, reached(p), opNames(info.Ops), info.Origins, info.Config})
			continue
		}
		info, err := builtinSinks()[name]().Describe(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, pluginInfo{Name: name, Kind: "telemetry", Version: info.Version, Config: info.Config})
	}
	return all, nil
}

func opNames(ops []llm.Op) (names []string) {
	for _, op := range ops {
		names = append(names, string(op))
	}
	return names
}

// reached says how calls get to a provider.
func reached(p provider.Provider) string {
	if _, ok := p.(provider.Relayer); ok {
		return "relay"
	}
	return "invoke"
}
