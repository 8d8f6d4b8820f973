package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/filters"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// pluginCommand is the hidden command under which this binary serves its built-in plugins.
const pluginCommand = "plugin-serve"

// alone is the start of the command with which a plugin takes the place of its process and may start no others.
var alone = []string{"/proc/self/exe", pluginCommand, "--alone"}

// source is the flags of every command that reads the configuration.
type source struct {
	path   string
	vars   []string
	noLock bool // the lock file is not read
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", config.DefaultFile, "the configuration `FILE`")
	cmd.Flags().StringArrayVar(&s.vars, "var", nil, "set a variable: `NAME=VALUE`; may be repeated")
	cmd.MarkFlagFilename("config", "hcl", "json")
}

func jsonFlag(cmd *cobra.Command, v *bool) {
	cmd.Flags().BoolVar(v, "json", false, "write JSON, for programs")
}

// load reads the configuration as the flags say.
func (s *source) load() (config.Result, error) {
	vars := make(map[string]string)
	for _, v := range s.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return config.Result{}, fmt.Errorf("--var %s: write NAME=VALUE", name)
		}
		vars[name] = value
	}
	o := options()
	o.NoLock = s.noLock
	return config.Load(config.Source{Path: s.path, Vars: vars}, o), nil
}

// must returns the configuration, or prints what is wrong with it and fails.
func (s *source) must(cmd *cobra.Command) (*config.Config, error) {
	r, err := s.load()
	if err != nil {
		return nil, err
	}
	if len(r.Diagnostics) > 0 {
		printDiagnostics(cmd, r)
	}
	if r.Config == nil {
		return nil, errSilent
	}
	return r.Config, nil
}

// dial returns a client for the daemon that runs by the configuration, whatever else is wrong with
// it: the file may have been broken meanwhile, and its secrets may be the daemon's alone. Where none
// runs, the error is daemon.ErrNoDaemon.
func (s *source) dial(cmd *cobra.Command) (*daemon.Client, error) {
	r, err := s.load()
	if err != nil {
		return nil, err
	}
	if r.DataDir == "" {
		printDiagnostics(cmd, r)
		return nil, errSilent
	}
	return daemon.Dial(cmd.Context(), r.DataDir)
}

// group is a command that only holds others. A word that is none of them is an error, not a call for
// help that succeeds.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// printDiagnostics writes to standard error, in colour and wrapped on a terminal.
func printDiagnostics(cmd *cobra.Command, r config.Result) {
	width, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil || width < 40 {
		width = 0
	}
	config.WriteDiagnostics(cmd.ErrOrStderr(), r.Diagnostics, r.Files, uint(width), width > 0 && os.Getenv("NO_COLOR") == "")
}

func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// options tells the configuration what this binary's own plugins and filters expect. It launches
// nothing: a plugin of somebody else's is checked when the daemon launches it.
func options() config.Options {
	return config.Options{PluginSchema: pluginSchema, FilterSchema: filterSchema, ProviderOrigins: providerOrigins}
}

func pluginSchema(name string) (*schema.Block, error) {
	if config.IsPath(name) {
		_, err := os.Stat(name)
		return nil, err
	}
	ctx := context.Background()
	if make, ok := builtinProviders()[name]; ok {
		info, err := make().Describe(ctx)
		if err != nil {
			return nil, err
		}
		return orEmpty(info.Config), nil
	}
	if make, ok := builtinSinks()[name]; ok {
		info, err := make().Describe(ctx)
		if err != nil {
			return nil, err
		}
		return orEmpty(info.Config), nil
	}
	return nil, fmt.Errorf("there is no built-in plugin %q; there are %s. An executable is named by a path, such as ./%s", name, strings.Join(builtinNames(), ", "), name)
}

func orEmpty(b *schema.Block) *schema.Block {
	if b == nil {
		return &schema.Block{}
	}
	return b
}

func builtinNames() []string {
	var names []string
	for name := range builtinProviders() {
		names = append(names, name)
	}
	for name := range builtinSinks() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func filterSchema(f *config.Filter) (*schema.Block, error) {
	wasm, err := moduleOf(f.Wasm)
	if err != nil {
		return nil, err
	}
	m, err := wasmhost.ReadManifest(wasm)
	if err != nil {
		return nil, err
	}
	grant := wasmhost.Grant{HTTP: f.GrantHTTP, Redis: f.GrantRedis, Reach: egress.ReachOf(f.GrantPrivate), KV: f.GrantKV, Shared: f.GrantShared}
	if err := m.Granted(grant, strings.HasPrefix(f.Wasm, config.BuiltinPrefix)); err != nil {
		return nil, err
	}
	return orEmpty(m.Schema), nil
}

func moduleOf(name string) ([]byte, error) {
	if builtin, ok := strings.CutPrefix(name, config.BuiltinPrefix); ok {
		if wasm := filters.Module(builtin); wasm != nil {
			return wasm, nil
		}
		return nil, fmt.Errorf("there is no built-in filter %q; there are %s", builtin, strings.Join(filters.Names(), ", "))
	}
	return os.ReadFile(name)
}

// servePlugin is the whole life of a built-in plugin's process.
func servePlugin(args []string) {
	if len(args) > 1 && args[0] == alone[2] {
		own, err := pluginhost.Alone(args[1:])
		if err != nil {
			fmt.Fprintln(os.Stderr, "ginnel: the plugin did not start:", err)
			os.Exit(1)
		}
		args = own[min(1, len(own)):] // behind the command that this is
	}
	if len(args) == 1 {
		if make, ok := builtinProviders()[args[0]]; ok {
			provider.Serve(make())
			return
		}
		if make, ok := builtinSinks()[args[0]]; ok {
			telemetry.Serve(make())
			return
		}
	}
	fmt.Fprintln(os.Stderr, "ginnel: a daemon starts its plugins itself; the built-in ones are", strings.Join(builtinNames(), ", "))
	os.Exit(1)
}

// command returns how to serve a built-in plugin, or nil.
func command(plugin string) *exec.Cmd {
	if !slices.Contains(builtinNames(), plugin) {
		return nil
	}
	return exec.Command("/proc/self/exe", pluginCommand, plugin)
}
