// Command ginnel is the gateway: the daemon and everything an operator does with it. It parses flags,
// writes for people or, with --json, for programs, and leaves the work to the packages of core.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// errSilent ends the program with status 1; everything was said already.
var errSilent = errors.New("said already")

func main() {
	if len(os.Args) > 1 && os.Args[1] == pluginCommand {
		servePlugin(os.Args[2:])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "ginnel:", err)
		}
		os.Exit(1)
	}
}

// root returns the whole command line.
func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ginnel",
		Short: "An LLM gateway in one binary",
		Long:  "Ginnel is an LLM gateway: filters in WASM, providers and telemetry as plugins, declared in gateway.hcl.\n\nStart with `ginnel dev`: it answers on loopback with no key of any provider.",
		// Errors are printed once, in main; a mistake in the flags shows the usage by cobra itself.
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	cmd.AddCommand(
		devCommand(), runCommand(), validateCommand(), fmtCommand(), reloadCommand(), statusCommand(), traceCommand(),
		configCommand(), schemaCommand(), filterCommand(), pluginsCommand(), keysCommand(), versionCommand(),
	)
	return cmd
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd, map[string]string{"version": version})
			}
			fmt.Fprintln(cmd.OutOrStdout(), version)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
