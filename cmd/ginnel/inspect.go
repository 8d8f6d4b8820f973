package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/schema"
)

func filterCommand() *cobra.Command {
	return group("filter", "Make, build, test, measure and look at WASM filters", filterNewCommand(), filterBuildCommand(), filterTestCommand(), filterBenchCommand(), inspectCommand(), attachCommand())
}

func attachCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "attach MODULE MANIFEST", Short: "Make a compiled module a filter: put its manifest into it", Args: cobra.ExactArgs(2),
		Long: "Put a manifest, a JSON file, into a compiled module, and check that the result is a filter. MODULE is replaced unless --output says otherwise. It prints the sha256 that a filter block needs.",
		RunE: func(cmd *cobra.Command, args []string) error {
			wasm, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			manifest, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			whole, err := wasmhost.AttachManifest(wasm, manifest)
			if err == nil {
				err = compiles(cmd.Context(), whole)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if out == "" {
				out = args[0]
			}
			if err := replaceFile(out, whole, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%x  %s\n", sha256.Sum256(whole), out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `FILE` to write (default MODULE)")
	return cmd
}

// inspected is what `ginnel filter inspect --json` prints.
type inspected struct {
	File     string             `json:"file"`
	SHA256   string             `json:"sha256"`
	Bytes    int                `json:"bytes"`
	Manifest *wasmhost.Manifest `json:"manifest"`
	Imports  []string           `json:"imports,omitempty"` // of a proxy-wasm module, which has no manifest
	Exports  []string           `json:"exports,omitempty"`
}

func inspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Show what a module says about itself, without running it", Args: cobra.ExactArgs(1),
		Long: "Show what a module says about itself, without running it, and whether it compiles under metering. FILE may be builtin:NAME.",
		RunE: func(cmd *cobra.Command, args []string) error {
			wasm, err := moduleOf(args[0])
			if err != nil {
				return err
			}
			m, err := wasmhost.ReadManifest(wasm)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := compiles(cmd.Context(), wasm); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			in := inspected{File: args[0], SHA256: fmt.Sprintf("%x", sha256.Sum256(wasm)), Bytes: len(wasm), Manifest: m}
			if m.Proxy != "" {
				if in.Imports, in.Exports, err = wasmhost.Interface(wasm); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
			}
			if asJSON {
				return printJSON(cmd, in)
			}
			return writeInspected(cmd, in)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// compiles reports why a module could not be used as a filter.
func compiles(ctx context.Context, wasm []byte) error {
	host, err := wasmhost.New(ctx, wasmhost.Config{})
	if err != nil {
		return err
	}
	defer host.Close(ctx)
	m, err := host.Open(ctx, wasm)
	if err != nil {
		return err
	}
	return m.Close(ctx)
}

func writeInspected(cmd *cobra.Command, in inspected) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	m := in.Manifest
	fmt.Fprintf(w, "name\t%s %s\n", m.Name, m.Version)
	fmt.Fprintf(w, "abi\t%s\n", m.ABI)
	fmt.Fprintf(w, "sha256\t%s\n", in.SHA256)
	fmt.Fprintf(w, "size\t%d bytes\n", in.Bytes)
	fmt.Fprintf(w, "events\t%s\n", strings.Join(m.Events, ", "))
	fmt.Fprintf(w, "body\t%s\n", m.Body)
	fmt.Fprintf(w, "asks for\t%s\n", strings.Join(m.Capabilities, ", "))
	for _, list := range []struct {
		what  string
		names []string
	}{{"imports", in.Imports}, {"exports", in.Exports}} {
		for i, name := range list.names {
			if i > 0 {
				list.what = ""
			}
			fmt.Fprintf(w, "%s\t%s\n", list.what, name)
		}
	}
	if grants := needsGrant(m); len(grants) > 0 {
		fmt.Fprintf(w, "needs a grant\t%s\n", strings.Join(grants, ", "))
	}
	fmt.Fprintf(w, "state\t%s\n", m.State)
	if m.TickMS > 0 {
		fmt.Fprintf(w, "ticks\tevery %d ms\n", m.TickMS)
	}
	if m.LookAhead > 0 {
		fmt.Fprintf(w, "look-ahead\t%d bytes\n", m.LookAhead)
	}
	if len(m.Config) > 0 {
		shape, err := schema.Parse(m.Config)
		if err != nil {
			return err
		}
		for i := range shape.Attrs {
			a := &shape.Attrs[i]
			otherwise := fmt.Sprintf("default %q", a.Default)
			if a.Default == "" {
				otherwise = "optional"
			}
			if a.Required() {
				otherwise = "required"
			}
			fmt.Fprintf(w, "config %s\t%s, %s: %s\n", a.Name, a.Kind, otherwise, a.Doc)
		}
	}
	return w.Flush()
}

// needsGrant returns the capabilities that the operator has to grant too.
func needsGrant(m *wasmhost.Manifest) (grants []string) {
	for _, c := range []string{wasmhost.CapHTTP, wasmhost.CapKV, wasmhost.CapShared} {
		if m.Has(c) {
			grants = append(grants, c)
		}
	}
	return grants
}
