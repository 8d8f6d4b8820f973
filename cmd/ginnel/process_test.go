package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/daemon"
)

// startProgram runs the program until the test ends and returns what it prints on its standard
// output, which is read by one caller.
func startProgram(t *testing.T, dir string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := program(dir, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return cmd, bufio.NewReader(out)
}

// freePort returns a loopback address that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// writeConfig writes a gateway.hcl for `ginnel run` and returns its directory and address.
func writeConfig(t *testing.T, auth string) (dir, address string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ginnel-test-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address = freePort(t)
	hcl := strings.NewReplacer("%DATA%", "./data", "127.0.0.1:0", address, `auth     = "none"`, fmt.Sprintf("auth = %q", auth)).Replace(echoed(emptyPipeline))
	if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, address
}

// answers waits until a daemon answers on its control socket.
func answers(t *testing.T, dir string) daemon.Status {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c, err := daemon.Dial(context.Background(), filepath.Join(dir, "data"))
		if err != nil {
			continue
		}
		if s, err := c.Status(context.Background()); err == nil {
			return s
		}
	}
	t.Fatal("no daemon answers")
	return daemon.Status{}
}

// TestDevAnswers is what a newcomer does first.
func TestDevAnswers(t *testing.T) {
	cmd, out := startProgram(t, t.TempDir(), "dev", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	line, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready devReady
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	token := madeUpToken()
	for _, stream := range []bool{false, true} {
		req, err := http.NewRequest("POST", ready.BaseURL+"/chat/completions", strings.NewReader(ask(ready.Model, "my token is "+token, stream)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+ready.Key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(text), "token") || strings.Contains(string(text), token[4:]) {
			t.Errorf("stream %t: status %d: %s", stream, resp.StatusCode, text)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it was asked to stop: %v", err)
	}
	if _, err := os.Stat(ready.DataDir); !os.IsNotExist(err) {
		t.Errorf("its state is left in %s", ready.DataDir)
	}
}

// TestOrphans: a daemon that was killed leaves no plugin process.
func TestOrphans(t *testing.T) {
	dir, _ := writeConfig(t, "none")
	cmd, _ := startProgram(t, dir, "run")
	pid := answers(t, dir).Plugins[0].PID
	cmd.Process.Kill()
	cmd.Wait()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the plugin's process %d lives on", pid)
		}
	}
}

// TestSignals: SIGHUP reloads, SIGTERM ends with success.
func TestSignals(t *testing.T) {
	dir, address := writeConfig(t, "none")
	cmd, _ := startProgram(t, dir, "run")
	answers(t, dir)
	path := filepath.Join(dir, "gateway.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(hcl string, ok func(daemon.Status) bool) {
		t.Helper()
		if err := os.WriteFile(path, []byte(hcl), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Process.Signal(syscall.SIGHUP)
		for end := time.Now().Add(patience); !ok(answers(t, dir)); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%+v", answers(t, dir).Reloads)
			}
		}
	}
	reload(strings.Replace(string(text), `model "echo" {`, "model \"echo\" {\n  aliases = [\"other\"]", 1), func(s daemon.Status) bool { return s.Reloads.Applied == 1 })
	reload(string(text)+"nonsense", func(s daemon.Status) bool { return s.Reloads.Refused == 1 && s.Reloads.LastError != "" })
	resp, err := http.Post("http://"+address+"/v1/chat/completions", "application/json", strings.NewReader(ask("other", "hello", false)))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %+v", err, resp)
	}
	resp.Body.Close()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it was asked to stop: %v", err)
	}
}

// TestOneDaemon: a second one on the same data or the same address says what is wrong.
func TestOneDaemon(t *testing.T) {
	dir, address := writeConfig(t, "none")
	startProgram(t, dir, "run")
	answers(t, dir)
	if s := ginnel(t, dir, "run"); s.code == 0 || !strings.Contains(s.err, "is a daemon running with this data_dir?") {
		t.Errorf("the same data: %+v", s)
	}
	other, old := writeConfig(t, "none")
	path := filepath.Join(other, "gateway.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, address, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := ginnel(t, other, "run"); s.code == 0 || !strings.Contains(s.err, address) || !strings.Contains(s.err, "in use") {
		t.Errorf("the same address: %+v", s)
	}
}

