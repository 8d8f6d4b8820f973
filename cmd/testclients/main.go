// Command testclients runs the vendors' official SDKs against a daemon. Those of OpenAI for Node, Python
// and Go run once against `ginnel dev`, once over TLS against `ginnel run` with a file of its own and,
// with Responses, against a daemon that relays to the mock upstream, and over realtime sessions, files, batches and stored responses (Node, Python); those of Google and Anthropic for
// Node and Python run against such a daemon too; and all of these, with Vercel's for Node, against one
// whose models are of every dialect. It installs the SDKs with npm, pip and the go tool in a
// cache directory and says so.
//
// It checks what an application sees; what happens inside is the business of the packages' tests.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// The versions of the SDKs; Go's stands in go/go.mod.
const (
	nodeSDK   = "openai@7.57.0"
	pythonSDK = "openai==3.54.0"

	realtimeNode   = nodeSDK + " ws@8.23.0"
	realtimePython = "openai[realtime]==3.54.0"

	geminiNodeSDK   = "@google/genai@2.32.0"
	geminiPythonSDK = "google-genai==3.6.1"

	anthropicNodeSDK   = "@anthropic-ai/sdk@1.14.0"
	anthropicPythonSDK = "anthropic==2.14.0"

	vercelSDK    = "ai@6.0.326 @ai-sdk/openai@3.0.141 @ai-sdk/anthropic@3.0.140 @ai-sdk/google@3.0.141 zod@4.6.7"
	acrossNode   = nodeSDK + " " + geminiNodeSDK + " " + anthropicNodeSDK + " " + vercelSDK
	acrossPython = pythonSDK + " " + geminiPythonSDK + " " + anthropicPythonSDK
)

// startup bounds how long a daemon may take until it says that it is ready.
const startup = time.Minute

// endpoint is what a daemon prints, with --json, when it is ready.
type endpoint struct {
	BaseURL string `json:"base_url"`
	Key     string `json:"key"`
	CA      string `json:"ca,omitempty"`

	Model    string `json:"-"` // that the clients ask for; "" = echo
	Upstream string `json:"-"` // the mock's address, where there is one
	Recorded string `json:"-"` // the file with what is expected of recorded traffic
}

func main() {
	binary := flag.String("ginnel", "bin/ginnel", "the binary under test")
	cache := flag.String("cache", filepath.Join(os.TempDir(), "ginnel-test-clients"), "where the SDKs are installed")
	only := flag.String("only", "", "the daemons whose name has this in it; empty is all")
	corpus := flag.String("corpus", recorded.Corpus("."), "recorded traffic")
	flag.Parse()
	if err := run(*binary, *cache, *only, *corpus); err != nil {
		fmt.Fprintln(os.Stderr, "test-clients:", err)
		os.Exit(1)
	}
}

