package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/daemon"
)

func reloadCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use: "reload", Short: "Make the running daemon read its file again", Args: cobra.NoArgs,
		Long: "Make the running daemon read its file again. It applies the whole change or, where anything is wrong, nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := src.dial(cmd)
			if err != nil {
				return err
			}
			r, err := client.Reload(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, r)
			} else if fmt.Fprint(cmd.ErrOrStderr(), r.Text); r.Error == "" {
				what := "nothing has changed"
				if r.Changed {
					what = "applied"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s (%s)\n", what, r.Hash)
			} else {
				fmt.Fprintln(cmd.ErrOrStderr(), "ginnel: refused:", r.Error)
			}
			if err == nil && r.Error != "" {
				return errSilent
			}
			return err
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func statusCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show how the running daemon is; exits with 1 when something is wrong", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := src.dial(cmd)
			if err != nil {
				return err
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, s)
			} else {
				writeStatus(cmd.OutOrStdout(), s)
			}
			if err == nil && len(s.Degraded) > 0 {
				return errSilent
			}
			return err
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func writeStatus(out io.Writer, s daemon.Status) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	defer w.Flush()
	state := "ok"
	switch {
	case s.Draining:
		state = "draining"
	case len(s.Degraded) > 0:
		state = "degraded"
	}
	fmt.Fprintf(w, "ginnel %s\t%s, up %s, %d requests in flight\n", s.Version, state, s.Uptime, s.InFlight)
	fmt.Fprintf(w, "configuration\t%s %s, reloads: %d applied, %d unchanged, %d refused\n", s.Path, s.Config, s.Reloads.Applied, s.Reloads.Unchanged, s.Reloads.Refused)
	if s.Reloads.LastError != "" {
		fmt.Fprintf(w, "last reload\trefused at %s: %s\n", s.Reloads.Last.Format(time.RFC3339), s.Reloads.LastError)
	}
	fmt.Fprintf(w, "keys\t%d, master key from %s\n", s.Keys, s.MasterKey)
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "listener %s\t%s, %d served, %d refused, %d shed\n", l.Name, l.Address, l.Served, l.Refused, l.Shed)
	}
	for _, p := range s.Plugins {
		fmt.Fprintf(w, "plugin %s\t%s, %s, pid %d, %d restarts, protocol %d, %d MiB, %s; %s\n", p.Name, p.Plugin, p.Status, p.PID, p.Restarts, p.Protocol, p.Memory>>20, p.Contained, p.Bounded)
		if p.Draining > 0 {
			fmt.Fprintf(w, "\t%d that it replaced have calls open\n", p.Draining)
		}
		if p.Error != "" {
			fmt.Fprintf(w, "\tlast ended: %s\n", p.Error)
		}
	}
	for _, m := range s.Models {
		writeModel(w, m)
	}
	for _, f := range s.Filters {
		writeFilter(w, f)
	}
	for _, d := range s.Degraded {
		fmt.Fprintf(w, "degraded\t%s\n", d)
	}
}

// writeModel writes a line about each target of a model, and one about retries that were not made.
func writeModel(w io.Writer, m daemon.ModelStatus) {
	for _, t := range m.Targets {
		fmt.Fprintf(w, "target %s/%s\t%s, %d calls, %d failures, %d limited, first byte in %s", m.Name, t.Name, strings.ReplaceAll(t.Breaker, "_", " "), t.Calls, t.Failures, t.Limited, t.Latency.Round(time.Millisecond))
		if t.Cooling > 0 {
			fmt.Fprintf(w, ", cools down for %s", t.Cooling.Round(time.Second/10))
		}
		fmt.Fprintln(w)
	}
	if m.RetriesRefused > 0 {
		fmt.Fprintf(w, "model %s\t%d retries, %d not made for want of budget\n", m.Name, m.Retries, m.RetriesRefused)
	}
}

// writeFilter writes a line about a filter; what did not happen is left out.
func writeFilter(w io.Writer, f daemon.FilterStatus) {
	mean := time.Duration(0)
	if f.Callbacks > 0 {
		mean = f.Time / time.Duration(f.Callbacks)
	}
	fmt.Fprintf(w, "filter %s\t%d callbacks of %s, %d failures, %d instances with %.1f MiB", f.Name, f.Callbacks, mean, f.Failures, f.Instances, float64(f.Memory)/(1<<20))
	for _, part := range []struct {
		n    int64
		what string
	}{{f.Verdicts["respond"], "refusals or answers"}, {f.Verdicts["close"], "streams closed"}, {f.Calls, "calls"}, {f.Pausing, "pausing"}, {f.Disposals, "instances disposed of"}, {f.Errors["suspended"], "suspended"}} {
		if part.n > 0 {
			fmt.Fprintf(w, ", %d %s", part.n, part.what)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(f.Errors)) {
		if reason != "suspended" {
			fmt.Fprintf(w, ", %d by %s", f.Errors[reason], reason)
		}
	}
	fmt.Fprintln(w)
}
