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
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/core/seal"
)

// devConfig is what `ginnel dev` runs. The directory and the addresses are put in.
const devConfig = `
gateway {
  data_dir = %[1]q
  limits   = { drain = "2s" }
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
filter "headers" { wasm = "builtin:headers" }
filter "ratelimit" {
  wasm = "builtin:ratelimit"
  rate "default" { limit = "6000/1m" }
}
filter "sanitize" { wasm = "builtin:sanitize" }
pipeline "standard" { filters = [filter.headers, filter.ratelimit, filter.sanitize] }
route "v1" {
  listener = listener.public
  match    = { path = "/*" }
  pipeline = pipeline.standard
  models   = [model.echo]
}
`

// devReady is what `ginnel dev --json` prints, in one line, when it answers.
type devReady struct {
	BaseURL string `json:"base_url"`
	Key     string `json:"key"`
	Model   string `json:"model"`
	Admin   string `json:"admin"`
	DataDir string `json:"data_dir"`
	PID     int    `json:"pid"`
}

func devCommand() *cobra.Command {
	var listen, admin string
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use: "dev", Short: "Answer on loopback at once: throwaway state, no provider key, no network", Args: cobra.NoArgs,
		Long: "Run a gateway on loopback whose model `echo` answers with your own words. Its state is thrown away when it stops. It prints a key, the URLs and a curl that the sanitize filter acts on.\n\nThe model's faults: echo:slow, echo:429 and echo:cut at the beginning of a message.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "ginnel-dev-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			level := "warn"
			if verbose {
				level = "debug"
			}
			data := filepath.Join(dir, "data")
			load := func() config.Result {
				text := fmt.Appendf(nil, devConfig, data, listen, admin, level)
				return config.Load(config.Source{Path: filepath.Join(dir, "dev.hcl"), Text: text}, options())
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
			return serve(ctx, r.Config, load, seal.Random(), func(d *daemon.Daemon) error {
				ready, err := announce(d, data)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(ready)
				}
				return greet(cmd.OutOrStdout(), ready)
			})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "the loopback `ADDRESS` to answer on; port 0 takes a free one")
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:9443", "the loopback `ADDRESS` for metrics and health")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log every request")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// useCache lets a throwaway data directory share the compiled modules of earlier runs, so that only
// the first start compiles them.
func useCache(data string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil // it compiles again
	}
	cache = filepath.Join(cache, "ginnel", "modules")
	if os.MkdirAll(cache, 0o700) != nil {
		return nil
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return os.Symlink(cache, filepath.Join(data, "modules"))
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

  base URL  %[1]s
  API key   %[2]s
  model     %[3]s
  metrics   %[4]s/metrics

Try it. The sanitize filter takes the made-up token out before any provider sees it:

  curl %[1]s/chat/completions \
    -H 'Authorization: Bearer %[2]s' \
    -H 'Content-Type: application/json' \
    -d '{"model": "%[3]s", "messages": [{"role": "user", "content": "my token is ghp_%[5]s"}]}'

Add "stream": true to see it stream.
`, r.BaseURL, r.Key, r.Model, r.Admin, made)
	return err
}
