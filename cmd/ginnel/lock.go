package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/pluginhost"
)

// filePerm is the mode of files that hold no secret.
const filePerm = 0o644

func lockCommand() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use: "lock", Short: "Launch the plugins that are not built in and write down what they say of themselves", Args: cobra.NoArgs,
		Long: "Launch the plugins of the configuration that are not built in, one after the other, and write name, version, sha256, origins, who makes its calls, and config schema of each into the lock file beside the configuration (gateway.lock.hcl). `ginnel validate` and a daemon that loads the configuration read it, and check config blocks without executing anything.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			src.noLock = true // what is written now is not held to what was
			cfg, err := src.must(cmd)
			if err != nil {
				return err
			}
			path := config.LockPath(src.path)
			if err := lock(cmd, cfg, path); err != nil {
				return err
			}
			src.noLock = false
			_, err = src.must(cmd)
			return err
		},
	}
	src.flags(cmd)
	return cmd
}

// lock writes the lock file.
func lock(cmd *cobra.Command, cfg *config.Config, path string) error {
	host, end, err := throwawayHost(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer end()
	var all []*config.Locked
	seen := make(map[string]bool)
	add := func(kind, plugin, sha string, describe func() (*config.Locked, error)) error {
		if !config.IsPath(plugin) || seen[kind+sha] {
			return nil
		}
		seen[kind+sha] = true
		l, err := describe()
		if err != nil {
			return err
		}
		l.Plugin, l.Kind, l.SHA256 = fromDir(filepath.Dir(path), plugin), kind, sha
		all = append(all, l)
		return nil
	}
	for _, p := range cfg.Providers {
		if err := add("provider", p.Plugin, p.SHA256, func() (*config.Locked, error) {
			info, err := host.Describe(cmd.Context(), pluginhost.ProviderSpec{Name: p.Name, Plugin: p.Plugin, SHA256: p.SHA256, Limits: daemon.LimitsOf(p.Process)})
			if err != nil {
				return nil, err
			}
			return daemon.LockOf(info), nil
		}); err != nil {
			return err
		}
	}
	for _, t := range cfg.Telemetry {
		if err := add("telemetry", t.Plugin, t.SHA256, func() (*config.Locked, error) {
			info, err := host.DescribeSink(cmd.Context(), pluginhost.SinkSpec{Name: t.Name, Plugin: t.Plugin, SHA256: t.SHA256, Limits: daemon.LimitsOf(t.Process)})
			if err != nil {
				return nil, err
			}
			return daemon.LockOfSink(info), nil
		}); err != nil {
			return err
		}
	}
	text, err := config.FormatLock(all)
	if err != nil {
		return err
	}
	if err := replaceFile(path, text, filePerm); err != nil {
		return err
	}
	for _, l := range all {
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s %s  %s\n", l.SHA256, l.Name, l.Version, l.Plugin)
	}
	has := "plugins"
	if len(all) == 1 {
		has = "plugin"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s has %d %s.\n", path, len(all), has)
	return nil
}

// fromDir returns a path as seen from a directory, where it is in there.
func fromDir(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return "./" + rel
	}
	return path
}

// throwawayHost returns a plugin host for one command, which logs what is wrong to w. The caller ends it.
func throwawayHost(w io.Writer) (host *pluginhost.Host, end func(), err error) {
	dir, err := os.MkdirTemp("", "ginnel-")
	if err != nil {
		return nil, nil, err
	}
	end = func() { os.RemoveAll(dir) }
	host, err = pluginhost.New(pluginhost.Needs{
		Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})), Dir: filepath.Join(dir, "s"),
		Command: command, Alone: alone,
	})
	if err != nil {
		end()
		return nil, nil, err
	}
	return host, end, nil
}
