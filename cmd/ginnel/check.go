package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/filters"
)

func validateCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration and show every mistake", Args: cobra.NoArgs,
		Long: "Check the configuration and show every mistake at once. It launches nothing: the config block of a plugin that is not built in is checked by the schema that `ginnel plugins lock` wrote down, and where it did not, when the daemon launches it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := src.load()
			if err != nil {
				return err
			}
			if asJSON {
				err = config.WriteJSON(cmd.OutOrStdout(), r.Diagnostics)
			} else {
				printDiagnostics(cmd, r)
			}
			if err == nil && r.Config == nil {
				return errSilent
			}
			if err == nil && !asJSON {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is valid.\n", src.path)
				err = writeReaches(cmd.OutOrStdout(), r.Config)
			}
			return err
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeReaches says where the providers' calls go: the gateway connects to nothing else.
func writeReaches(out io.Writer, cfg *config.Config) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, p := range cfg.Providers {
		where := strings.Join(p.Reaches, ", ")
		switch {
		case where != "":
		case config.IsPath(p.Plugin) && p.Locked == nil:
			where = "what the plugin says when it is launched; `ginnel plugins lock` writes it down"
		default:
			where = "the plugin itself"
		}
		fmt.Fprintf(w, "provider %s\t%s\t%s\n", p.Name, p.Plugin, where)
	}
	return w.Flush()
}

func fmtCommand() *cobra.Command {
	var src source
	var check bool
	cmd := &cobra.Command{
		Use: "fmt [FILE...]", Short: "Write configuration files in the one format",
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{src.path}
			}
			wrong := false
			for _, path := range files {
				changed, err := format(cmd, path, check)
				if err != nil {
					return err
				}
				if changed {
					wrong = true
					fmt.Fprintln(cmd.OutOrStdout(), path)
				}
			}
			if check && wrong {
				return errSilent
			}
			return nil
		},
	}
	src.flags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; name the files that would change and exit with 1")
	return cmd
}

// format formats one file in place and reports whether it changed or would have.
func format(cmd *cobra.Command, path string, check bool) (bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	out, diags := config.Format(path, text)
	if diags.HasErrors() {
		printDiagnostics(cmd, config.Result{Diagnostics: diags, Files: map[string]*hcl.File{path: {Bytes: text}}})
		return false, errSilent
	}
	if bytes.Equal(out, text) || check {
		return !bytes.Equal(out, text), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return true, replaceFile(path, out, info.Mode().Perm())
}

// replaceFile puts text in place of a file's: all of it or, where that fails, nothing. A link stays one: what
// it leads to is replaced.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	if at, err := filepath.EvalSymlinks(path); err == nil {
		path = at
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func configCommand() *cobra.Command {
	var src source
	show := &cobra.Command{
		Use: "show", Short: "Show what is in force, defaults included, secrets masked", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := src.must(cmd)
			if err != nil {
				return err
			}
			return cfg.Show(cmd.OutOrStdout())
		},
	}
	src.flags(show)
	return group("config", "Look at the configuration", show)
}

//go:generate sh -c "go run . schema > ../../docs/reference/configuration.md"

func schemaCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "schema", Short: "Print the reference of the configuration", Args: cobra.NoArgs,
		Long: "Print the reference of the configuration as Markdown, or its schema as JSON.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd, config.Shape())
			}
			return writeReference(cmd.OutOrStdout())
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeReference writes the reference page, this binary's plugins and filters included.
func writeReference(w io.Writer) error {
	var sections []config.Section
	for _, name := range builtinNames() {
		shape, err := pluginSchema(name)
		if err != nil {
			return err
		}
		sections = append(sections, config.Section{Title: fmt.Sprintf("config of plugin `%s`", name), Shape: shape})
	}
	for _, name := range filters.Names() {
		shape, err := filterSchema(&config.Filter{Wasm: config.BuiltinPrefix + name})
		if err != nil {
			return fmt.Errorf("filter %s: %w", name, err)
		}
		sections = append(sections, config.Section{Title: fmt.Sprintf("config of filter `%s%s`", config.BuiltinPrefix, name), Shape: shape})
	}
	return config.WriteReference(w, sections...)
}