func run(binary, cache, only, corpus string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	openAI, err := install(ctx, cache)
	if err != nil {
		return err
	}
	gemini, err := installScripts(ctx, cache, geminiNodeSDK, "gemini.mjs", geminiPythonSDK, "gemini_sdk.py")
	if err != nil {
		return err
	}
	anthropic, err := installScripts(ctx, cache, anthropicNodeSDK, "anthropic.mjs", anthropicPythonSDK, "anthropic_sdk.py")
	if err != nil {
		return err
	}
	responses, err := installScripts(ctx, cache, nodeSDK, "responses.mjs", pythonSDK, "responses_sdk.py")
	if err != nil {
		return err
	}
	realtime, err := installScripts(ctx, cache, realtimeNode, "realtime.mjs", realtimePython, "realtime_sdk.py")
	if err != nil {
		return err
	}
	across, err := installScripts(ctx, cache, acrossNode, "across.mjs", acrossPython, "across_sdk.py")
	if err != nil {
		return err
	}
	recordings, err := installScripts(ctx, cache, acrossNode, "recorded.mjs", acrossPython, "recorded_sdk.py")
	if err != nil {
		return err
	}
	goSDK := openAI[len(openAI)-1]
	responses = append(responses, client{goSDK.name, append(goSDK.argv[:1:1], "responses"), goSDK.dir})
	across = append(across, client{goSDK.name, append(goSDK.argv[:1:1], "across"), goSDK.dir})
	realtime = append(realtime, client{goSDK.name, append(goSDK.argv[:1:1], "media"), goSDK.dir})
	recordings = append(recordings, client{goSDK.name, append(goSDK.argv[:1:1], "recorded"), goSDK.dir})
	failed := 0
	type run struct {
		name    string
		start   func(context.Context, string) (*daemon, error)
		clients []client
	}
	runs := []run{
		{"ginnel dev", startDev, openAI},
		{"ginnel run, TLS", startTLS, openAI},
		{"ginnel run, Responses", startRelay("openai", "/v1"), responses},
		{"ginnel run, Gemini", startRelay("gemini", "/v1beta"), gemini},
		{"ginnel run, Anthropic", startRelay("anthropic", "/v1"), anthropic},
		{"ginnel run, realtime and files, TLS", startRealtime(`tls "internal" {}`), realtime[:1]},
		{"ginnel run, realtime and files", startRealtime(""), realtime[1:]},
		{"ginnel run, across dialects", startAcross, across},
	}
	switch all, err := recorded.All(corpus, "*.json"); {
	case errors.Is(err, recorded.ErrNone):
		fmt.Println("== not checked with recorded traffic:", err)
	case err != nil:
		return err
	default:
		runs = append(runs, run{"ginnel run, recorded traffic", startRecorded(all), recordings})
	}
	for _, d := range runs {
		if !strings.Contains(d.name, only) {
			continue
		}
		fmt.Println("==", d.name)
		daemon, err := d.start(ctx, binary)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		for _, c := range d.clients {
			if err := c.run(ctx, daemon.endpoint); err != nil {
				fmt.Printf("FAIL %s: %v\n", c.name, err)
				failed++
			}
		}
		if err := daemon.stop(); err != nil {
			fmt.Printf("FAIL %s does not stop cleanly: %v\n", d.name, err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	return nil
}

// client is an SDK and the command that drives it.
type client struct {
	name string
	argv []string
	dir  string
}

// install puts OpenAI's SDKs into the cache unless they are there.
func install(ctx context.Context, cache string) ([]client, error) {
	clients, err := installScripts(ctx, cache, nodeSDK, "openai.mjs", pythonSDK, "openai_sdk.py")
	if err != nil {
		return nil, err
	}
	here, err := filepath.Abs("cmd/testclients")
	if err != nil {
		return nil, err
	}
	sdk := filepath.Join(cache, "go-sdk")
	if err := command(ctx, filepath.Join(here, "go"), "go", "build", "-o", sdk, "."); err != nil {
		return nil, err
	}
	return append(clients, client{"go", []string{sdk}, here}), nil
}

// installScripts puts a vendor's SDKs into the cache unless they are there, with the scripts that use
// them.
func installScripts(ctx context.Context, cache, nodeSDK, nodeScript, pythonSDK, pythonScript string) ([]client, error) {
	here, err := filepath.Abs("cmd/testclients")
	if err != nil {
		return nil, err
	}
	node, err := installNode(ctx, cache, nodeSDK)
	if err != nil {
		return nil, err
	}
	python, err := installPython(ctx, cache, here, pythonSDK)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{nodeScript, "checks.mjs"} { // Node finds the SDK beside the script only
		script, err := os.ReadFile(filepath.Join(here, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(node, name), script, 0o644); err != nil {
			return nil, err
		}
	}
	return []client{
		{"node", []string{"node", nodeScript}, node},
		{"python", []string{filepath.Join(python, "bin", "python"), pythonScript}, here},
	}, nil
}

// installNode puts packages, which a space separates, into a directory of their own unless they are there.
func installNode(ctx context.Context, cache, packages string) (dir string, err error) {
	dir = filepath.Join(cache, "node", folder(packages))
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return dir, nil
	}
	fmt.Println("== installing", packages)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, command(ctx, dir, "npm", append([]string{"install", "--silent", "--no-audit", "--no-fund"}, strings.Fields(packages)...)...)
}

// installPython does it for Python.
func installPython(ctx context.Context, cache, here, packages string) (dir string, err error) {
	dir = filepath.Join(cache, "python", folder(packages))
	if _, err := os.Stat(filepath.Join(dir, "installed")); err == nil {
		return dir, nil
	}
	fmt.Println("== installing", packages)
	if err := command(ctx, here, "python3", "-m", "venv", dir); err != nil {
		return "", err
	}
	if err := command(ctx, here, filepath.Join(dir, "bin", "pip"), append([]string{"install", "--quiet"}, strings.Fields(packages)...)...); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "installed"), nil, 0o644)
}

// folder names a directory by its packages and their versions.
func folder(packages string) string { return strings.NewReplacer("/", "-", " ", "_").Replace(packages) }

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (c client) run(ctx context.Context, e endpoint) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "BASE_URL="+e.BaseURL, "API_KEY="+e.Key, "MODEL="+cmp.Or(e.Model, "echo"), "MOCK_URL="+e.Upstream, "RECORDED="+e.Recorded, "PYTHONDONTWRITEBYTECODE=1")
	if e.CA != "" {
		cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+e.CA, "SSL_CERT_FILE="+e.CA)
	}
	return cmd.Run()
}

// daemon is a ginnel that this program started.
type daemon struct {
	endpoint
	cmd   *exec.Cmd
	clean func()
}

func startDev(ctx context.Context, binary string) (*daemon, error) {
	cmd := exec.CommandContext(ctx, binary, "dev", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	return start(cmd, func() {})
}

// start runs a daemon and reads the line of JSON that says it is ready.
func start(cmd *exec.Cmd, clean func()) (*daemon, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, clean: clean}
	timer := time.AfterFunc(startup, func() { cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &d.endpoint)
	}
	if err != nil {
		d.stop()
		return nil, fmt.Errorf("no line of JSON: %w", err)
	}
	return d, nil
}

// stop ends the daemon as a service manager would.
func (d *daemon) stop() error {
	defer d.clean()
	d.cmd.Process.Signal(syscall.SIGTERM)
	return d.cmd.Wait()
}