// TestKeysCommand makes, lists and ends keys, with a daemon and without, and looks for their texts on
// the disk.
func TestKeysCommand(t *testing.T) {
	dir, address := writeConfig(t, "key")
	use := func(key string) int {
		req, err := http.NewRequest("GET", "http://"+address+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	offline := strings.TrimSpace(ginnel(t, dir, "keys", "create", "--name", "offline").out)
	cmd, _ := startProgram(t, dir, "run")
	answers(t, dir)
	made := ginnel(t, dir, "keys", "create", "--name", "online", "--ttl", "1h", "--json")
	var online struct{ ID, Key string }
	if err := json.Unmarshal([]byte(made.out), &online); err != nil {
		t.Fatalf("%v: %+v", err, made)
	}
	if a, b := use(offline), use(online.Key); a != 200 || b != 200 {
		t.Errorf("status %d with the one made before, %d with the other", a, b)
	}
	if s := ginnel(t, dir, "keys", "list"); !strings.Contains(s.out, "offline") || !strings.Contains(s.out, online.ID) || strings.Contains(s.out, online.Key) {
		t.Errorf("list: %+v", s)
	}
	if s := ginnel(t, dir, "keys", "revoke", online.ID); s.code != 0 || use(online.Key) != 401 {
		t.Errorf("revoke: %+v", s)
	}
	for _, bad := range [][]string{{"keys", "revoke", "key_none"}, {"keys", "create", "--team", "none"}, {"keys", "create", "--model", "none"}, {"keys", "create", "--ttl", "-1h"}} {
		if s := ginnel(t, dir, bad...); s.code == 0 || s.err == "" {
			t.Errorf("%v: %+v", bad, s)
		}
	}
	cmd.Process.Kill() // and not gently
	cmd.Wait()
	startProgram(t, dir, "run")
	answers(t, dir)
	if a, b := use(offline), use(online.Key); a != 200 || b != 401 {
		t.Errorf("after kill -9: status %d and %d", a, b)
	}
	filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), online.Key) || strings.Contains(string(text), offline) {
			t.Errorf("%s holds a key's text", path)
		}
		return err
	})
}

// TestCommands: each says what it should and exits as it should.
func TestCommands(t *testing.T) {
	dir, _ := writeConfig(t, "none")
	empty := t.TempDir()
	for _, c := range []struct {
		dir  string
		args string
		code int
		want string
	}{
		{empty, "run", 1, "ginnel dev"},
		{empty, "validate", 1, "gateway.hcl"},
		{dir, "validate", 0, "is valid"},
		{dir, "status", 1, "no daemon is running"},
		{dir, "reload", 1, "no daemon is running"},
		{dir, "plugins list", 0, "echo"},
		{dir, "config show", 0, "listener"},
		{dir, "schema", 0, "listener"},
		{dir, "schema --json", 0, `"listener"`},
		{dir, "filter inspect builtin:sanitize", 0, "sanitize"},
		{dir, "filter inspect gateway.hcl", 1, "gateway.hcl"},
		{dir, "filter inspect none.wasm", 1, "none.wasm"},
		{dir, "version", 0, "unknown"},
		{dir, "completion bash", 0, "ginnel"},
		{dir, "completion fish", 0, "ginnel"},
		{dir, "completion zsh", 0, "ginnel"},
		{dir, "help", 0, "ginnel dev"},
		{dir, "nonsense", 1, "nonsense"},
		{dir, "keys nonsense", 1, "nonsense"},
		{dir, "config nonsense", 1, "nonsense"},
		{dir, "filter nonsense", 1, "nonsense"},
		{dir, "plugins nonsense", 1, "nonsense"},
		{dir, "keys", 0, "revoke"},
		{dir, "run --nonsense", 1, "nonsense"},
		{dir, "plugin-serve nonsense", 1, "starts its plugins itself"},
	} {
		s := ginnel(t, c.dir, strings.Fields(c.args)...)
		if s.code != c.code || !strings.Contains(s.out+s.err, c.want) {
			t.Errorf("ginnel %s: %+v", c.args, s)
		}
	}
}
