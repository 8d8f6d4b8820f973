package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

func verifyCommand() *cobra.Command {
	v := &verification{}
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Hold an executable to the contract of a plugin", Args: cobra.ExactArgs(1),
		Long: "Launch an executable as the daemon would and hold it to the contract of a provider plugin, or of a telemetry sink if it is one: what every one must do and must not. FILE may be the name of a built-in plugin. A provider that is invoked is called, so its calls cost what they cost; a sink is sent a batch, twice, which it may keep. It prints the sha256 that the plugin's block needs.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !json.Valid([]byte(v.settings)) {
				return errors.New("--settings is no JSON")
			}
			for i, path := range v.limits.Write {
				var err error
				if v.limits.Write[i], err = filepath.Abs(path); err != nil {
					return err
				}
			}
			v.plugin = args[0]
			if _, err := os.Stat(args[0]); err == nil || config.IsPath(args[0]) {
				text, err := os.ReadFile(args[0])
				if err != nil {
					return err
				}
				v.sha256 = fmt.Sprintf("%x", sha256.Sum256(text))
				if v.plugin, err = filepath.Abs(args[0]); err != nil {
					return err
				}
			}
			return v.run(cmd)
		},
	}
	cmd.Flags().StringVar(&v.settings, "settings", "{}", "the config block, as a `JSON` object")
	cmd.Flags().StringVar(&v.model, "model", "any", "the `MODEL` that a provider is asked for")
	cmd.Flags().StringArrayVar(&v.limits.Write, "write", nil, "a file or directory (`PATH`) that it may write, as in its block; may be repeated")
	return cmd
}

// verification holds one executable to the list of its kind.
type verification struct {
	plugin, sha256  string
	settings, model string
	limits          pluginhost.Limits
}

func (v *verification) run(cmd *cobra.Command) error {
	host, end, err := throwawayHost(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer end()
	out := cmd.OutOrStdout()
	title, checks, err := v.checks(cmd.Context(), host)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, title)
	failed := false
	for _, check := range checks {
		r := checked(check)
		fmt.Fprintf(out, "  %-10s  %s\n", check.Name, r.verdict())
		for _, line := range r.said {
			if !r.skipped {
				fmt.Fprintf(out, "              %s\n", line)
			}
		}
		failed = failed || r.failed
	}
	if v.sha256 != "" {
		fmt.Fprintf(out, "sha256 %s\n", v.sha256)
	}
	if failed {
		return errSilent
	}
	return nil
}

// checks returns what an executable calls itself and what it is held to. One that does not answer as a provider is asked
// whether it is a sink.
func (v *verification) checks(ctx context.Context, host *pluginhost.Host) (title string, list []sdktest.Check, err error) {
	spec := pluginhost.ProviderSpec{Name: "verify", Plugin: v.plugin, SHA256: v.sha256, Limits: v.limits}
	info, err := host.Describe(ctx, spec)
	if err != nil {
		sink := pluginhost.SinkSpec{Name: "verify", Plugin: v.plugin, SHA256: v.sha256, Limits: v.limits}
		its, no := host.DescribeSink(ctx, sink)
		if no != nil {
			return "", nil, err
		}
		c := sdktest.SinkCase{Config: v.settings, Start: func(t sdktest.T) *sdktest.Host {
			client, end, err := host.LaunchSink(ctx, sink)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(end)
			return &sdktest.Host{Sink: client}
		}}
		return its.Name + " " + its.Version, c.Checks(), nil
	}
	c := sdktest.ProviderCase{Config: v.settings, Part: true, Start: func(t sdktest.T) *sdktest.Host { // settings may lead to less than the plugin can do
		client, socket, end, err := host.Launch(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(end)
		return sdktest.Attach(t, client, socket)
	}}
	if info.Invokes && slices.Contains(info.Ops, llm.OpChat) && slices.Contains(info.Dialects, llm.OpenAI) {
		c.Unary, c.Stream = hello(v.model, false), hello(v.model, true)
	}
	return info.Name + " " + info.Version, c.Checks(), nil
}

// hello is a call that every provider with OpenAI's chat answers.
func hello(model string, stream bool) *llm.Call {
	body, _ := json.Marshal(map[string]any{"model": model, "stream": stream, "messages": []map[string]string{{"role": "user", "content": "Say hello to me, please."}}})
	return &llm.Call{ID: "verify", Op: llm.OpChat, Dialect: llm.OpenAI, Model: model, Stream: stream, Body: body}
}

// outcome is what came of one check. It implements sdktest.T.
type outcome struct {
	mu              sync.Mutex // protects what follows
	said            []string
	failed, skipped bool
	cleanups        []func()
}

var _ sdktest.T = (*outcome)(nil)

// checked runs a check to its end. As in a test, Fatal and Skip end the goroutine that they are called on.
func checked(c sdktest.Check) *outcome {
	o := &outcome{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer o.cleanUp()
		c.Run(o)
	}()
	<-done
	return o
}

// Helper, Log and the others are what they are in a test.
func (o *outcome) Helper() {}

func (o *outcome) Log(args ...any) { o.say(false, fmt.Sprint(args...)) }

func (o *outcome) Error(args ...any) { o.say(true, fmt.Sprint(args...)) }

func (o *outcome) Errorf(format string, args ...any) { o.say(true, fmt.Sprintf(format, args...)) }

func (o *outcome) Fatal(args ...any) {
	o.Error(args...)
	runtime.Goexit()
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.Errorf(format, args...)
	runtime.Goexit()
}

func (o *outcome) Skip(args ...any) {
	o.Log(args...)
	o.mu.Lock()
	o.skipped = true
	o.mu.Unlock()
	runtime.Goexit()
}

func (o *outcome) Cleanup(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cleanups = append(o.cleanups, f)
}

func (o *outcome) say(failed bool, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, strings.TrimSpace(text))
	o.failed = o.failed || failed
}

func (o *outcome) cleanUp() {
	for _, f := range slices.Backward(o.cleanups) {
		f()
	}
}

func (o *outcome) verdict() string {
	switch {
	case o.failed:
		return "FAILED"
	case o.skipped:
		return "skipped: " + strings.Join(o.said, "; ")
	}
	return "ok"
}
