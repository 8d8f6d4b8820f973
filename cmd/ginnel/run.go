package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/filters"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
)

func runCommand() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use: "run", Short: "Run the gateway that a file declares", Args: cobra.NoArgs,
		Long: "Run the gateway that a file declares, in the foreground. SIGHUP reloads the file, SIGTERM and SIGINT drain and stop; a second one stops at once.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(src.path); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no %s: write one, name another with -c FILE, or try `ginnel dev`, which needs none", src.path)
			}
			cfg, err := src.must(cmd)
			if err != nil {
				return err
			}
			load := func() config.Result {
				r, _ := src.load() // the flags were right before
				return r
			}
			return serve(cmd.Context(), cfg, service{load: load})
		},
	}
	src.flags(cmd)
	return cmd
}

// service is what a daemon is run with besides its configuration.
type service struct {
	load   func() config.Result
	master *seal.Master               // nil = the configuration's own
	ready  func(*daemon.Daemon) error // called when it answers; nil = nothing
	drain  time.Duration              // at the end; 0 = the configuration's own
}

// serve runs a daemon until the context ends.
func serve(ctx context.Context, cfg *config.Config, s service) error {
	out := telemetry.NewLogWriter(os.Stderr, 0)
	defer out.Close()
	logger, level, err := telemetry.NewLogger(out, cfg.Gateway.LogFormat)
	if err != nil {
		return err
	}
	out.Tell(logger)
	level.Set(cfg.Gateway.LogLevel)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before the start, which takes a while: it would end the process
	defer signal.Stop(hup)
	cgroup := pluginhost.OpenCgroup()
	defer func() {
		if err := cgroup.Close(); err != nil {
			logger.Warn("groups of plugins are left", "error", err)
		}
	}()
	d, err := daemon.Start(ctx, daemon.Needs{
		Version: version, Load: s.load, Logger: logger, Level: level, Command: command, Alone: alone, Cgroup: cgroup, Module: filters.Module, Master: s.master,
		Codecs: codecs.All(), Upstreams: codecs.Upstreams(),
	}, cfg)
	if err != nil {
		return err
	}
	for name, address := range d.Addresses() {
		logger.Info("listening", "listener", name, "address", address)
	}
	if s.drain == 0 {
		s.drain = cfg.Gateway.Limits.Drain
	}
	if s.ready != nil {
		if err := s.ready(d); err != nil {
			return errors.Join(err, stop(d, s.drain, logger))
		}
	}
	for {
		select {
		case <-hup:
			d.Reload(context.WithoutCancel(ctx), "SIGHUP")
		case <-ctx.Done():
			return stop(d, s.drain, logger)
		}
	}
}

// stop drains the daemon; another signal ends the wait.
func stop(d *daemon.Daemon, drain time.Duration, logger *slog.Logger) error {
	logger.Info("stopping: open requests may end", "drain", drain)
	begin := time.Now()
	ctx, again := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer again()
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		logger.Warn("stopped", "took", time.Since(begin), "error", err)
		return nil // it was asked to stop, and did
	}
	logger.Info("stopped", "took", time.Since(begin))
	return nil
}
