package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/cmd/internal/filterdir"
)

// sdkVariable names the checkout that `ginnel filter new` builds against where no flag does.
const sdkVariable = "GINNEL_SDK"

func filterNewCommand() *cobra.Command {
	s := filterdir.Start{}
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Begin a filter: sources, manifest, transcript", Args: cobra.ExactArgs(1),
		Long: "Write the directory NAME with a small filter that works: sources, manifest, a transcript that tests it. Nothing is overwritten.\n\n--sdk, or the environment's " + sdkVariable + ", names a checkout of Ginnel to build against; without one the published SDK of this program's version is meant.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Dir, s.Name = args[0], filepath.Base(args[0])
			if strings.HasPrefix(version, "v") && !strings.Contains(version, "-") {
				s.Version = version // a release
			}
			written, err := filterdir.New(s)
			if err != nil {
				return err
			}
			for _, file := range written {
				fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			if s.SDK == "" && s.Version == "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "This is no released version of Ginnel: say which SDK to build against, by --sdk with a checkout, or by hand in %s.\n", s.Dir)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&s.Language, "lang", filterdir.Go, "the `LANGUAGE`: go or rust")
	cmd.Flags().StringVar(&s.SDK, "sdk", os.Getenv(sdkVariable), "a checkout of Ginnel, `DIR`, whose SDK to build against")
	cmd.Flags().Lookup("sdk").DefValue = ""
	return cmd
}

func filterBuildCommand() *cobra.Command {
	o := filterdir.Options{Dir: "."}
	cmd := &cobra.Command{
		Use: "build [DIR]", Short: "Build a filter's directory into a module", Args: cobra.MaximumNArgs(1),
		Long: "Build a filter's directory, by default the current one, into DIR/NAME.wasm: by go or by cargo, with the right flags, the manifest attached. It checks that the result compiles under metering and prints the block to paste into gateway.hcl.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Dir = args[0]
			}
			o.Output = cmd.ErrOrStderr()
			b, err := filterdir.Build(cmd.Context(), o)
			if err != nil {
				return err
			}
			wasm, err := os.ReadFile(b.File)
			if err == nil {
				err = compiles(cmd.Context(), wasm)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", b.File, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %d bytes\nsha256 %s\n\nPaste into gateway.hcl, and name filter.%s in a pipeline:\n\n%s", b.File, b.Bytes, b.SHA256, b.Manifest.Name, b.Block())
			return err
		},
	}
	cmd.Flags().BoolVar(&o.TinyGo, "tinygo", false, "compile Go by TinyGo")
	return cmd
}
