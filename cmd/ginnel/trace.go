package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/telemetry"
)

func traceCommand() *cobra.Command {
	var src source
	var asJSON, failed bool
	last := 20
	cmd := &cobra.Command{
		Use: "trace [ID]", Short: "Show what became of an exchange, or list those that ended last", Args: cobra.MaximumNArgs(1),
		Long: "Show what became of an exchange: where it went and why, what each filter took, and how it ended. ID is what the client got as its request id, or the trace id.\n\n" +
			"Without an ID, the exchanges that ended last are listed. The running daemon remembers the last thousand, without any text of theirs; the log and the sinks have all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := src.dial(cmd)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				t, err := client.Trace(cmd.Context(), args[0])
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(cmd, t)
				}
				writeTrace(cmd.OutOrStdout(), &t)
				return nil
			}
			if last < 1 {
				return fmt.Errorf("--last %d: at least 1", last)
			}
			all, err := client.Traces(cmd.Context(), last, failed)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd, append([]telemetry.Trace{}, all...))
			}
			writeTraces(cmd.OutOrStdout(), all)
			return nil
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().IntVar(&last, "last", last, "list so many")
	cmd.Flags().BoolVar(&failed, "failed", false, "list those that failed or were refused")
	return cmd
}

// writeTraces writes a line about each exchange.
func writeTraces(out io.Writer, all []telemetry.Trace) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "REQUEST\tENDED\tSTATUS\tTOOK\tMODEL\tTARGET\tENDING")
	for i := range all {
		t := &all[i]
		target := t.Target
		if t.Fallback != "" {
			target = t.Fallback + "/" + target
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", t.ID, t.Start.Add(t.Total).Local().Format(time.TimeOnly), t.Status, short(t.Total),
			printable(cmp.Or(t.Model, t.Asked, "-")), cmp.Or(target, "-"), t.Terminal)
	}
}

// writeTrace writes an exchange's way, in its order. What it did not come to is left out.
func writeTrace(out io.Writer, t *telemetry.Trace) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	defer w.Flush()
	line := func(name string, parts ...string) {
		if text := strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", "); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, printable(text))
		}
	}
	with := func(format, value string) string {
		if value == "" {
			return ""
		}
		return fmt.Sprintf(format, value)
	}
	line("exchange", t.ID, with("trace %s", t.TraceID))
	line("began", t.Start.Local().Format("2006-01-02 15:04:05.000"), "took "+short(t.Total), with("first content after %s", orNothing(t.First)))
	line("client", t.Remote, t.Method+" "+t.Path, "listener "+t.Listener, with("key %s", t.Key), with("team %s", t.Team))
	stream := ""
	if t.Stream {
		stream = "streamed"
	}
	line("request", t.Op, with("in the dialect %s", t.Dialect), with("of the model %s", t.Asked), stream, fmt.Sprintf("%d bytes", t.In))
	line("admitted", with("route %s", t.Route), with("framing checked in %s", orNothing(t.Guard)), with("key in %s", orNothing(t.Auth)))
	for _, f := range t.Filters {
		line("filter "+f.Name, fmt.Sprintf("%d calls", f.Calls), short(f.Time))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Notes)) {
		line("note "+name, t.Notes[name])
	}
	for i, try := range t.Tries {
		line(fmt.Sprintf("try %d", i+1), try)
	}
	if t.Target != "" {
		line("upstream", "provider "+t.Provider, cmp.Or(t.Fallback, t.Model)+"/"+t.Target, with("its model %s", t.Upstream), with("head after %s", orNothing(t.UpstreamTime)))
	}
	tokens := ""
	if t.TokensIn+t.TokensOut > 0 {
		tokens = fmt.Sprintf("%d tokens in, %d out", t.TokensIn, t.TokensOut)
	}
	line("answer", fmt.Sprintf("status %d", t.Status), fmt.Sprintf("%d bytes", t.Out), with("finish %s", t.Finish), tokens)
	line("dropped", t.Dropped)
	line("ended", t.Terminal, with("by the filter %s", t.Filter), t.Class)
	line("error", t.Error)
}

// short is a time as a person reads it.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

func orNothing(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return short(d)
}

// printable is a text that a client may have written, as a terminal can show it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
