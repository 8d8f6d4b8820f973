package main

import (
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
	var settings, model string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Hold an executable to the contract of a provider plugin", Args: cobra.ExactArgs(1),
		Long: "Launch an executable as the daemon would and hold it to the contract of a provider plugin: what every one must do and must not. FILE may be the name of a built-in plugin. A provider that is invoked is called, so its calls cost what they cost. It prints the sha256 that a provider block needs.",
		RunE: func(cmd *cobra.Command, args []string) error {
			v := &verification{cmd: cmd, spec: pluginhost.ProviderSpec{Name: "verify", Plugin: args[0]}}
			if _, err := os.Stat(args[0]); err == nil || config.IsPath(args[0]) {
				text, err := os.ReadFile(args[0])
				if err != nil {
					return err
				}
				v.spec.SHA256 = fmt.Sprintf("%x", sha256.Sum256(text))
				if v.spec.Plugin, err = filepath.Abs(args[0]); err != nil {
					return err
				}
			}
			return v.run(settings, model)
		},
	}
	cmd.Flags().StringVar(&settings, "settings", "{}", "the config block, as a `JSON` object")
	cmd.Flags().StringVar(&model, "model", "any", "the `MODEL` that is asked for")
	return cmd
}

// verification holds one executable to the list.
type verification struct {
	cmd  *cobra.Command
	spec pluginhost.ProviderSpec
	host *pluginhost.Host
}

func (v *verification) run(settings, model string) error {
	if !json.Valid([]byte(settings)) {
		return errors.New("--settings is no JSON")
	}
	host, end, err := throwawayHost(v.cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer end()
	v.host = host
	info, err := host.Describe(v.cmd.Context(), v.spec)
	if err != nil {
		return err
	}
	out := v.cmd.OutOrStdout()
	fmt.Fprintf(out, "%s %s\n", info.Name, info.Version)
	c := sdktest.ProviderCase{Config: settings, Start: v.start, Part: true} // settings may lead to less than the plugin can do
	if info.Invokes && slices.Contains(info.Ops, llm.OpChat) && slices.Contains(info.Dialects, llm.OpenAI) {
		c.Unary, c.Stream = hello(model, false), hello(model, true)
	}
	failed := false
	for _, check := range c.Checks() {
		r := checked(check)
		fmt.Fprintf(out, "  %-10s  %s\n", check.Name, r.verdict())
		for _, line := range r.said {
			if !r.skipped {
				fmt.Fprintf(out, "              %s\n", line)
			}
		}
		failed = failed || r.failed
	}
	if v.spec.SHA256 != "" {
		fmt.Fprintf(out, "sha256 %s\n", v.spec.SHA256)
	}
	if failed {
		return errSilent
	}
	return nil
}

// start launches the executable for one check.
func (v *verification) start(t sdktest.T) *sdktest.Host {
	client, socket, end, err := v.host.Launch(v.cmd.Context(), v.spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return sdktest.Attach(t, client, socket)
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
