package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/filtertest"
)

func filterBenchCommand() *cobra.Command {
	var each time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "bench [DIR|MODULE] [TRANSCRIPT...]", Short: "Measure a filter on its transcripts",
		Long: "Run the cases of a filter's transcripts again and again and print, for each event, what one callback costs: time (median and 99th percentile, the host's part included), calls to the host, fuel and memory. What is named is found as by `ginnel filter test`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := findSubject(cmd.Context(), args, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			r, done, err := s.runner(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			all := []filtertest.Cost{}
			for _, file := range s.transcripts {
				t, err := readTranscript(file)
				if err != nil {
					return err
				}
				costs, err := r.Bench(cmd.Context(), t, each)
				if err != nil {
					return err
				}
				all = append(all, costs...)
			}
			if asJSON {
				return printJSON(cmd, all)
			}
			return writeCosts(cmd, all)
		},
	}
	cmd.Flags().DurationVar(&each, "time", 500*time.Millisecond, "how long to measure each case")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func writeCosts(cmd *cobra.Command, all []filtertest.Cost) error {
	out := cmd.OutOrStdout()
	last := ""
	for _, c := range all {
		if name := c.Case + ", " + c.Way; name != last {
			last = name
			fmt.Fprintf(out, "%s\n  %-14s %6s %10s %10s %11s %9s %10s\n", name, "EVENT", "TIMES", "NS", "P99 NS", "HOST CALLS", "FUEL", "MEMORY")
		}
		if _, err := fmt.Fprintf(out, "  %-14s %6d %10d %10d %11.1f %9.0f %6.1f MiB\n", c.Event, c.Callbacks, c.NS, c.P99, c.HostCalls, c.Fuel, float64(c.Memory)/(1<<20)); err != nil {
			return err
		}
	}
	return nil
}
