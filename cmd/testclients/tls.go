package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// configuration is a gateway.hcl whose listener speaks TLS under the daemon's own authority. The
// directory and the port are put in.
const configuration = `
gateway {
  data_dir = %q
}
listener "public" {
  address = %q
  tls "internal" {}
}
provider "echo" { plugin = "echo" }
model "echo" {
  target "echo" {
    provider = provider.echo
    model    = "echo"
  }
}
filter "headers" { wasm = "builtin:headers" }
filter "sanitize" { wasm = "builtin:sanitize" }
pipeline "standard" { filters = [filter.headers, filter.sanitize] }
route "v1" {
  listener = listener.public
  match    = { path = "/v1/*" }
  pipeline = pipeline.standard
  models   = [model.echo]
}
`

// startTLS runs a daemon from a file and makes a key through its control socket.
func startTLS(ctx context.Context, binary string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "ginnel-tls-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file, data := filepath.Join(dir, "gateway.hcl"), filepath.Join(dir, "data")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, data, address), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{cmd: exec.CommandContext(ctx, binary, "run", "-c", file), clean: func() { os.RemoveAll(dir) }}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.BaseURL, d.CA = "https://"+address+"/v1", filepath.Join(data, "ca.pem")
	if d.Key, err = createKey(ctx, binary, file); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// createKey asks until the daemon is there.
func createKey(ctx context.Context, binary, file string) (string, error) {
	var out []byte
	err := os.ErrDeadlineExceeded
	for end := time.Now().Add(startup); err != nil && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = exec.CommandContext(ctx, binary, "status", "-c", file).Run(); err == nil {
			out, err = exec.CommandContext(ctx, binary, "keys", "create", "--json", "-c", file, "--name", "test").Output()
		}
	}
	var key struct{ Key string }
	if err == nil {
		err = json.Unmarshal(out, &key)
	}
	if err != nil {
		return "", fmt.Errorf("keys create: %w", err)
	}
	return key.Key, nil
}

// freeAddress returns a loopback address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
