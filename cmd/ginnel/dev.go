package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/seal"
)

// devConfig is what `ginnel dev` runs. The directory and the addresses are put in.
const devConfig = `
gateway {
  data_dir = %[1]q
  limits   = { drain = "10m" } # a filter that is swapped out goes on in the streams that began with it
  log      = { level = %[4]q }
}
listener "public" { address = %[2]q }
listener "admin" {
  address = %[3]q
  serve   = ["metrics"]
}
provider "echo" { plugin = "echo" }
model "echo" {
  aliases = ["gpt-4o-mini"]
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}
%[5]s
pipeline "standard" { filters = [%[6]s] }
route "v1" {
  listener = listener.public
  match    = { path = "/*" }
  auth     = %[7]q
  pipeline = pipeline.standard
  models   = [model.echo]
}
`

// devDrain is how long open requests have when it is stopped.
const devDrain = 2 * time.Second

// devReady is what `ginnel dev --json` prints, in one line, when it answers.
type devReady struct {
	BaseURL string `json:"base_url"`
	Key     string `json:"key"`
	Model   string `json:"model"`
	Admin   string `json:"admin"`
	DataDir string `json:"data_dir"`
	PID     int    `json:"pid"`
}

// devFlags are the flags of `ginnel dev`.
type devFlags struct {
	listen, admin            string
	asJSON, verbose, keyless bool
	filters                  []string
	block                    string
}

func devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Answer on loopback at once: throwaway state, no provider key, no network", Args: cobra.NoArgs,
		Long: "Run a gateway on loopback whose model `echo` answers with your own words. Its state is thrown away when it stops. It prints a key, the URLs and a curl that the sanitize filter acts on.\n\nThe model's faults: echo:slow, echo:429 and echo:cut at the beginning of a message.\n\nWith --filter it also runs a filter of yours, before sanitize, and swaps it when its sources or its module change: streams that began go on with the old one, and one that does not build leaves the old one in force. A filter with the name of a built-in one takes its place.",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "the loopback `ADDRESS` to answer on; port 0 takes a free one")
	cmd.Flags().StringVar(&f.admin, "admin", "127.0.0.1:9443", "the loopback `ADDRESS` for metrics and health")
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "log every request, and what filters log")
	cmd.Flags().BoolVar(&f.keyless, "no-key", false, "ask for no API key")
	cmd.Flags().StringArrayVar(&f.filters, "filter", nil, "run the filter in `DIR|MODULE` too, and swap it when it changes; may be repeated")
	cmd.Flags().StringVar(&f.block, "filter-block", "", "a `FILE` with what the filter's block in gateway.hcl holds besides wasm and sha256")
	jsonFlag(cmd, &f.asJSON)
	return cmd
}

func (f *devFlags) run(cmd *cobra.Command) error {
	dir, err := os.MkdirTemp("", "ginnel-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bench, err := newWorkbench(cmd, dir, f)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	load := func() config.Result {
		return config.Load(config.Source{Path: filepath.Join(dir, "dev.hcl"), Text: f.config(data, bench)}, options())
	}
	r := load()
	if r.Config == nil {
		printDiagnostics(cmd, r)
		return errSilent
	}
	if err := useCache(data); err != nil {
		return err
	}
	ctx := cmd.Context()
	if !signal.Ignored(syscall.SIGHUP) { // its terminal was closed: there is no file to read again
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
	return serve(ctx, r.Config, service{load: load, master: seal.Random(), drain: devDrain, ready: func(d *daemon.Daemon) error {
		bench.watch(ctx, d)
		ready, err := announce(d, data)
		if err != nil {
			return err
		}
		if f.asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(ready)
		}
		return greet(cmd.OutOrStdout(), ready)
	}})
}

// config returns the configuration with the filters as they are at the moment.
func (f *devFlags) config(data string, bench *workbench) []byte {
	level, auth := "warn", "key"
	if f.verbose {
		level = "debug"
	}
	if f.keyless {
		auth = "none"
	}
	blocks, pipeline := bench.declare()
	return fmt.Appendf(nil, devConfig, data, f.listen, f.admin, level, blocks, pipeline, auth)
}

// useCache lets a throwaway data directory share the compiled modules of earlier runs, so that only
// the first start compiles them.
func useCache(data string) error {
	cache, err := compileCache()
	if err != nil {
		return nil // it compiles again
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return os.Symlink(cache, filepath.Join(data, "modules"))
}

// compileCache returns the directory in which the commands that run no daemon of their own keep
// compiled modules.
func compileCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "ginnel", "modules")
	return dir, os.MkdirAll(dir, 0o700)
}

func announce(d *daemon.Daemon, data string) (devReady, error) {
	key, err := d.CreateKey(daemon.NewKey{Name: "dev"})
	if err != nil {
		return devReady{}, err
	}
	at := d.Addresses()
	return devReady{
		BaseURL: "http://" + at["public"] + "/v1", Key: key.Text, Model: "echo", Admin: "http://" + at["admin"],
		DataDir: data, PID: os.Getpid(),
	}, nil
}

// greet prints what to try. The secret in the curl is made up at each start.
func greet(w io.Writer, r devReady) error {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	made := make([]byte, 36)
	rand.Read(made) // never fails
	for i, b := range made {
		made[i] = digits[int(b)%len(digits)]
	}
	_, err := fmt.Fprintf(w, `Ginnel answers on loopback; its state goes when it stops (Ctrl-C).

  base URL  %[1]s    (OpenAI's SDKs)
            %[6]s       (Anthropic's and Google's)
  API key   %[2]s
  model     %[3]s
  metrics   %[4]s/metrics

Try it. The sanitize filter takes the made-up token out before any provider sees it:

  curl %[1]s/chat/completions \
    -H 'Authorization: Bearer %[2]s' \
    -H 'Content-Type: application/json' \
    -d '{"model": "%[3]s", "messages": [{"role": "user", "content": "my token is ghp_%[5]s"}]}'

Add "stream": true to see it stream.
`, r.BaseURL, r.Key, r.Model, r.Admin, made, strings.TrimSuffix(r.BaseURL, "/v1"))
	return err
}
